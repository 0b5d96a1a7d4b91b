"""What an int8 Conv of few filters per group costs as it is, and as one with zeros between its groups (`DenseGroups`).

python tests/benchmarks/groups.py
"""

from __future__ import annotations

import sys

import numpy as np
import onnx

from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.runtimes.timing import run_seconds

# Groups, channels and filters of each, kernel, side of the image.
SHAPES = ((10, 5, 1, 3, 128), (16, 2, 3, 3, 64), (16, 1, 2, 3, 128), (4, 8, 8, 1, 16), (4, 16, 16, 1, 32))
RUNS = 40


def conv(groups: int, inputs: int, outputs: int, kernel: int, side: int, *, integer: bool) -> bytes:
    """A Conv on images, QLinearConv on uint8 where `integer`; its inputs count all groups."""
    dtype = "uint8" if integer else "float"
    attributes = f"group = {groups}, kernel_shape = [{kernel}, {kernel}], pads = [{', '.join([str(kernel // 2)] * 4)}]"
    node = f"QLinearConv<{attributes}>(x, s, z, w, s, v, s, z)" if integer else f"Conv<{attributes}>(x, w)"
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g ({dtype}[1, {inputs * groups}, {side}, {side}] x) => '
        f"({dtype}[1, {outputs}, {side}, {side}] y) {{ y = {node} }}"
    )
    w = np.random.default_rng(0).integers(-127, 128, (outputs, inputs, kernel, kernel))
    constants = {"w": w.astype(np.int8 if integer else np.float32)}
    if integer:
        constants |= {"s": np.array(0.1, np.float32), "z": np.array(128, np.uint8), "v": np.array(0, np.int8)}
    for name, array in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model.SerializeToString()


def seconds(models: list[bytes], x: np.ndarray) -> list[float]:
    """The fastest run of each, in turns, one thread."""
    sessions = [OrtCpu().open(model, SessionSettings(threads=1)) for model in models]
    return [float(row.min()) for row in run_seconds(sessions, {"x": x}, RUNS)]


def main() -> int:
    """Print the table; dense ones read channels in fours and write at least 16, as `WidenOutputs` has them."""
    rng = np.random.default_rng(1)
    for groups, inputs, outputs, kernel, side in SHAPES:
        image = (1, groups * inputs, side, side)
        (floating,) = seconds(
            [conv(groups, inputs, groups * outputs, kernel, side, integer=False)], rng.normal(size=image).astype("f4")
        )
        codes = rng.integers(0, 256, image).astype(np.uint8)
        (grouped,) = seconds([conv(groups, inputs, groups * outputs, kernel, side, integer=True)], codes)
        read, written = -(-groups * inputs // 4) * 4, max(16, -(-groups * outputs // 4) * 4)
        wide = np.pad(codes, [(0, 0), (0, read - image[1]), (0, 0), (0, 0)])
        (dense,) = seconds([conv(1, read, written, kernel, side, integer=True)], wide)
        sys.stdout.write(
            f"{groups} x {inputs} -> {groups} x {outputs}, {kernel}x{kernel}, {side} x {side}: float "
            f"{floating * 1e6:.0f} us, int8 in groups {grouped * 1e6:.0f} us, int8 dense {dense * 1e6:.0f} us\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
