"""Decide which weights are stored in blocks of few bits, and how: a note on each, no edit.

1. The constant of MatMul (on the right), Gemm, Conv, LSTM, GRU, RNN; the table of Gather: what `weight_sites` knows.
2. Blocks run along the axes that are summed up, over all of them at once; tables have them along a row.

What is kept for a role (`roles.py`) has a form of its own: `attention=int8`, `fp16` or `float`.

A weight that several nodes read is decided once, along the axes of its first reader. Left alone, with the reason on
the nodes: what the user excludes, and weights whose summed axes lie apart (ConvTranspose).
Scope: the main graph and bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, is_overridable, skip
from ..scope import out_of_scope
from .blocks import BlockForm
from .roles import ROLES, role_of
from .sites import Site, weight_sites
from .storage import Storage, fix_storage, is_kept, keep, set_half, set_storage, storage_of

__all__ = ["KEPT", "DecideStorage", "read_keep"]

# Forms that weights of a role can be kept in.
KEPT = ("float", "fp16", "int8", "int4", "int3", "int2")


@dataclass(frozen=True, kw_only=True)
class DecideStorage(Pass):
    """Note how each weight will be stored.

    Attributes:
        bits: Of a code: 2, 3, 4 or 8.
        block_size: Elements that share a scale; 0 is all of a row.
        symmetric: Zero points are the middle of the codes.
        whole: Blocks divide a row, as a power of two; else the last one may be shorter.
        ops: The operators whose weights are decided; empty is all.
        keep: `ROLE=FORM`, the form float, fp16, int8, int4, int3 or int2: for weights of that role, instead.
        minimum: Fewest elements of a weight.
        float_nodes: Names of nodes whose weights stay as they are.
    """

    bits: int = 4
    block_size: int = 128
    symmetric: bool = True
    whole: bool = False
    ops: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    minimum: int = 1024
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        BlockForm(bits=self.bits, size=self.block_size)
        read_keep(self.keep)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found: dict[ir.Value, tuple[ir.Node, Site]] = {}
        excluded: set[ir.Value] = set()
        for node in ir.traversal.RecursiveGraphIterator(model.graph):
            sites = weight_sites(node)
            if self.ops and not is_op(node, *self.ops):
                continue
            if sites and (reason := self._why_not(node)):
                skip(node, reason)
                excluded.update(site.value for site in sites)
                continue
            for site in sites:
                found.setdefault(site.value, (node, site))
        decided = [
            weight for weight, each in found.items() if weight not in excluded and self._try_decide(weight, *each)
        ]
        return ir.passes.PassResult(model, modified=bool(decided))

    def _why_not(self, node: ir.Node) -> str | None:
        if node.name in self.float_nodes:
            return "was measured to be better off in float, weights included"
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        return out_of_scope(node, **scope)

    def _kept(self, weight: ir.Value) -> str | None:
        """The form that a weight's role is kept in; None where it is decided as any other."""
        role = role_of(weight) if self.keep else None
        return None if role is None else read_keep(self.keep).get(role)

    def _try_decide(self, weight: ir.Value, node: ir.Node, site: Site) -> bool:
        if storage_of(weight) is not None or is_kept(weight) or not _is_own(weight, self.minimum):
            return False
        wanted = self._kept(weight)
        if wanted in ("float", "fp16"):
            keep(weight)
            if wanted == "fp16":
                set_half(weight)
            return True
        first, last = min(site.summed), max(site.summed)
        if last - first + 1 != len(site.summed):
            skip(node, f"sums its weights {weight.name!r} along axes that lie apart, which make no blocks")
            return False
        columns = _length(weight, first, last)
        size = _dividing(columns, self.block_size) if self.whole else self.block_size
        if size is None:
            skip(node, f"sums {columns} products, which make no blocks of 16 or more, a power of two")
            return False
        bits = self.bits if wanted is None else int(wanted.removeprefix("int"))
        if wanted is not None:
            fix_storage(weight)
        form = BlockForm(bits=bits, size=size, symmetric=self.symmetric)
        set_storage(weight, Storage(form=form, summed=site.summed))
        return True


def read_keep(texts: Sequence[str]) -> dict[str, str]:
    """The form that is kept for each role.

    Raises:
        ValueError: A role or a form is none of ours; says which there are.
    """
    found = {}
    for text in texts:
        role, _, form = text.partition("=")
        if role not in ROLES:
            raise ValueError(f"{role!r} is not one of {', '.join(ROLES)}")
        if form not in KEPT:
            raise ValueError(f"{form!r} is not one of {', '.join(KEPT)}")
        found[role] = form
    return found


def _is_own(value: ir.Value, minimum: int) -> bool:
    """Whether a weight is float32, the graph's own, and large enough."""
    if not value.is_initializer() or value.is_graph_output() or is_overridable(value):
        return False
    held = value.const_value
    return held is not None and held.dtype == ir.DataType.FLOAT and held.size >= minimum


def _length(weight: ir.Value, first: int, last: int) -> int:
    """Elements along the summed axes."""
    assert weight.const_value is not None
    length = 1
    for size in weight.const_value.shape.numpy()[first : last + 1]:
        length *= size
    return length


def _dividing(length: int, size: int) -> int | None:
    """The longest power of two from 16 to `size` that divides a length; None where none does."""
    powers = (1 << bits for bits in range(size.bit_length() - 1, 3, -1))
    return next((power for power in powers if length % power == 0), None)
