"""Run models in ONNX Runtime and compare what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_ir as ir

__all__ = ["assert_same", "assert_within", "optimized", "optimized_ops", "run"]


def run(model: ir.Model, feeds: Mapping[str, np.ndarray], *, optimize: bool = False) -> dict[str, np.ndarray]:
    """Outputs by name, in order; optimizations off unless asked for, so that the graph runs as written."""
    import onnxruntime

    options = _options()
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(_bytes(model), options, providers=["CPUExecutionProvider"])
    return dict(zip((value.name for value in session.get_outputs()), session.run(None, dict(feeds)), strict=True))


def optimized(model: ir.Model, *, basic: bool = False) -> onnx.ModelProto:
    """The graph ONNX Runtime makes of a model with default options; basic: what it shows to providers."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        options = _options()
        if basic:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        onnxruntime.InferenceSession(_bytes(model), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def optimized_ops(model: ir.Model) -> Counter[str]:
    """How many nodes of each operator ONNX Runtime runs."""
    return Counter(node.op_type for node in optimized(model).graph.node)


def assert_same(
    reference: Mapping[str, np.ndarray], value: Mapping[str, np.ndarray], *, tolerance: float = 1e-5
) -> None:
    """Outputs have the same names, order, dtypes and shapes, and differ by rounding at most.

    Args:
        reference: What is right.
        value: What is compared with it.
        tolerance: Largest difference, as a share of the reference's largest magnitude; integers must be equal.
    """
    assert list(value) == list(reference), f"outputs {list(value)}, not {list(reference)}"
    for name, x in reference.items():
        y = value[name]
        assert (y.dtype, y.shape) == (x.dtype, x.shape), f"{name}: {y.dtype}{y.shape}, not {x.dtype}{x.shape}"
        if not np.issubdtype(x.dtype, np.floating):
            assert np.array_equal(x, y), f"{name}: {np.count_nonzero(x != y)} of {x.size} elements differ"
            continue
        assert_within(x, y, tolerance * float(np.abs(x[np.isfinite(x)]).max(initial=0.0)), name=name)


def assert_within(reference: np.ndarray, value: np.ndarray, limit: float, *, name: str = "output") -> None:
    """No element differs by more than `limit`; what is not finite is the same in both."""
    x, y = np.asarray(reference, np.float64), np.asarray(value, np.float64)
    finite = np.isfinite(x)
    assert np.array_equal(finite, np.isfinite(y)), f"{name}: {np.count_nonzero(~np.isfinite(y))} not finite"
    assert np.array_equal(x[~finite], y[~finite], equal_nan=True), f"{name}: other infinities"
    worst = np.abs(x[finite] - y[finite]).max(initial=0.0)
    assert worst <= limit, f"{name}: differs by {worst:.6g}, allowed are {limit:.6g}"


def _options() -> object:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return options


def _bytes(model: ir.Model) -> bytes:
    return ir.serde.serialize_model(model).SerializeToString()
