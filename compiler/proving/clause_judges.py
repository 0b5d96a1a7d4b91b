"""One judge per clause: what of the proof it looks at, in the unit of its limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..contract import Clause, ClauseResult
from .judging.accuracy import accuracy, accuracy_drop, cosine, max_error, metric_factor, sqnr
from .judging.answers import context, finite, golden, ort
from .judging.cost import latency_ratio, load_time, p95, p95_ratio, peak_memory, size, size_ratio
from .judging.decide import unknown
from .judging.placement import integer_macs, off_provider, partitions
from .judging.releases import ir_version, oldest_onnxruntime, opset
from .proof import Proof

__all__ = ["JUDGES", "metric_factor", "unknown"]

JUDGES: Mapping[str, Callable[[Clause, Proof], ClauseResult]] = {
    "accuracy_drop": accuracy_drop,
    "accuracy": accuracy,
    "sqnr": sqnr,
    "cosine": cosine,
    "max_error": max_error,
    "size": size,
    "size_ratio": size_ratio,
    "load_time": load_time,
    "p95": p95,
    "latency_ratio": latency_ratio,
    "integer_macs": integer_macs,
    "off_provider": off_provider,
    "finite": finite,
    "golden": golden,
    "context": context,
    "ort": ort,
    "p95_ratio": p95_ratio,
    "peak_memory": peak_memory,
    "partitions": partitions,
    "oldest_onnxruntime": oldest_onnxruntime,
    "opset": opset,
    "ir_version": ir_version,
}
