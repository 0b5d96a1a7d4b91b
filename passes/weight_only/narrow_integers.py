"""I -> Cast(narrow I): integer constants (indices, tables) in the narrowest type that holds them. Exact.

Exporters write every index as int64. ONNX Runtime folds the Cast at load, so nothing changes at run time.
Scope: the main graph and bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from .stored import constants_of, every_name, saved_bytes, store_as

__all__ = ["NarrowIntegers"]

_NARROW = (np.int8, np.uint8, np.int16, np.uint16, np.int32)


@dataclass(frozen=True, kw_only=True)
class NarrowIntegers(Pass):
    """Store int64 and int32 constants in fewer bits, widened when the model is loaded.

    Attributes:
        minimum: Fewest bytes a constant must save, what it costs in nodes and names counted.
    """

    minimum: int = 64

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        found = tuple(constants_of(model, ir.DataType.INT64, ir.DataType.INT32))
        done = [value for graph, value in found if self._try_narrow(graph, value, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_narrow(self, graph: ir.Graph, value: ir.Value, taken: set[str]) -> bool:
        if saved_bytes(value, 0) < self.minimum:
            return False
        x = constant_array(value)
        assert x is not None
        narrow = _narrowest(x)
        if saved_bytes(value, narrow.nbytes) < self.minimum:
            return False
        store_as(graph, value, narrow, taken)
        return True


def _narrowest(x: np.ndarray) -> np.ndarray:
    """The same integers in the first type that holds them all, or as they are."""
    low, high = x.min(), x.max()
    for kind in _NARROW:
        limits = np.iinfo(kind)
        if np.dtype(kind).itemsize < x.itemsize and limits.min <= low and high <= limits.max:
            return x.astype(kind)
    return x
