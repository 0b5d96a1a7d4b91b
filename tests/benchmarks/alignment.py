"""What padding channels to the int8 kernels' width buys: a stem with and without `AlignChannels`, and in float.

python tests/benchmarks/alignment.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import edgec
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.runtimes.timing import run_seconds

STEMS = {"3 -> 16 at 160": (16, 160), "3 -> 32 at 224": (32, 224), "3 -> 64 at 227": (64, 227)}
RUNS = 100


def stem(outputs: int, side: int) -> onnx.ModelProto:
    """Conv 3x3 stride 2, Relu, Conv 1x1 to 16 channels, global average."""
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3, {side}, {side}] x) => (float[N, 16, 1, 1] y) {{ '
        "c = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w) r = Relu(c) p = Conv(r, v) y = GlobalAveragePool(p) }"
    )
    for name, shape in (("w", (outputs, 3, 3, 3)), ("v", (16, outputs, 1, 1))):
        array = (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def main() -> int:
    """Print the table."""
    for name, (outputs, side) in STEMS.items():
        model = stem(outputs, side)
        x = {"x": np.random.default_rng(1).normal(size=(1, 3, side, side)).astype(np.float32)}
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            aligned = edgec.compile(model, calibration=[x], output=folder / "aligned", prove=False)
            lock = json.loads((aligned.path / "recipe.lock").read_text())
            lock["passes"] = [each for each in lock["passes"] if each["kind"] != "AlignChannels"]
            text = json.dumps(lock).replace('"aligned_inputs": 4', '"aligned_inputs": 1')
            (folder / "recipe.lock").write_text(text)
            plain = edgec.compile(
                model, calibration=[x], recipe=folder / "recipe.lock", output=folder / "plain", prove=False
            )
            one = SessionSettings(threads=1)
            sources = (model.SerializeToString(), plain.model, aligned.model)
            sessions = [OrtCpu().open(source, one) for source in sources]
            seconds = [float(np.median(row)) for row in run_seconds(sessions, x, RUNS)]
        words = "float {:.0f} us, int8 {:.0f} us, int8 with aligned channels {:.0f} us".format(
            *(s * 1e6 for s in seconds)
        )
        sys.stdout.write(f"{name:15} {words}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
