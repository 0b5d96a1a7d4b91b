"""Whether `--max-memory` holds float and a candidate at once, and how many samples may then run at once."""

from __future__ import annotations

import math

import onnx_ir as ir

from ..observing.layout import usable_cores
from ..planning.macs import macs_by_op
from ..planning.memory import resident_bytes
from ..planning.peak import guard_bytes

__all__ = ["threads_within"]


def threads_within(model: ir.Model, limit: int | None, *, samples: int, threads: int) -> tuple[int, str | None]:
    """As many threads as fit, fewer than asked for where memory is short: what is chosen does not depend on them.

    Args:
        model: The model that is searched.
        limit: Bytes this process may hold; None does not limit it.
        samples: How many there are.
        threads: Cores to use; 0 is all of them.

    Returns:
        The threads, and None; or 0 and the note that nothing is searched.
    """
    if limit is None:
        return threads, None
    macs, resident = sum(macs_by_op(model).values()), resident_bytes()

    def needed(count: int) -> float:
        return resident + guard_bytes(model, samples=samples, threads=count, macs=macs)

    fitting = next((count for count in range(threads or usable_cores(), 0, -1) if needed(count) <= limit), 0)
    if fitting:
        return fitting, None
    return 0, (
        f"accuracy was not searched: --max-memory {math.ceil(limit / 1e6)}MB does not hold float and a candidate at "
        f"once, which take {math.ceil(needed(1) / 1e6)}MB"
    )
