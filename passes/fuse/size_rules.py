"""What operators make of sizes, and of tensors that hold sizes: one function for each kind of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import constant_array
from .size import ONE, Dims, Size

__all__ = ["CONTRIB", "NUMBERS", "SHAPES", "split_shapes"]


class _Sizes(Protocol):
    """What is known before a node."""

    def of(self, value: ir.Value | None) -> Dims | None: ...
    def held(self, value: ir.Value | None) -> np.ndarray | None: ...
    def meet(self, a: Size, b: Size) -> None: ...


# A Slice that ends there ends with what it cuts.
_ALL = 2**31 - 1

_Found: TypeAlias = Sequence[Size | None] | None
_Rule: TypeAlias = Callable[[_Sizes, ir.Node], _Found]


def _broadcast(sizes: _Sizes, node: ir.Node) -> _Found:
    dims = [sizes.of(value) for value in node.inputs if value is not None]
    known = [each for each in dims if each is not None]
    if len(known) < len(dims) or not known:
        return None
    for axis in range(1, max(len(each) for each in known) + 1):
        meet = [each[-axis] for each in known if len(each) >= axis and each[-axis].number is None]
        for size in meet[1:]:
            sizes.meet(meet[0], size)
    # Once more: what has met is one.
    return _together([each for value in node.inputs if (each := sizes.of(value)) is not None])


def _together(known: Sequence[Dims]) -> Sequence[Size | None]:
    rank = max(len(each) for each in known)
    made: list[Size | None] = []
    for axis in range(-rank, 0):
        wide = {each[axis] for each in known if len(each) >= -axis and each[axis] != ONE}
        # One number above 1 is the size, whatever symbols are beside it.
        numbers = {size for size in wide if size.number is not None}
        made.append(ONE if not wide else next(iter(numbers or wide)) if len(numbers or wide) == 1 else None)
    return made


def _same(sizes: _Sizes, node: ir.Node) -> _Found:
    return sizes.of(node.inputs[0])


def _matmul(sizes: _Sizes, node: ir.Node) -> _Found:
    a, b = sizes.of(node.inputs[0]), sizes.of(node.inputs[1])
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return None
    sizes.meet(a[-1], b[-2])
    before = _together([a[:-2], b[:-2]]) if len(a) + len(b) > 4 else ()
    return [*before, a[-2], b[-1]]


def _transpose(sizes: _Sizes, node: ir.Node) -> _Found:
    dims = sizes.of(node.inputs[0])
    if dims is None:
        return None
    order = node.attributes.get_ints("perm", tuple(reversed(range(len(dims)))))
    return [dims[axis] for axis in order]


def _unsqueeze(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, axes = sizes.of(node.inputs[0]), _axes(node)
    if dims is None or axes is None:
        return None
    rank = len(dims) + len(axes)
    new, old = {axis % rank for axis in axes}, iter(dims)
    return [ONE if axis in new else next(old) for axis in range(rank)]


def _squeeze(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, axes = sizes.of(node.inputs[0]), _axes(node)
    if dims is None or axes is None:
        return None
    gone = {axis % len(dims) for axis in axes}
    return [size for axis, size in enumerate(dims) if axis not in gone]


def _axes(node: ir.Node) -> list[int] | None:
    array = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    return None if array is None else [int(axis) for axis in array.reshape(-1)]


def _reshape(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, wanted = sizes.of(node.inputs[0]), sizes.held(node.inputs[1])
    if wanted is None:
        return None
    made: list[Size | None] = list(wanted)
    if not node.attributes.get_int("allowzero", 0):
        made = [
            (dims[axis] if dims is not None and axis < len(dims) else None) if size == Size.of(0) else size
            for axis, size in enumerate(made)
        ]
    free = [axis for axis, size in enumerate(made) if size == Size.of(-1)]
    if len(free) != 1:
        return made
    others = [size for axis, size in enumerate(made) if axis != free[0] and size is not None]
    made[free[0]] = _left(dims, others) if dims is not None and len(others) == len(made) - 1 else None
    return made


def _left(dims: Sequence[Size], others: Sequence[Size]) -> Size | None:
    """What remains of a product of sizes beside others; sums among them are taken away whole."""
    above, below = list(dims), []
    for size in others:
        if size in above:
            above.remove(size)
        else:
            below.append(size)
    return _product(above).over(_product(below))


def _product(dims: Sequence[Size]) -> Size:
    total = ONE
    for size in dims:
        total *= size
    return total


def _concat(sizes: _Sizes, node: ir.Node) -> _Found:
    dims = [sizes.of(value) for value in node.inputs]
    known = [each for each in dims if each is not None]
    if len(known) < len(dims) or not known:
        return None
    axis = node.attributes.get_int("axis", 0) % len(known[0])
    total = Size.of(0)
    for each in known:
        total += each[axis]
    # All are as long along the others; who knows a number tells it.
    rest = [next((each[k] for each in known if each[k].number is not None), known[0][k]) for k in range(len(known[0]))]
    return [total if k == axis else size for k, size in enumerate(rest)]


def _slice(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, starts, ends = sizes.of(node.inputs[0]), *(sizes.held(value) for value in node.inputs[1:3])
    if dims is None:
        return None
    made: list[Size | None] = list(dims)
    axes = constant_array(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] is not None else None
    steps = constant_array(node.inputs[4]) if len(node.inputs) > 4 and node.inputs[4] is not None else None
    count = len(starts) if starts is not None else len(ends) if ends is not None else 0
    which = list(range(count)) if axes is None else [int(axis) % len(dims) for axis in axes]
    for k, axis in enumerate(which):
        step = 1 if steps is None else int(steps[k])
        made[axis] = None if starts is None or ends is None else _cut(dims[axis], starts[k], ends[k], step)
    return made


def _cut(size: Size, start: Size, end: Size, step: int) -> Size | None:
    numbers = (size.number, start.number, end.number)
    if None not in numbers:
        return Size.of(len(range(*slice(numbers[1], numbers[2], step).indices(numbers[0] or 0))))
    # A number may be beyond the end of what it cuts, where nobody knows that.
    if step != 1 or (size.number is None and not all(n is None or abs(n) <= 1 or n >= _ALL for n in numbers[1:])):
        return None
    first, last = start.number, end.number
    if first is not None and first < 0:
        start = size + start
    if last is not None and (last < 0 or last >= _ALL):
        end = size + end if last < 0 else size
    return end - start


def _gather(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, picked = sizes.of(node.inputs[0]), sizes.of(node.inputs[1])
    if dims is None or picked is None:
        return None
    axis = node.attributes.get_int("axis", 0) % len(dims)
    return [*dims[:axis], *picked, *dims[axis + 1 :]]


def _expand(sizes: _Sizes, node: ir.Node) -> _Found:
    dims, wanted = sizes.of(node.inputs[0]), sizes.held(node.inputs[1])
    if dims is None or wanted is None:
        return None
    for size, asked in zip(reversed(dims), reversed(wanted), strict=False):
        if size.number is None and asked.number is None:
            sizes.meet(size, asked)
    # Once more: what has met is one.
    dims, wanted = sizes.of(node.inputs[0]), sizes.held(node.inputs[1])
    return None if dims is None or wanted is None else _together([dims, tuple(wanted)])


def _shaped(sizes: _Sizes, node: ir.Node) -> _Found:
    wanted = sizes.held(node.inputs[0])
    return None if wanted is None else list(wanted)


def _attention(sizes: _Sizes, node: ir.Node) -> _Found:
    query, key, value = (sizes.of(given) for given in node.inputs[:3])
    mask = sizes.of(node.inputs[3]) if len(node.inputs) > 3 else None
    if key is not None and value is not None and len(key) > 2 and len(value) > 2:
        for other in (value[-2], *(mask[-1:] if mask else ())):
            if other != ONE:
                sizes.meet(key[-2], other)
    return None if query is None or value is None or len(query) < 4 else [*query[:3], value[-1]]


def _range(sizes: _Sizes, node: ir.Node) -> _Found:
    numbers = [sizes.held(value) for value in node.inputs]
    if any(each is None or each.size != 1 for each in numbers):
        return None
    start, end, step = (each.reshape(-1)[0] for each in numbers if each is not None)
    return [end - start if step == ONE else None]


def split_shapes(sizes: _Sizes, node: ir.Node) -> list[Sequence[Size]] | None:
    """The sizes of all outputs of a Split."""
    dims = sizes.of(node.inputs[0])
    if dims is None:
        return None
    axis = node.attributes.get_int("axis", 0) % len(dims)
    given = sizes.held(node.inputs[1]) if len(node.inputs) > 1 else None
    each, count = dims[axis].number, len(node.outputs)
    asked = len(node.inputs) > 1 and node.inputs[1] is not None
    if given is None and (asked or each is None or each % count):
        return None
    parts = list(given) if given is not None else [Size.of((each or 0) // count)] * count
    return [[*dims[:axis], part, *dims[axis + 1 :]] for part in parts]


_UNARY = "Neg Cos Sin Cast Softmax Sigmoid Sqrt Exp Identity Trilu CumSum IsNaN Not Relu Reciprocal Tanh Erf Gelu"
_BINARY = "Add Sub Mul Div Pow Where And Or Equal Less LessOrEqual Greater GreaterOrEqual Max Min"
SHAPES: dict[str, _Rule] = {
    **dict.fromkeys(_UNARY.split(), _same),
    **dict.fromkeys(_BINARY.split(), _broadcast),
    "MatMul": _matmul, "Transpose": _transpose, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Reshape": _reshape,
    "Concat": _concat, "Slice": _slice, "Gather": _gather, "Expand": _expand, "ConstantOfShape": _shaped,
    "Range": _range, "RotaryEmbedding": _same, "RMSNormalization": _same, "Attention": _attention,
}  # fmt: skip


CONTRIB: dict[str, _Rule] = dict.fromkeys(("RotaryEmbedding", "GroupQueryAttention", "MultiHeadAttention"), _same)


def _shape_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    dims = sizes.of(node.inputs[0])
    if dims is None:
        return None
    end: int = node.attributes.get_int("end", len(dims))
    return _held(dims[node.attributes.get_int("start", 0) : end])


def _held(found: Sequence[Size]) -> np.ndarray:
    made = np.empty(len(found), object)
    made[:] = found
    return made


def _concat_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    parts = [sizes.held(value) for value in node.inputs]
    known = [part for part in parts if part is not None and part.ndim == 1]
    return np.concatenate(known) if len(known) == len(parts) else None


def _gather_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    source, index = sizes.held(node.inputs[0]), constant_array(node.inputs[1])
    if source is None or index is None or source.ndim != 1 or node.attributes.get_int("axis", 0) != 0:
        return None
    taken = source[index]
    return taken if isinstance(taken, np.ndarray) else _scalar(taken)


def _scalar(size: Size) -> np.ndarray:
    made = np.empty((), object)
    made[()] = size
    return made


def _slice_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    source = sizes.held(node.inputs[0])
    parts = [constant_array(value) for value in node.inputs[1:]]
    if source is None or source.ndim != 1 or any(part is None or part.size != 1 for part in parts):
        return None
    numbers = [int(part.reshape(-1)[0]) for part in parts if part is not None]
    step = numbers[3] if len(numbers) > 3 else 1
    return source[slice(numbers[0], numbers[1], step)] if step > 0 else None


def _flat_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    """Unsqueeze and Reshape of one number or a list, Squeeze of one number."""
    source, dims = sizes.held(node.inputs[0]), sizes.of(node.outputs[0])
    if source is None or dims is None or len(dims) > 1:
        return None
    return source.reshape(()) if not dims and source.size == 1 else source.reshape(-1) if dims else None


def _same_held(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    if node.op_type == "Cast" and node.attributes.get_int("to", 0) not in (ir.DataType.INT64, ir.DataType.INT32):
        return None
    return sizes.held(node.inputs[0])


def _arithmetic(sizes: _Sizes, node: ir.Node) -> np.ndarray | None:
    a, b = (sizes.held(value) for value in node.inputs)
    if a is None or b is None:
        return None
    made: np.ndarray = np.asarray(_OPERATORS[node.op_type](a, b), object)
    return None if any(each is None for each in made.reshape(-1)) else made


_OPERATORS: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.frompyfunc(lambda a, b: a.over(b), 2, 1),
}
NUMBERS: dict[str, Callable[[_Sizes, ir.Node], np.ndarray | None]] = {
    "Shape": _shape_held, "Concat": _concat_held, "Gather": _gather_held, "Slice": _slice_held,
    **dict.fromkeys(("Unsqueeze", "Squeeze", "Reshape"), _flat_held), **dict.fromkeys(("Cast", "Identity"), _same_held),
    **dict.fromkeys(_OPERATORS, _arithmetic),
}  # fmt: skip
