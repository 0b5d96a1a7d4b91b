"""What PRelu costs in ONNX Runtime, and the forms that `PReluToMax` and `PReluToLeakyRelu` write instead.

python tests/benchmarks/slopes.py
"""

from __future__ import annotations

import sys

import numpy as np
import onnx

from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.runtimes.timing import run_seconds

SHAPES = ((16, 1, 65), (16, 16, 16), (128, 16, 16), (64, 32, 32), (32, 64, 64), (32, 128, 128))
FORMS = {
    "PRelu": "y = PRelu(x, a)",
    "Max": "m = Mul(x, a) y = Max(x, m)",
    "Relu + a * Min": "r = Relu(x) n = Min(x, zero) m = Mul(n, a) y = Add(r, m)",
    "LeakyRelu": "y = LeakyRelu<alpha = 0.25>(x)",
}
RUNS = 60


def form(nodes: str, shape: tuple[int, int, int]) -> bytes:
    """A model of one activation."""
    size = ", ".join(map(str, (1, *shape)))
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[{size}] x) => (float[{size}] y) {{ {nodes} }}'
    )
    slopes = np.random.default_rng(0).uniform(-0.5, 0.9, (shape[0], 1, 1)).astype(np.float32)
    for name, array in (("a", slopes), ("zero", np.zeros((), np.float32))):
        if f"{name})" in nodes:
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model.SerializeToString()


def main() -> int:
    """Print the table."""
    one = SessionSettings(threads=1)
    for shape in SHAPES:
        x = {"x": np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)}
        sessions = [OrtCpu().open(form(nodes, shape), one) for nodes in FORMS.values()]
        seconds = [float(row.min()) for row in run_seconds(sessions, x, RUNS)]
        words = ", ".join(f"{name} {s * 1e6:.0f} us" for name, s in zip(FORMS, seconds, strict=True))
        sys.stdout.write(f"{'{} x {} x {}'.format(*shape):15} {words}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
