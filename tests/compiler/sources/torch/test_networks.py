"""Networks as people build them: exported, compared with torch, compiled for this machine, their names kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

import edgec
from edgec.compiler.inspect import inspect_model
from edgec.compiler.sources.torch.model import TorchModel
from edgec.targets import find_target

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
CASES = pytest.importorskip("support.torch_cases").CASES
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def exported() -> Callable[[str], TorchModel]:
    """A network by name, exported once for all tests of this file."""

    @cache
    def of(name: str) -> TorchModel:
        case = CASES[name]
        return TorchModel(given=(case.module(), case.example()), dynamic=case.dynamic)

    return of


@pytest.mark.parametrize("name", CASES)
def test_the_export_computes_what_the_module_does_in_other_sizes(
    name: str, exported: Callable[[str], TorchModel]
) -> None:
    case, model = CASES[name], exported(name).export().model
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    module = case.module()
    for sizes in ({}, case.sizes):
        inputs = case.example(**sizes)
        with torch.no_grad():
            wanted = module(**inputs)
        wanted = wanted if isinstance(wanted, dict) else {"output": wanted}
        made = session.run(None, {key: value.numpy() for key, value in inputs.items()})
        assert [each.name for each in session.get_outputs()] == list(wanted)
        for array, want in zip(made, wanted.values(), strict=True):
            assert array.shape == tuple(want.shape)
            assert np.abs(array - want.numpy()).max() <= 1e-4 * np.abs(want.numpy()).max()


@pytest.mark.parametrize("name", CASES)
def test_nodes_are_named_after_modules_and_weights_as_in_the_state_dict(
    name: str, exported: Callable[[str], TorchModel]
) -> None:
    case, model = CASES[name], exported(name).export().model
    names = {node.name for node in model.graph}
    assert set(case.nodes) <= names
    module = case.module()
    modules = {path for path, _ in module.named_modules()}
    for node in names:
        path, _, _ = str(node).rpartition("/")
        assert path.removeprefix("/").replace("/", ".") in modules
    state = module.state_dict()
    floats = [each for each in model.graph.initializers.values() if each.dtype == ir.DataType.FLOAT]
    weights = [str(each.name) for each in floats if not str(each.name).startswith("/")]
    buffers = {path for path, _ in module.named_buffers()}
    assert {each.removesuffix("_1") for each in weights} <= {*state, *buffers}
    for each in weights:
        if each in state:  # as it is, or transposed
            have = model.graph.initializers[each].const_value
            assert have is not None
            if have.size != state[each].numel():
                continue  # both directions of an LSTM in one
            assert sorted(have.numpy().ravel().tolist()) == sorted(state[each].numpy().ravel().tolist())


def test_free_dimensions_have_the_users_names(exported: Callable[[str], TorchModel]) -> None:
    graph = exported("decoder").export().model.graph
    shapes = {str(value.name): str(value.shape) for value in graph.inputs}
    assert shapes["input_ids"] == "[batch,length]"
    assert {shapes[name] for name in shapes if name != "input_ids"} == {"[batch,2,past,8]"}


@pytest.mark.parametrize("name", CASES)
def test_it_compiles_for_this_machine(name: str, exported: Callable[[str], TorchModel], tmp_path: Path) -> None:
    case = CASES[name]
    random = torch.Generator().manual_seed(2)
    samples = [
        {key: value.numpy() for key, value in case.inputs(random, **{**case.sizes, "batch": 1}).items()}
        for _ in range(4)
    ]
    scheme = "d8w8" if name in ("decoder", "tagger") else "a8w8"
    bundle = edgec.compile(
        exported(name), scheme=scheme, calibration=samples, evaluation=samples, output=tmp_path / "out", report=False
    )
    shipped = onnx.load(str(bundle.model))
    stems = tuple(node.rpartition("/")[0] for node in case.nodes)
    kept = {node.name for node in shipped.graph.node}
    for stem in stems:
        assert any(node.startswith(stem) for node in kept), f"{stem} is lost: {sorted(kept)}"


def test_inspect_speaks_of_modules(exported: Callable[[str], TorchModel]) -> None:
    found = inspect_model(exported("vit"), find_target("host"))
    assert found.origin == "<Vit>"
    assert found.census is not None
    assert any(name.startswith("/blocks.1/attn/") for name in found.skipped)
    assert found.ops["Gelu"] == 2
    assert found.ops["LayerNormalization"] == 5
