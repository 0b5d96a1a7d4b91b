"""Bundles that devices answer for, keys, and receipts of any content."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import edgec
from edgec.bundle import Bundle
from edgec.compiler.samples.base import State
from edgec.runtimes.device.receipt import signed

__all__ = ["NOW", "STATE", "digits_bundle", "recurrent_bundle", "said_of", "write_receipt"]

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
STATE = State(carried={"h": "h_next"})
_RECURRENT = """<ir_version: 8, opset_import: ["": 17]>
recurrent (float[1, 8] x, float[1, 16] h) => (float[1, 3] y, float[1, 16] h_next) {
    [joined] both = Concat<axis = 1>(x, h)
    [cell] sums = Gemm(both, cell_weight, cell_bias)
    [squash] h_next = Tanh(sums)
    [head] y = Gemm(h_next, head_weight, head_bias)
}"""


def digits_bundle(digits: Path, output: Path, target: str = "host", **options: Any) -> Bundle:
    """The shipped example as a bundle."""
    return edgec.compile(
        digits / "digits.onnx",
        target=target,
        calibration=digits / "calibration.npz",
        output=output,
        cache=False,
        prove=False,
        **options,
    )


def recurrent_bundle(output: Path, target: str = "host") -> Bundle:
    """A cell whose state is carried from step to step, as a bundle with six golden steps."""
    model = onnx.parser.parse_model(_RECURRENT)
    rng = np.random.default_rng(0)
    for name, shape in (
        ("cell_weight", (24, 16)),
        ("cell_bias", (16,)),
        ("head_weight", (16, 3)),
        ("head_bias", (3,)),
    ):
        array = (0.5 * rng.standard_normal(shape)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    sequences = [[{"x": rng.standard_normal((1, 8)).astype(np.float32)} for _ in range(6)] for _ in range(4)]
    return edgec.compile(
        model, target=target, calibration=sequences, state=STATE, output=output, cache=False, prove=False
    )


def said_of(bundle: Bundle, **predicate: Any) -> dict[str, Any]:
    """The statement of a device that answers exactly, in a millisecond; with these parts of it replaced."""
    outputs = [{"name": each["name"], "exact": True, "sqnr_db": None, "nonfinite": 0} for each in _outputs(bundle)]
    said: dict[str, Any] = {
        "date": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
        "nonce": "",
        "device": {
            "name": "pi", "system": "Linux 6.12", "machine": "aarch64", "processor": "Raspberry Pi 5", "cores": 4,
            "features": ["ASIMDDP"], "emulated": "",
        },
        "runtime": {
            "language": "Python 3.13.5", "library": "onnxruntime", "onnxruntime": "1.31.1",
            "providers": list(bundle.manifest["target"]["providers"]),
        },
        "model": "model.onnx",
        "golden": {"steps": 1, "outputs": outputs},
        "load_ns": 50_000_000,
        "latency": {"threads": 1, "warmup": 5, "ns": [1_000_000] * 20, "computing_ns": 20_000_000},
        "memory": {"before": 40_000_000, "peak": 48_000_000, "runs": 2},
        "placement": {
            "evidence": "profile of one run",
            "nodes": [{"name": "stem/conv", "op": "QLinearConv", "provider": "CPUExecutionProvider"}],
        },
    }  # fmt: skip
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": bundle.path.name, "digest": {"sha256": bundle.digest}}],
        "predicateType": "urn:edgec:receipt:1",
        "predicate": copy.deepcopy({**said, **predicate}),
    }


def write_receipt(file: Path, said: Mapping[str, Any], seed: bytes) -> Path:
    """Sign a statement into a file."""
    file.write_text(signed(dict(said), seed), encoding="ascii")
    return file


def _outputs(bundle: Bundle) -> list[dict[str, Any]]:
    return list(bundle.manifest["outputs"])
