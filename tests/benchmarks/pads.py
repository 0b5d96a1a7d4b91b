"""Convolutions behind a Pad: fused into one by ONNX Runtime, and with the Pad kept apart.

python tests/benchmarks/pads.py
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from table import markdown

# Channels in and out, height and width, kernel.
CASES = (
    (128, 16, 128, 1, 64, 1), (128, 16, 128, 1, 8, 1), (64, 64, 200, 1, 3, 1), (32, 32, 1, 256, 1, 16),
    (32, 32, 28, 28, 15, 15), (32, 32, 56, 56, 7, 7), (32, 32, 56, 56, 3, 3),
)  # fmt: skip
RUNS = 40


def main() -> int:
    """Print the table."""
    rows = []
    for case in CASES:
        fused, apart = (microseconds(convolution(*case, apart=apart), case) for apart in (False, True))
        inputs, outputs, height, width, tall, wide = case
        name = f"{inputs} -> {outputs}, {tall} x {wide} at {height} x {width}"
        rows.append((name, f"{fused:.0f}", f"{apart:.0f}", f"{fused / apart:.2f}x"))
    sys.stdout.write(markdown(("convolution", "fused us", "apart us", "ratio"), rows) + "\n")
    return 0


def convolution(
    inputs: int, outputs: int, height: int, width: int, tall: int, wide: int, *, apart: bool
) -> onnx.ModelProto:
    """Pad and Conv of the same size; the Pad names an empty value, which is not fused, where it is to stay."""
    draw = np.random.default_rng(0)
    amounts = np.array([0, 0, tall // 2, wide // 2, 0, 0, (tall - 1) // 2, (wide - 1) // 2], np.int64)
    graph = helper.make_graph(
        [
            helper.make_node("Pad", ["x", "amounts", *([""] if apart else [])], ["p"]),
            helper.make_node("Conv", ["p", "w"], ["y"]),
        ],
        "pads",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inputs, height, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs, height, width])],
        [
            numpy_helper.from_array(amounts, "amounts"),
            numpy_helper.from_array(draw.standard_normal((outputs, inputs, tall, wide), np.float32), "w"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def microseconds(model: onnx.ModelProto, case: tuple[int, ...]) -> float:
    """The least of some runs with one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    feeds = {"x": np.random.default_rng(1).standard_normal((1, case[0], *case[2:4]), np.float32)}
    least = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        session.run(None, feeds)
        least = min(least, time.perf_counter() - started)
    return 1e6 * least


if __name__ == "__main__":
    sys.exit(main())
