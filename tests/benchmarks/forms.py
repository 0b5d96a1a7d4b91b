"""The forms of a model in the table."""

from __future__ import annotations

from typing import Any

__all__ = ["BUDGET", "BUDGET_LIMIT", "FLOAT", "MINMAX", "OURS", "RIVALS", "net_peak"]

FLOAT = "float"
OURS = "edgec"  # plain defaults
BUDGET = "edgec-1%"  # told how much of the float metric may go
BUDGET_LIMIT = "1%"
MINMAX = ("u8s8", "s8s8")  # the rival's min-max, with either type of activation
RIVALS = (*MINMAX, "percentile", "entropy")


def net_peak(compiled: dict[str, Any]) -> float:
    """Peak bytes of a compile, less the samples its caller held in memory."""
    return float(compiled["peak_bytes"]) - float(compiled.get("samples_bytes", 0))
