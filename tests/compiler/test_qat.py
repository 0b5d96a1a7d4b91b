"""Quantization-aware training, from the model to the bundle."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run

import edgec
from edgec.errors import ModelError, OptionError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")

pytestmark = pytest.mark.torch

TARGET = "x86-64-vnni"
NET = """g (float[N,4,6,6] x) => (float[N,3] y) {
    [stem] a = Conv<pads = [1, 1, 1, 1]>(x, stem_weight, stem_bias)
    r = Relu(a)
    [mix] b = Conv(r, mix_weight)
    s = Add(r, b)
    p = GlobalAveragePool(s)
    f = Flatten(p)
    [head] y = Gemm(f, head_weight, head_bias)
}"""


def net() -> ir.Model:
    return model(
        NET,
        opset=21,
        stem_weight=weights(8, 4, 3, 3),
        stem_bias=weights(8, seed=1),
        mix_weight=weights(8, 8, 1, 1, seed=2),
        head_weight=weights(8, 3, seed=3),
        head_bias=weights(3, seed=4),
    )


def samples() -> list[dict[str, np.ndarray]]:
    return [feeds_of(net(), seed=seed) for seed in range(4)]


def prepared(scheme: str = "a4w4", **options: Any) -> Any:
    return edgec.qat.prepare(net(), target=TARGET, scheme=scheme, calibration=samples(), **options)


def batches(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 4, 6, 6, generator=generator) for _ in range(count)]


def steps(module: Any, optimizer: Any, data: list[torch.Tensor]) -> None:
    """Fit the module to the mean of what it reads; deterministic."""
    module.train()
    for x in data:
        wanted = x.mean((2, 3))[:, :3]
        loss = ((module(x) - wanted) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def adam(module: Any) -> Any:
    return torch.optim.Adam(edgec.qat.parameter_groups(module, lr=1e-2))


def answer(module: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(feeds["x"])).numpy()


def test_training_is_carried_into_the_bundle(tmp_path: Path) -> None:
    module = prepared()
    steps(module, adam(module), batches(20))
    bundle = edgec.compile(module, target=TARGET, output=tmp_path / "out", prove=False)
    feeds = feeds_of(net(), seed=9)
    np.testing.assert_allclose(run(ir.load(bundle.model), feeds, optimize=True)["y"], answer(module, feeds), atol=1e-5)
    graph = ir.load(bundle.model).graph
    shipped, read = graph.initializers, {}
    assert bundle.manifest["scheme"] == "a4w4"
    for node in graph:
        if node.op_type == "QuantizeLinear":
            name = str(node.inputs[1].name).removesuffix("_scale")
            read[name] = [value.const_value.numpy() for value in node.inputs[1:]]
    assert read.keys() == module.activations.keys()
    for name, (scale, zero) in read.items():
        params = module.activations[name].params()
        assert scale.tobytes() == params.scale.tobytes()
        assert int(zero) == int(params.zero_point)
    scales = [name for name in shipped if name.endswith("weight_scale")]
    assert len(scales) == 3
    learned = {fake.value: fake.params().scale for fake in module.weights.values()}
    for name in scales:
        assert shipped[name].const_value.numpy().tobytes() == learned[name.removesuffix("_scale")].tobytes()


def test_an_untrained_module_is_what_is_compiled_after_training(tmp_path: Path) -> None:
    """PTQ results start QAT: without a step of training the bundles are the same, weights of float kernels aside."""
    ours = edgec.compile(prepared(), target=TARGET, output=tmp_path / "a", prove=False)
    theirs = edgec.compile(
        net(), target=TARGET, scheme="a4w4", calibration=samples(), output=tmp_path / "b", prove=False, search=False
    )
    one, other = (
        {k: v.const_value.numpy() for k, v in ir.load(b.model).graph.initializers.items()} for b in (ours, theirs)
    )
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_file_carries_what_was_learned(tmp_path: Path) -> None:
    module = prepared()
    steps(module, adam(module), batches(3))
    ir.save(edgec.qat.to_model(module), tmp_path / "trained.onnx")
    bundles = [
        edgec.compile(source, target=TARGET, output=tmp_path / name, prove=False)
        for name, source in (("a", module), ("b", tmp_path / "trained.onnx"))
    ]
    assert bundles[0].model.read_bytes() == bundles[1].model.read_bytes()


def test_a_bundle_is_compared_with_the_model_as_it_was_before_training(tmp_path: Path) -> None:
    module = prepared("a8w8")
    bundle = edgec.compile(module, target=TARGET, output=tmp_path / "a", evaluation=samples())
    assert _sqnr(bundle) > 25
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.neg_()
    bundle = edgec.compile(module, target=TARGET, output=tmp_path / "b", evaluation=samples())
    assert _sqnr(bundle) < 5


def _sqnr(bundle: Any) -> float:
    proof = json.loads((bundle.proof / "proof.json").read_text())
    return float(proof["evaluation"]["outputs"]["y"]["against_float"]["sqnr_db"])


def test_a_state_dict_holds_all_of_it() -> None:
    module, other = prepared(), prepared()
    steps(module, adam(module), batches(4))
    feeds = feeds_of(net(), seed=3)
    assert not np.array_equal(answer(module, feeds), answer(other, feeds))
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(answer(module, feeds), answer(other, feeds))
    names = list(module.state_dict())
    assert "stem_weight" in names
    assert "edges.r.scale" in names
    assert "edges.b.lowest" in names
    assert len({tensor.data_ptr() for tensor in module.state_dict().values()}) == len(names)


def test_training_that_was_interrupted_goes_on_bit_for_bit(tmp_path: Path) -> None:
    data = batches(8)
    whole = prepared()
    steps(whole, adam(whole), data)
    first = prepared()
    optimizer = adam(first)
    steps(first, optimizer, data[:4])
    torch.save({"module": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
    second = prepared()
    optimizer = adam(second)
    kept = torch.load(tmp_path / "checkpoint.pt")
    second.load_state_dict(kept["module"])
    optimizer.load_state_dict(kept["optimizer"])
    steps(second, optimizer, data[4:])
    for (name, one), other in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_copy_learns_by_itself() -> None:
    module = prepared()
    feeds = feeds_of(net(), seed=3)
    before = answer(module, feeds)
    other = copy.deepcopy(module)
    steps(other, adam(other), batches(3))
    np.testing.assert_array_equal(answer(module, feeds), before)
    assert not np.array_equal(answer(other, feeds), before)


def test_groups_part_weights_from_what_is_learned_of_steps() -> None:
    module = prepared()
    weights_, *rest = edgec.qat.parameter_groups(module, lr=1e-3, weight_decay=0.1)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert weights_["weight_decay"] == 0.1
    assert not any(names[id(each)].endswith((".scale", ".lowest")) for each in weights_["params"])
    for group in rest:
        assert group["weight_decay"] == 0.0
        for each in group["params"]:
            assert names[id(each)].endswith((".scale", ".lowest"))
            assert 0.5 * group["lr"] < 1e-3 * float(each.detach().abs().mean()) < 2.0001 * group["lr"]
    assert sum(len(group["params"]) for group in (weights_, *rest)) == len(names)
    _, alone = edgec.qat.parameter_groups(module, lr=1e-3, adaptive=False)
    assert alone["lr"] == 1e-3


def test_every_parameter_learns() -> None:
    """None is dead: what wraps the module for several processes asks for all gradients."""
    module = prepared()
    module(batches(1)[0]).sum().backward()
    assert [name for name, each in module.named_parameters() if each.grad is None] == []


def test_zeros_of_a_pruned_weight_stay(tmp_path: Path) -> None:
    source = net()
    value = source.graph.initializers["mix_weight"]
    pruned = value.const_value.numpy().copy()
    pruned[:, ::2] = 0.0
    value.const_value = ir.tensor(pruned, name="mix_weight")
    module = edgec.qat.prepare(source, target=TARGET, scheme="a8w8", calibration=samples())
    steps(module, adam(module), batches(5))
    bundle = edgec.compile(module, target=TARGET, output=tmp_path / "out", prove=False)
    stored = ir.load(bundle.model).graph.initializers["mix_weight_quantized"].const_value.numpy()
    assert not stored[:, ::2].any()
    assert stored[:, 1::2].any()


def test_a_torch_module_is_trained(tmp_path: Path) -> None:
    from support.torch_models import DigitsCnn, seeded

    generator = np.random.default_rng(0)
    feeds = [{"image": generator.standard_normal((1, 1, 16, 16)).astype(np.float32)} for _ in range(4)]
    module = edgec.qat.prepare(seeded(DigitsCnn()), target=TARGET, scheme="a8w8", calibration=feeds)
    bundle = edgec.compile(module, target=TARGET, output=tmp_path / "out", prove=False)
    with torch.no_grad():
        wanted = module(torch.from_numpy(feeds[0]["image"])).numpy()
    (answered,) = run(ir.load(bundle.model), feeds[0], optimize=True).values()
    np.testing.assert_allclose(answered, wanted, atol=1e-5)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a scheme without integers": (
        {"scheme": "w4"},
        "scheme 'w4': has no fake quantization: activations are not in integers, or their ranges are taken "
        "at run time. "
        "Choose one of a8w8, a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, a2w2.",
    ),
    "no samples": (
        {"calibration": None},
        "--scheme a8w8: needs calibration samples: static ranges are measured, never guessed. "
        "Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only).",
    ),
    "a target of floats": (
        {"target": "iphone-15"},
        "--scheme a8w8: stores integers, which the CoreML provider of target iphone-15 does not take: it has no Q/DQ. "
        "Choose one of fp16, float.",
    ),
    "bits a target has no kernel for": (
        {"target": "snapdragon-8-gen-3", "scheme": "a4w4"},
        "--scheme a4w4: would be expanded on the CPU at every inference of target snapdragon-8-gen-3. "
        "Give --calibration, or choose one of a8w8, a8w4, a16w8, a16w4, fp16, float.",
    ),
    "rounding that is learned": (
        {"rounding": "gptq"},
        "option 'rounding': has no meaning for weights that are trained. "
        "Leave it out; what is learned takes its place.",
    ),
    "what concerns the bundle": (
        {"contract": {"accuracy_drop": "1pt"}},
        "option 'contract': is not one of edgec.qat.prepare. "
        "Give what concerns the bundle (evaluation, contract, output) to edgec.compile.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused(name: str) -> None:
    options, message = REFUSED[name]
    with pytest.raises(OptionError) as caught:
        edgec.qat.prepare(net(), **{"target": TARGET, "calibration": samples(), **options})
    assert str(caught.value) == message


def test_a_model_without_integer_kernels_is_refused() -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { y = Tanh(x) }")
    with pytest.raises(ModelError, match="has no operator that runs in integers on this target"):
        edgec.qat.prepare(source, target=TARGET, calibration=[feeds_of(source)])


def test_another_module_has_nothing_to_carry() -> None:
    with pytest.raises(OptionError) as caught:
        edgec.qat.to_model(torch.nn.Linear(2, 2))
    assert str(caught.value) == (
        "<Linear>: is not a module that edgec.qat.prepare made. "
        "Give the module itself; one that wraps it has it as an attribute."
    )


def test_a_compile_asks_for_nothing_else_than_was_trained() -> None:
    module = prepared()
    with pytest.raises(OptionError) as caught:
        edgec.compile(module, target="arm64-dotprod")
    assert str(caught.value) == (
        f"target 'arm64-dotprod': is not what the model was trained for, '{TARGET}': its rules may put Q/DQ elsewhere. "
        f"Compile for {TARGET}, or prepare for arm64-dotprod and train again."
    )
    with pytest.raises(OptionError) as caught:
        edgec.compile(module, target=TARGET, per_channel=False)
    assert str(caught.value) == (
        "option 'per_channel': asks for False, and the model was trained with True. "
        "Leave it out, or prepare and train again."
    )


def test_scales_that_training_lost_are_refused() -> None:
    module = prepared()
    with torch.no_grad():
        module.activations["r"].scale.fill_(float("nan"))
    with pytest.raises(ModelError, match="value 'r': cannot be quantized as it was trained: its scale is nan"):
        edgec.compile(module, target=TARGET)


def test_weights_that_training_lost_are_refused() -> None:
    module = prepared()
    with torch.no_grad():
        module.get_parameter("stem_bias").fill_(float("nan"))
    with pytest.raises(ModelError, match="stem_bias"):
        edgec.compile(module, target=TARGET)


def test_the_trainer_of_transformers_trains_it(tmp_path: Path) -> None:
    """Its loop, its checkpoints in safetensors, and going on from one of them."""
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("accelerate", reason="needs accelerate")

    class Fitted(torch.nn.Module):
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            logits = self.module(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    generator = torch.Generator().manual_seed(0)
    rows = [{"x": torch.randn(4, 6, 6, generator=generator), "labels": k % 3} for k in range(16)]

    def train(steps_: int, resume: bool) -> Any:
        fitted = Fitted(prepared())
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "runs"),
            max_steps=steps_,
            per_device_train_batch_size=4,
            save_steps=2,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        optimizer = torch.optim.AdamW(edgec.qat.parameter_groups(fitted, lr=1e-3))
        trainer = transformers.Trainer(model=fitted, args=arguments, train_dataset=rows, optimizers=(optimizer, None))
        trainer.train(resume_from_checkpoint=resume)
        return fitted.module

    half = train(2, resume=False)
    whole = train(4, resume=True)
    feeds = feeds_of(net(), seed=1)
    assert not np.array_equal(answer(half, feeds), answer(whole, feeds))
    bundle = edgec.compile(whole, target=TARGET, output=tmp_path / "out", prove=False)
    np.testing.assert_allclose(run(ir.load(bundle.model), feeds, optimize=True)["y"], answer(whole, feeds), atol=1e-5)


WORKER = """
import sys, numpy as np, torch, torch.distributed as dist
sys.path.insert(0, sys.argv[1])
import edgec
from edgec.compiler.training.quantizing.module import QatModule
rank, store, folder = int(sys.argv[2]), sys.argv[3], sys.argv[4]
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
calibration = [{"x": each} for each in np.load(folder + "/calibration.npy")]
where = {"target": "x86-64-vnni", "scheme": "a4w4", "cache": False}
module = edgec.qat.prepare(folder + "/net.onnx", calibration=calibration, **where)
wrapped = torch.nn.parallel.DistributedDataParallel(module)
optimizer = torch.optim.SGD(wrapped.parameters(), lr=1e-3)
data = torch.from_numpy(np.load(folder + "/data.npy"))
for batch in data:
    loss = (wrapped(batch.chunk(2)[rank]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(module.state_dict(), f"{folder}/rank{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_learn_as_one(tmp_path: Path, repository: Path) -> None:
    """DistributedDataParallel on gloo: both hold the same after it, and it is what one process learns."""
    ir.save(net(), tmp_path / "net.onnx")
    np.save(tmp_path / "calibration.npy", np.stack([each["x"] for each in samples()]))
    data = torch.stack(batches(3))
    np.save(tmp_path / "data.npy", data.numpy())
    (tmp_path / "worker.py").write_text(WORKER)
    words = [sys.executable, "worker.py", str(repository)]
    running = [
        subprocess.Popen([*words, str(rank), str(tmp_path / "store"), str(tmp_path)], cwd=tmp_path) for rank in (0, 1)
    ]
    assert [each.wait(timeout=300) for each in running] == [0, 0]
    one, other = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    alone = edgec.qat.prepare(net(), target=TARGET, scheme="a4w4", calibration=samples())
    optimizer = torch.optim.SGD(alone.parameters(), lr=1e-3)
    for batch in data:
        loss = (alone(batch) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(one[name], tensor, rtol=1e-3, atol=1e-5)


def test_what_wraps_the_module_is_not_exported() -> None:
    """The scales that were learned would be lost, and others be measured on steps."""

    class Fitted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = prepared()

        def forward(self, x: torch.Tensor) -> Any:
            return self.inner(x)

    with pytest.raises(ModelError) as caught:
        edgec.compile(Fitted(), target=TARGET, calibration=samples(), prove=False)
    assert str(caught.value) == (
        "<Fitted>: holds a module of edgec.qat.prepare at 'inner'. Exported, it would be float with steps in it: the "
        "scales it learned are not those of its integers. Give that module itself to edgec.compile."
    )


@pytest.mark.parametrize("option", [{"sparsity": "2:4"}, {"prune_channels": "30%"}])
def test_nothing_is_left_out_behind_training(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        prepared(**option)
    assert str(caught.value) == (
        f"option {next(iter(option))!r}: leaves parts of a model out, which comes before training. "
        "Compile with it under scheme float, and train the model of that bundle."
    )


def test_weights_that_are_no_numbers_are_not_handed_on() -> None:
    module = prepared()
    with torch.no_grad():
        module.mix_weight[0, 0] = float("nan")
    with pytest.raises(ModelError) as caught:
        edgec.qat.to_model(module)
    assert str(caught.value) == (
        "initializer 'mix_weight': cannot be quantized as it was trained: it holds numbers that are not finite. "
        "Train with a smaller learning rate, or resume from an earlier checkpoint."
    )


def test_options_of_another_version_are_told(tmp_path: Path) -> None:
    trained = edgec.qat.to_model(prepared())
    values = json.loads(trained.metadata_props["edgec.learned"])
    trained.metadata_props["edgec.learned"] = json.dumps({**values, "options": {"later": 1}})
    with pytest.raises(ModelError) as caught:
        edgec.compile(trained, target=TARGET, output=tmp_path / "out", prove=False)
    assert str(caught.value).startswith("metadata 'edgec.learned': names an option that this edgec does not have: ")
    assert str(caught.value).endswith(" Compile it with the edgec that trained it, or prepare and train again.")
