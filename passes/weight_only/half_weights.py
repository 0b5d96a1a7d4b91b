"""W -> Cast(half W): float32 constants stored in 16 bits, float32 once loaded.

float16 keeps 11 bits of a number and reaches 65504; bfloat16 keeps 8 and reaches what float32 does (IEEE 754-2019;
Kalamkar et al. 2019, arXiv 1905.12322). ONNX Runtime folds the Cast at load: half the file, the speed and the
kernels of float.

Scope: the main graph and bodies. Left in float32, with a reason on the readers: what 16 bits cannot hold, and what
the user excludes.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, skip
from ..scope import out_of_scope
from .storage import is_half
from .stored import constants_of, every_name, saved_bytes, store_as

__all__ = ["HalfWeights"]

_TYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


@dataclass(frozen=True, kw_only=True)
class HalfWeights(Pass):
    """Store float32 constants as float16 or bfloat16, expanded when the model is loaded.

    Attributes:
        dtype: `float16` or `bfloat16`.
        noted: Those alone that `DecideStorage` noted to be stored so.
        minimum: Fewest bytes a constant must save, what it costs in nodes and names counted.
    """

    dtype: str
    noted: bool = False
    minimum: int = 64
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        found = tuple(constants_of(model, ir.DataType.FLOAT))
        wanted = ((graph, value) for graph, value in found if is_half(value) or not self.noted)
        done = [value for graph, value in wanted if self._try_halve(graph, value, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_halve(self, graph: ir.Graph, value: ir.Value, taken: set[str]) -> bool:
        assert value.const_value is not None
        if saved_bytes(value, value.const_value.nbytes // 2) < self.minimum or self._is_excluded(value):
            return False
        x = constant_array(value)
        assert x is not None
        if (reason := self._unfit(x)) is not None:
            for node, _ in value.uses():
                skip(node, f"its constant {value.name!r} {reason}")
            return False
        store_as(graph, value, x.astype(_TYPES[self.dtype]), taken)
        return True

    def _is_excluded(self, value: ir.Value) -> bool:
        """Whether a reader is out of scope; every such reader says so."""
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        reasons = [(node, out_of_scope(node, **scope)) for node, _ in value.uses()]
        for node, reason in reasons:
            if reason is not None:
                skip(node, reason)
        return any(reason is not None for _, reason in reasons)

    def _unfit(self, x: np.ndarray) -> str | None:
        """Why 16 bits cannot hold a tensor, or None."""
        limits = ml_dtypes.finfo(_TYPES[self.dtype])  # type: ignore[no-untyped-call]
        largest = float(np.abs(x).max(initial=0.0))
        if largest > float(limits.max):
            return f"reaches {largest:.6g}, beyond {self.dtype}"
        if 0.0 < largest < float(limits.smallest_normal):
            return f"reaches {largest:.6g} only, where {self.dtype} has no precision left"
        return None
