"""Records of a proof by hand, for pages: a model of three kernels, one of them in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgec.compiler.report.page.sources import Sources

__all__ = ["kernel", "latency", "metric", "result", "sources"]


def result(clause: str, status: str, **values: Any) -> dict[str, Any]:
    """One clause of a verdict."""
    plain = {"limit": None, "measured": None, "unit": None, "interval": None, "n": None, "reason": ""}
    return {"id": clause, "status": status, **plain, **values}


def kernel(name: str, op: str, macs: int | None, *, integer: bool = False, provider: str = "CPU") -> dict[str, Any]:
    """One kernel of a placement."""
    return {
        "name": name,
        "op": op,
        "provider": f"{provider}ExecutionProvider",
        "macs": macs,
        "integer": integer,
        "inputs": ["uint8[1, 4]"],
        "outputs": ["uint8[1, 8]"],
    }


def latency(threads: int, bundle: float, other: float | None) -> dict[str, Any]:
    """Latency with one thread count, medians in seconds."""

    def of(median: float | None) -> dict[str, Any] | None:
        return None if median is None else {"p50": median, "p95": median * 2, "runs": 100}

    ratio = None if other is None else bundle / other
    interval = None if ratio is None else [ratio * 0.9, ratio * 1.1]
    times = {"bundle": of(bundle), "float_model": of(other), "without_options": None}
    return {"threads": threads, **times, "ratio": ratio, "ratio_interval": interval}


def metric(**values: Any) -> dict[str, Any]:
    """A task metric: 90.4% of float's 91.4%."""
    found = {
        "name": "top1", "direction": "higher", "unit": "pt", "n": 500, "float_value": 0.914,
        "float_interval": [0.9, 0.93], "value": 0.904, "value_interval": [0.89, 0.92], "drop": 0.01,
        "drop_interval": [-0.004, 0.024],
    }  # fmt: skip
    return {**found, **values}


def _against(sqnr: float | None, **values: Any) -> dict[str, Any]:
    found = {"sqnr_db": sqnr, "cosine": 0.9999, "max_error": 0.25, "peak": 13.5, "equal_share": 0.1, "exact": False}
    return {"carried": False, "nonfinite": 0, "against_float": {**found, "nonfinite": 0, **values}}


def _evaluation(scored: Mapping[str, Any] | None) -> dict[str, Any]:
    outputs = {"logits": _against(35.65)}
    reason = "" if scored is not None else "the samples have no labels"
    samples = {"origin": "eval.npz", "digest": "e" * 64, "samples": 500, "steps": 500}
    return {**samples, "outputs": outputs, "metric": scored, "metric_reason": reason}


def sources(
    word: str = "proved",
    results: Sequence[Mapping[str, Any]] = (),
    *,
    scored: Mapping[str, Any] | None = None,
    proof: Mapping[str, Any] | None = None,
    placement: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
    contract: Sequence[str] = (),
    **records: Any,
) -> Sources:
    """Records of a small bundle; what is given replaces what is usual."""
    kernels = [
        kernel("x_QuantizeLinear", "QuantizeLinear", 0),
        kernel("stem", "QLinearConv", 600, integer=True),
        kernel("gate_out_nchwc", "Conv", 300),
        kernel("head", "QGemm", 100, integer=True),
    ]
    placed = {
        "evidence": "profile of one run", "partitions": 1, "crossing_bytes": 0, "macs": 1000, "integer_macs": 700,
        "integer_mac_share": 0.7, "wanted": "CPUExecutionProvider", "wanted_mac_share": 1.0, "off_wanted": [],
        "uncounted": [], "off_provider": [], "kernels": kernels,
    }  # fmt: skip
    measured = {
        "bundle": "d" * 64, "date": "2026-11-21T21:06:20+00:00",
        "machine": {"cpu": "A CPU", "architecture": "x86_64", "cores": 2, "system": "Linux 6", "python": "3.11"},
        "versions": {"edgec": "0.1.0", "onnxruntime": "1.31.1"}, "runtime": "onnxruntime-cpu",
        "providers": ["CPUExecutionProvider"], "session_options": {}, "executed": True, "unexecuted": "",
        "untimed": "", "emulated": "", "isa": "x86_64+vnni",
        "golden": {"exact": True, "sqnr_db": None, "nonfinite": 0, "steps": 1, "agrees": True},
        "evaluation": _evaluation(scored),
        "size": {"bundle_bytes": 74093, "float_bytes": 252193, "ratio": 74093 / 252193},
        "load": {"seconds": 0.0109, "opened": 3}, "latency": [latency(1, 0.00012, 0.0003)],
        "placement": {**placed, **(placement or {})}, "checked": None, "apart": None, "context": None, "ort": None,
        "notes": [],
    }  # fmt: skip
    described = {
        "source": {"origin": "digits.onnx", "digest": "a" * 64}, "scheme": "a8w8", "notes": ["held out"],
        "target": {
            "name": "host", "isa": "x86_64+vnni", "runtime": "onnxruntime-cpu", "providers": ["CPUExecutionProvider"],
        },
        "samples": {
            "calibration": {"count": 200, "origin": "calib.npz", "seed": 0, "digest": "c" * 64},
            "golden": "calibration",
        },
        "files": {"model.onnx": {"sha256": "f" * 64, "bytes": 74093}},
    }  # fmt: skip
    limits = {**dict.fromkeys(contract, "1pt"), "proof": "checked"}
    verdict = {"word": word, "exit_code": 0, "results": list(results), "notes": ["said"], "contract": limits}
    return Sources(
        manifest={**described, **(manifest or {})},
        digest="d" * 64,
        proof={**measured, **(proof or {})},
        verdict={**verdict, **records.pop("verdict", {})},
        **records,
    )
