"""The registry of awkward graphs."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

__all__ = ["AWKWARD", "awkward", "build"]

AWKWARD: dict[str, Callable[[], ir.Model]] = {}


def awkward(make: Callable[[], ir.Model]) -> Callable[[], ir.Model]:
    """Register a graph under its function's name."""
    assert make.__name__ not in AWKWARD, f"two awkward graphs are called {make.__name__}"
    AWKWARD[make.__name__] = make
    return make


def build(name: str) -> ir.Model:
    """A fresh model of that name."""
    return AWKWARD[name]()
