"""What devices answered, for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import RenderableType

from ...runtimes.base import Latency
from ...runtimes.timing import latency_of
from ..receipts.receipt import Receipt
from .layout import heading, table
from .units import plural, seconds, size

__all__ = ["receipt_json", "receipts_report"]


def receipts_report(receipts: Sequence[Receipt]) -> list[RenderableType]:
    """A row per receipt: whose, where, how far from golden, how fast; nothing where there is none."""
    if not receipts:
        return []
    columns = ("device", "where", "golden", "median", "95%", "threads", "load", "memory", "of", "key")
    return [heading("Receipts"), table(columns, [_row(each) for each in receipts], right=("median", "95%", "threads"))]


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """The facts as JSON values."""
    device, latency = receipt.device, _latency(receipt)
    return {
        "file": receipt.file,
        "key": receipt.key,
        "digest": receipt.digest,
        "date": f"{receipt.date:%Y-%m-%dT%H:%M:%SZ}",
        "nonce": receipt.nonce,
        "device": {name: getattr(device, name) for name in device.__slots__} | {"providers": list(device.providers)},
        "golden": {
            "steps": receipt.steps,
            "outputs": [{name: getattr(each, name) for name in each.__slots__} for each in receipt.golden],
        },
        "load_seconds": receipt.load_seconds,
        "latency": {name: getattr(latency, name) for name in latency.__slots__} | {"warmup": receipt.timings.warmup},
        "memory_bytes": None if receipt.memory is None else receipt.memory.added,
    }


def _row(receipt: Receipt) -> tuple[str, ...]:
    device, latency = receipt.device, _latency(receipt)
    timed = ("emulated", "") if device.emulated else (seconds(latency.p50), seconds(latency.p95))
    return (
        device.name,
        f"{device.machine}, {device.library} {device.onnxruntime}",
        _golden(receipt),
        *timed,
        str(latency.threads),
        seconds(receipt.load_seconds),
        "" if receipt.memory is None else size(receipt.memory.added),
        f"{receipt.date:%Y-%m-%d %H:%M}",
        receipt.key,
    )


def _golden(receipt: Receipt) -> str:
    steps = plural(receipt.steps, "step")
    apart = [each for each in receipt.golden if not each.exact]
    if not apart:
        return f"{steps}, identical"
    if any(each.sqnr_db is None for each in apart):
        return f"{steps}, differs"
    return f"{steps}, {min(each.sqnr_db for each in apart if each.sqnr_db is not None):.1f} dB"


def _latency(receipt: Receipt) -> Latency:
    return latency_of(np.array(receipt.timings.seconds), receipt.timings.threads)
