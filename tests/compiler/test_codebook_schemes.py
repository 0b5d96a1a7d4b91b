"""Schemes of codebooks, compiled and run: what the bundle holds, and what is left of it in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from support.graphs import model, weights

import edgec
from edgec.compiler.scheme import choose_scheme
from edgec.errors import OptionError
from edgec.targets.policy import Policy

SOURCE = """g (float[N, 256] x) => (float[N, 256] y) {
    a = MatMul(x, w)
    b = Relu(a)
    y = Gemm(b, v, c)
}"""


@pytest.mark.parametrize(
    ("scheme", "bits", "least"),
    [("nf4", 4.5, 18), ("fp4", 4.5, 18), ("w3", 3.25, 13), ("w2e8", 2.2, 7), ("w2h", 2.2, 6)],
)
def test_a_bundle_is_small_and_runs_in_the_integer_kernel(
    scheme: str, bits: float, least: float, tmp_path: Path
) -> None:
    import onnxruntime

    source = model(SOURCE, w=weights(256, 256, scale=0.06), v=weights(256, 256, seed=1, scale=0.06), c=weights(256))
    rng = np.random.default_rng(0)
    samples = [{"x": rng.standard_normal((128, 256)).astype(np.float32)} for _ in range(4)]
    bundle = edgec.compile(
        source,
        target="x86-64-vnni",
        scheme=scheme,
        weight_form="packed",
        calibration=samples,
        output=tmp_path / "out",
        prove=False,
        search=False,
    )
    held = onnx.load(bundle.model)
    # Tables, factors and nodes are those of any number of matrices.
    matrices = [t for t in held.graph.initializer if t.name.startswith(("w_", "v_"))]
    assert 8 * sum(len(t.raw_data) for t in matrices) / (2 * 256 * 256) <= bits * 1.05 + 8 * 7000 / (2 * 256 * 256)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of saving what it optimized for this processor
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    session = onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    ops = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx", load_external_data=False).graph.node}
    assert "MatMulNBits" in ops
    assert not ops & {"Gather", "Cast", "Expand", "BitwiseOr", "Split"}
    x = rng.standard_normal((16, 256)).astype(np.float32)
    w, v, c = (source.graph.initializers[name].const_value.numpy() for name in "wvc")
    expected = np.maximum(x @ w, 0) @ v + c
    lost = np.square(session.run(None, {"x": x})[0] - expected).mean() / np.square(expected).mean()
    assert -10 * np.log10(lost) > least


def test_codes_chosen_by_inputs_need_samples() -> None:
    source = model(SOURCE, w=weights(256, 256), v=weights(256, 256), c=weights(256))
    assert choose_scheme("w2e8", source, calibrated=True) == ("w2e8", "as asked")
    assert choose_scheme("nf4", source, calibrated=False) == ("nf4", "as asked")
    with pytest.raises(OptionError) as caught:
        choose_scheme("w2e8", source, calibrated=False)
    assert str(caught.value) == (
        "--scheme w2e8: needs calibration samples: codes go by what weights are multiplied with. "
        "Give --calibration, or choose w3 or nf4."
    )


def test_bitsandbytes_form_is_of_nf4() -> None:
    with pytest.raises(OptionError) as caught:
        Policy(scheme="w4", weight_form="bnb4")
    assert str(caught.value) == "--weight-form bnb4: holds nf4, and the scheme is w4. Add --scheme nf4."
    with pytest.raises(OptionError) as caught:
        Policy(product_tables=1)
    assert str(caught.value) == "--product-tables: 1 is not from 2 to 64. Give 4 (2 bits a number) or 8."
