"""Softmax(Q Kᵀ scale + mask) V over heads -> com.microsoft GroupQueryAttention or MultiHeadAttention.

1. No token sees a later one, which is proved of the mask for every size (`entries.py`), or there is one new token that
   sees all: GroupQueryAttention. Keys and values that are repeated for groups of queries are not; those of a cache
   that grows by a Concat go in as past and come out as present.
2. All tokens see all: MultiHeadAttention. (One thread of a Zen 4, ONNX Runtime 1.31.1, 12 heads of 32: 1.2 times as
   fast as the products apart at 128 tokens, 2.7 times at 512.)
3. Any other mask: the same kernel with an added mask is no faster than the products apart: it stays, and says
   so. Where keys are repeated for groups, they are not: GroupQueryAttention with the mask added.

Exact but for the order of sums. How the new tokens are counted is the operator's documentation (ONNX Runtime 1.31.1):
all sequences of a batch have as many tokens, and the last one of them is `seqlens_k`.

Scope: the main graph; (batch, heads, tokens, size) of float32, heads and sizes known, a size that is a multiple of 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import mul

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_scalar, is_op, skip
from .attention_writer import Operands, Place, Writer
from .entries import Choice, Entries, Linear
from .heads import Followed, Laid, follow
from .scores import Attends, Mask, attends
from .size import ONE, Dims, Size
from .sizes import Sizes

__all__ = ["FuseAttention"]

_MICROSOFT = "com.microsoft"
# e^-10000 is 0 in float32, and no difference of scores comes near.
_HIDDEN = -1e4
_KERNEL = 8


@dataclass(frozen=True, kw_only=True)
class FuseAttention(Pass):
    """Make one node of an attention.

    Attributes:
        steps: Presume, and do not ask for a proof, that text is made: a cache is filled at once and goes on token by
            token, or is one sequence's; a row of a mask that shows nothing is padding, whose answer nobody reads.
    """

    steps: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [each for node in model.graph if (each := attends(node)) is not None]
        if not found:
            return ir.passes.PassResult(model, modified=False)
        sizes = Sizes(model.graph)
        entries, writer, done = Entries(sizes), Writer(model.graph, sizes), 0
        # What the first one writes is read by all: it has to be before them.
        places = {node: place for place, node in enumerate(model.graph)}
        for each in sorted(found, key=lambda each: places[each.product]):
            decided = _decide(each, sizes, entries, steps=self.steps)
            if isinstance(decided, str):
                skip(each.node, decided)
                continue
            writer.write(each, decided)
            done += 1
        if done:
            model.graph.opset_imports.setdefault(_MICROSOFT, 1)
        return ir.passes.PassResult(model, modified=bool(done))


def _decide(found: Attends, sizes: Sizes, entries: Entries, *, steps: bool) -> Operands | str:
    """How an attention is written, or why it is not."""
    query = follow(found.query, "bhsd", sizes)
    key = follow(found.key, "bhdt" if found.transposed else "bhtd", sizes)
    value = follow(found.value, "bhtd", sizes)
    dims = sizes.of(found.query)
    if query is None or key is None or value is None or dims is None or found.output.dtype != ir.DataType.FLOAT:
        return "is an attention whose sizes are not known"
    heads, size = dims[1].number, dims[3].number
    total = sizes.of(found.value)
    if heads is None or size is None or total is None or size % _KERNEL or total[3] != dims[3]:
        return f"is an attention whose heads or their sizes do not fit its kernel, multiples of {_KERNEL}"
    shared = _shared(sizes.of(found.key), key, value)
    if shared is None or heads % shared or any(each[0] != dims[0] for each in (sizes.of(found.key) or (None,), total)):
        return "is an attention whose batches or heads are not as many for queries as for keys and values"
    placed = [
        _place(each, letters, count)
        for each, letters, count in ((query, "s", heads), (key, "t", shared), (value, "t", shared))
    ]
    if None in placed:
        return "is an attention whose operands are laid out as no kernel reads them"
    tokens, new = dims[2], _tokens(key)
    if (key.cache is None) != (value.cache is None) or new != tokens or _tokens(value) != tokens:
        return "is an attention to other tokens than its own and those before them"
    if key.cache is not None and not steps and ONE not in (dims[0], tokens):
        return "is an attention with a cache whose kernel takes one sequence, or one new token: sizes here are any"
    visible = _visible(found, tokens, total[2], entries)
    alone = key.cache is None and shared == heads
    if visible == "masked" and alone:
        return "is an attention with a mask that is not just causal: the kernel for that is no faster"
    mask = found.masks[0] if visible == "masked" and len(found.masks) == 1 and not found.causal else None
    wanted = (dims[0], dims[1], tokens, total[2])
    if mask is not None and not steps and not _leaves_rows(mask, guarded=found.guarded):
        return "is an attention with a mask that may hide a whole row, of which its kernel makes something else"
    if visible == "masked" and (mask is None or not _reaches(mask, sizes.of(mask.value), wanted)):
        return "is an attention with a mask that its kernel cannot add"
    scale = (found.scale if found.scale is not None else size**-0.5) * query.scale * key.scale
    if not scale:
        return "is an attention whose scale is 0, which its kernel takes for none given"
    q_place, k_place, v_place = (each for each in placed if each is not None)
    return Operands(
        query=q_place, key=k_place, value=v_place, heads=heads, shared=shared, size=size,
        scale=scale, causal=visible == "causal", mask=mask,
        caches=None if key.cache is None or value.cache is None else (key.cache, value.cache),
        tokens=tokens, total=total[2],
    ) if value.scale == 1.0 else "is an attention whose values are scaled"  # fmt: skip


def _shared(dims: Dims | None, key: Followed, value: Followed) -> int | None:
    """Heads of keys and values; None where they are repeated otherwise than group by group."""
    if key.repeated != value.repeated:
        return None
    if not key.repeated:
        return None if dims is None else dims[1].number
    if key.repeated == {"h"}:
        return 1
    if key.repeated != {"h1"}:
        return None
    parts = [part for laid in key.places for axis in laid.axes for part in axis if part.name == "h0"]
    return parts[0].size.number if parts else None


def _place(found: Followed, tokens: str, heads: int) -> Place | None:
    """The furthest value on an operand's way that holds tokens in rows, else the last with so many heads apart."""
    after = 0
    if found.cache is not None:
        after = next(k for k, laid in enumerate(found.places) if laid.value is found.cache.node.outputs[0]) + 1
    best: Place | None = None
    for laid in found.places[after:]:
        form = _form(laid, tokens) if _heads(laid) == heads else None
        if form is not None and (form == "joined" or best is None or best.form != "joined"):
            best = Place(laid.value, form)
    return best


def _heads(laid: Laid) -> int | None:
    """How many heads a value holds."""
    return _product(part.size for axis in laid.axes for part in axis if part.name.startswith("h")).number


def _form(laid: Laid, tokens: str) -> str | None:
    """`joined` (batch, tokens, heads · size), `apart` (batch, tokens, heads, size) or `turned`, heads before tokens."""
    names = ["".join("h" if part.name.startswith("h") else part.name for part in axis) for axis in laid.axes]

    def fits(*wanted: str) -> bool:
        # Axes of one have no parts.
        return len(names) == len(wanted) and all(
            name in ("", want) or (name == "d" and want == "hd") for name, want in zip(names, wanted, strict=True)
        )

    if fits("b", tokens, "hd") and names[-1] in ("hd", "d"):
        return "joined"
    if fits("b", tokens, "h", "d"):
        return "apart"
    return "turned" if fits("b", "h", tokens, "d") else None


def _tokens(found: Followed) -> Size:
    """The tokens that are new."""
    return _product(part.size for axis in found.places[-1].axes for part in axis if part.name.startswith("t"))


def _product(sizes: Iterable[Size]) -> Size:
    return reduce(mul, sizes, ONE)


def _visible(found: Attends, tokens: Size, total: Size, entries: Entries) -> str:
    """`causal`, `all` or `masked`: what a token sees."""
    proved = [_is_causal(mask, tokens, total, entries) for mask in found.masks]
    if not all(proved):
        return "masked"
    if found.causal and total != tokens:
        return "masked"
    if found.masks or found.causal or tokens == ONE:
        return "causal"
    return "all"


def _is_causal(mask: Mask, tokens: Size, total: Size, entries: Entries) -> bool:
    """Whether a mask hides column j from row i just where j > i + total - tokens."""
    entry, dims = entries.of(mask.value), entries.sizes.of(mask.value) or ()
    # One row for all tokens, or one column, is no triangle.
    if not isinstance(entry, Choice) or entry.test is None or dims[-2:] != (tokens, total):
        return False
    then, otherwise = entry.then, entry.otherwise
    if mask.filled is not None:
        if mask.filled > _HIDDEN:
            return False
        shown = mask.keeps
        then, otherwise = (0.0 if bool(one) == shown else -float("inf") for one in (then, otherwise))
    sees = entry.test
    if then < otherwise:
        # The test says what is hidden: it is not at least 0 where its negative is above 0.
        sees = Linear(frozenset(), Size.of(-1)).plus(sees, -1)
        then, otherwise = otherwise, then
    if then != 0 or otherwise > _HIDDEN:
        return False
    plain = entries.sizes.plain
    return sees.factors == frozenset({(-2, 1), (-1, -1)}) and plain(sees.constant) == plain(total - tokens)


def _reaches(mask: Mask, dims: Dims | None, wanted: Dims) -> bool:
    """Whether a mask has the sizes of scores, but for batch and heads, which may be one."""
    if dims is None or len(dims) != 4 or (mask.filled is not None and not mask.keeps):
        return False
    return dims[2:] == wanted[2:] and all(a in (ONE, b) for a, b in zip(dims[:2], wanted[:2], strict=True))


def _leaves_rows(mask: Mask, *, guarded: bool) -> bool:
    """Whether a row of which nothing is shown is the same to the kernel: it is where what hides is a number."""
    if mask.filled is not None:
        return bool(np.isfinite(mask.filled))
    node = mask.value.producer()
    both = [constant_scalar(value) for value in node.inputs[1:]] if node is not None and is_op(node, "Where") else []
    return not guarded or (len(both) == 2 and all(each is not None and np.isfinite(each) for each in both))
