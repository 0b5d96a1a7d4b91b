"""Every real model loads, computes what its file computes, and what was done to it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgec.compiler.load import load_model
from edgec.errors import ModelError

pytestmark = pytest.mark.zoo

RANK_0 = "declared shape [] of output 'logits' contradicts the graph, which gives [?, 1001]: dropped"
# Size of free dimensions, fixed feeds, and the notes loading leaves.
MODELS: dict[str, tuple[int, dict[str, np.ndarray], tuple[str, ...]]] = {
    "cct_cifar10": (2, {}, ()),
    "crepe_tiny": (2, {}, ()),
    "espnetv2_05_voc": (1, {}, ()),
    "g2pm_bilstm": (2, {}, ()),
    "gtcrn_stream": (1, {}, ("operator set 11 → 13, outputs compared", "IR version 6 → 7")),
    "imdn_rtc_x2": (24, {}, ()),
    "kws_dscnn": (2, {}, ()),
    "lprnet": (1, {}, ()),
    "magika": (2, {}, ()),
    "mobilenetv1_050": (2, {}, (RANK_0,)),
    "mobilenetv2_100": (2, {}, (RANK_0,)),
    "nanodet_m": (1, {}, ()),
    "resnet56_cifar10": (2, {}, ()),
    "silero_vad": (
        1,
        {
            "input": np.random.default_rng(0).standard_normal((1, 576)).astype(np.float32),
            "sr": np.array(16000),
        },
        (),
    ),
    "squeezenet11": (1, {}, ()),
    "stories260k": (2, {}, ()),
    "stories260k_kv": (3, {}, ()),
    "textgenrnn": (2, {}, ()),
    "ultraface_rfb320": (1, {}, ("IR version 4 → 7", "operator set 9 → 13, outputs compared")),
    "vww_mobilenet96": (2, {}, ()),
}


@pytest.mark.parametrize("name", MODELS)
def test_loads_and_computes_the_same(zoo: Path, name: str) -> None:
    size, fixed, notes = MODELS[name]
    path = zoo / "models" / name / "model.onnx"
    loaded = load_model(path)
    assert loaded.notes == notes
    original, ours = _session(path), _session(ir.to_proto(loaded.model).SerializeToString())
    assert _signature(ours.get_inputs()) == _signature(original.get_inputs())
    assert [value.name for value in ours.get_outputs()] == [value.name for value in original.get_outputs()]
    rng = np.random.default_rng(1)
    feeds = {info.name: fixed.get(info.name, _random(info, size, rng)) for info in original.get_inputs()}
    for wanted, got in zip(original.run(None, feeds), ours.run(None, feeds), strict=True):
        assert np.abs(wanted).max() > 0
        assert np.abs(wanted - got).max() <= 1e-6 * np.abs(wanted).max()


def test_all_values_have_types_and_shapes(zoo: Path) -> None:
    unknown = {}
    for name in MODELS:
        model = load_model(zoo / "models" / name / "model.onnx").model
        values = [value for node in model.graph.all_nodes() for value in node.outputs if value.name]
        unknown[name] = sum(value.shape is None or value.dtype is None for value in values)
    # silero_vad: branches of If that give different ranks.
    assert {name: count for name, count in unknown.items() if count} == {"silero_vad": 64}


def test_every_model_of_the_zoo_is_listed(zoo: Path) -> None:
    assert {path.parent.name for path in zoo.glob("models/*/model.onnx")} == set(MODELS)


def test_gguf_stays_as_it_is_stored(zoo: Path) -> None:
    (path,) = zoo.glob("models/stories260k_gguf/*q4_0.gguf")
    assert load_model(path, already_quantized="stored").stored
    with pytest.raises(ModelError, match="is quantized already: it has GatherBlockQuantized, MatMulNBits"):
        load_model(path)


def _session(model: Path | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _signature(values: list[ort.NodeArg]) -> list[tuple[str, str, list[int | str | None]]]:
    return [(value.name, value.type, value.shape) for value in values]


def _random(info: ort.NodeArg, size: int, rng: np.random.Generator) -> np.ndarray:
    shape = [dim if isinstance(dim, int) else size for dim in info.shape]
    if info.type == "tensor(float)":
        return rng.standard_normal(shape).astype(np.float32)
    return rng.integers(0, 2, shape).astype({"tensor(int64)": np.int64, "tensor(int32)": np.int32}[info.type])
