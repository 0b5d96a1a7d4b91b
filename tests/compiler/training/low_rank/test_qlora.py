"""QLoRA: what adapters are trained beside is what ships, bit for bit, and what they learn is what ships with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.checkpoints import write_checkpoint
from support.decoders import feeds_of, tiny_config, tiny_weights

import edgec
from edgec.errors import ModelError, OptionError

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs edgec[torch]")

CONFIG = tiny_config()
TOKENS = np.random.default_rng(3).integers(0, 61, 12)
# Codes as the file has them, to be compared.
FORM = {"block_size": 16, "weight_form": "standard"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny", CONFIG, tiny_weights(CONFIG))


def answer(module: Any, tokens: np.ndarray = TOKENS) -> Any:
    """Logits of a row, its cache empty."""
    feeds = {name: torch.from_numpy(np.array(each)) for name, each in feeds_of(CONFIG, tokens).items()}
    return module(**feeds)[0]


def stored(model: Path) -> dict[str, np.ndarray]:
    """Every matrix that DequantizeLinear makes, by the name of its weight."""
    proto = onnx.load(model)
    constants = {each.name: each for each in proto.graph.initializer}
    found = {}
    for node in proto.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        codes, scale = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
        axis, size = (next(each.i for each in node.attribute if each.name == name) for name in ("axis", "block_size"))
        spread = np.repeat(scale, size, axis=axis)
        found[node.input[0].rpartition("_")[0]] = codes.astype(np.float32) * spread
    return found


@pytest.mark.parametrize(("scheme", "rounding"), [("w4", "nearest"), ("w8", "nearest"), ("w4", "gptq")])
def test_the_base_is_that_of_the_bundle_bit_for_bit(tmp_path: Path, folder: Path, scheme: str, rounding: str) -> None:
    peft = pytest.importorskip("peft", reason="needs peft")
    rows = np.random.default_rng(0).integers(0, 61, (4, 20))
    np.savez(tmp_path / "rows.npz", input_ids=rows)
    asked = {"scheme": scheme, "rounding": rounding, **FORM}
    asked |= {"calibration": tmp_path / "rows.npz"} if rounding == "gptq" else {}
    module = edgec.qlora.prepare(folder, **asked)
    trained = {name: module.get_submodule(name).weight.numpy() for name in _products(module)}
    learner = peft.get_peft_model(module, peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"]))
    learner.save_pretrained(tmp_path / "law")

    bundle = edgec.compile(folder, adapters={"law": tmp_path / "law"}, prove=False, output=tmp_path / "out", **asked)

    shipped = stored(bundle.path / "model.onnx")
    assert len(trained) == 15  # seven in each of two layers, and the head
    for name, weight in trained.items():
        assert np.array_equal(shipped[f"{name}.weight"].T, weight), name


def test_what_is_learned_ships(tmp_path: Path, folder: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs peft")
    module = edgec.qlora.prepare(folder, scheme="w4", **FORM)
    before = {name: each.clone() for name, each in module.state_dict().items()}
    torch.manual_seed(0)
    learner = peft.get_peft_model(module, peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"]))
    optimizer = torch.optim.Adam([each for each in learner.parameters() if each.requires_grad], lr=1e-2)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(answer(learner)[0, :-1], torch.from_numpy(TOKENS[1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    learner.save_pretrained(tmp_path / "law")
    bundle = edgec.compile(
        folder, scheme="w4", adapters={"law": tmp_path / "law"}, prove=False, output=tmp_path / "out", **FORM
    )
    with torch.no_grad():
        wanted = answer(learner).numpy()
        plain = answer(edgec.qlora.prepare(folder, scheme="w4", **FORM)).numpy()

    base, found = (bundle.run(feeds_of(CONFIG, TOKENS), name)["logits"] for name in (None, "law"))

    assert losses[-1] < 0.5 * losses[0]
    # Kernels round what they multiply to 8 bits; the adapter changed it a hundred times more.
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
    assert np.abs(base - plain).max() < 0.02 * np.abs(plain).max()
    assert np.abs(found - base).max() > 0.5 * np.abs(base).max()
    kept = {name.replace(".base_layer", ""): each for name, each in module.state_dict().items() if "lora_" not in name}
    assert all(torch.equal(kept[name], each) for name, each in before.items())


def test_a_cache_that_is_left_out_is_empty(folder: Path) -> None:
    module = edgec.qlora.prepare(folder, scheme="w4", **FORM)
    rows = torch.from_numpy(np.stack([TOKENS, TOKENS[::-1].copy()]))

    logits, *_ = module(input_ids=rows, attention_mask=torch.ones_like(rows))

    assert torch.equal(logits[0], answer(module)[0])


def test_an_adapter_is_not_merged_and_lost(folder: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs peft")
    learner = peft.get_peft_model(
        edgec.qlora.prepare(folder, scheme="w4", **FORM), peft.LoraConfig(r=2, target_modules=["q_proj"])
    )
    with pytest.raises(ModelError, match=r"is kept in few bits: no adapter can be merged into it\."):
        learner.merge_and_unload()


def test_nothing_but_adapters_learns(folder: Path) -> None:
    module = edgec.qlora.prepare(folder, scheme="nf4", block_size=16)

    assert not any(each.requires_grad for each in module.parameters())
    assert {module.get_submodule(name).codes.dtype for name in _products(module)} == {torch.uint8}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"scheme": "a8w8"},
            OptionError,
            "scheme 'a8w8': stores no weights alone. Choose one of w8, w4, w3, w2, nf4, fp4.",
        ),
        (
            {"adapters": {}},
            OptionError,
            "option 'adapters': is not one of edgec.qlora.prepare. "
            "Give what concerns the bundle (evaluation, contract, output) to edgec.compile.",
        ),
        (
            {"exclude_nodes": (".",)},
            ModelError,
            "tiny: has no product whose weights w4 stores in few bits. Train a larger model, or choose another scheme.",
        ),
    ],
)
def test_what_has_no_base_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(folder.parent)

    with pytest.raises(error) as caught:
        edgec.qlora.prepare("tiny", **options)
    assert str(caught.value) == message


def _products(module: Any) -> list[str]:
    from edgec.compiler.training.low_rank.frozen_linear import FrozenLinear

    return [name for name, each in module.named_modules() if isinstance(each, FrozenLinear)]
