"""A one-convolution model and two samples of it.

Compiling it before the clock starts takes the imports of a tool out of its time, whichever modules it imports late,
the same way for every tool.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["INPUT", "warmup_files"]

INPUT = "x"


def warmup_files(folder: Path) -> tuple[Path, Path]:
    """Write `warmup.onnx` and `warmup.npz` to `folder`; their paths."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    graph = helper.make_graph(
        [helper.make_node("Conv", [INPUT, "w"], ["c"], "conv"), helper.make_node("Relu", ["c"], ["y"], "relu")],
        "warmup",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])],
        [numpy_helper.from_array(rng.standard_normal((4, 4, 3, 3), np.float32), "w")],
    )
    model, samples = folder / "warmup.onnx", folder / "warmup.npz"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    np.savez(samples, allow_pickle=False, **{INPUT: rng.standard_normal((2, 4, 8, 8), np.float32)})
    return model, samples
