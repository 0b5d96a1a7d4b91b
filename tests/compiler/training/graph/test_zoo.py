"""Real models as modules: they agree with ONNX Runtime, and go back bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgec.compiler.load import load_model
from edgec.compiler.training.graph import as_module
from edgec.errors import ModelError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytestmark = [pytest.mark.torch, pytest.mark.zoo, pytest.mark.slow]

# Sizes of free dimensions, where 2 is not one that the model runs with.
_SIZES = {"imdn_rtc_x2": 24, "stories260k": 7, "g2pm_bilstm": 9, "stories260k_kv": 1}
_MODELS = (
    "cct_cifar10",
    "crepe_tiny",
    "espnetv2_05_voc",
    "g2pm_bilstm",
    "gtcrn_stream",
    "imdn_rtc_x2",
    "kws_dscnn",
    "lprnet",
    "magika",
    "mobilenetv1_050",
    "mobilenetv2_100",
    "nanodet_m",
    "resnet56_cifar10",
    "squeezenet11",
    "stories260k",
    "stories260k_kv",
    "textgenrnn",
    "ultraface_rfb320",
    "vww_mobilenet96",
)


@pytest.mark.parametrize("name", _MODELS)
def test_computes_what_onnx_runtime_computes(name: str, zoo: Path) -> None:
    model = load_model(zoo / "models" / name / "model.onnx").model
    module = as_module(model)
    written = ir.to_proto(module.to_model()).SerializeToString(deterministic=True)
    assert written == ir.to_proto(model).SerializeToString(deterministic=True)
    session = ort.InferenceSession(written, providers=["CPUExecutionProvider"])
    rng, feeds = np.random.default_rng(0), {}
    for each in session.get_inputs():
        shape = [dim if isinstance(dim, int) else _SIZES.get(name, 2) for dim in each.shape]
        if "int" in each.type:
            feeds[each.name] = rng.integers(1, 8, shape).astype(np.int32 if "32" in each.type else np.int64)
        else:
            feeds[each.name] = rng.standard_normal(shape).astype(np.float32)
    with torch.no_grad():
        made = module.compute(feeds, module.output_names)
    for output, exact in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        assert np.abs(made[output.name].numpy() - exact).max() <= 1e-4 * np.abs(exact).max()


def test_a_graph_with_branches_is_refused_by_name(zoo: Path) -> None:
    model = load_model(zoo / "models" / "silero_vad" / "model.onnx").model
    with pytest.raises(ModelError) as error:
        as_module(model, origin="silero_vad")
    assert error.value.problem == "node 'If_0' (If): it is not among the operators that can be trained"
