"""Any small graph: a hypothesis strategy of valid float models made of the operators this compiler meets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis.strategies as st
import numpy as np
import onnx_ir as ir

from .graphs import model, weights

__all__ = ["small_graphs"]

Shape = tuple[int, ...]


@dataclass
class Writer:
    """A graph being written: its nodes, its constants, and the shapes of its values without the batch."""

    draw: Callable[[st.SearchStrategy], object]
    nodes: list[str] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def choose(self, options: list) -> object:
        return self.draw(st.sampled_from(options))

    def maybe(self) -> bool:
        return bool(self.draw(st.booleans()))

    def value(self, rank: int) -> str | None:
        """A value of that rank, the newest first."""
        fitting = [name for name, shape in self.shapes.items() if len(shape) == rank]
        return str(self.choose(fitting[::-1])) if fitting else None

    def node(self, text: str, shape: Shape) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(f"{name} = {text}")
        self.shapes[name] = shape
        return name

    def weight(self, *shape: int, scale: float = 0.4) -> str:
        """A constant of that shape; sometimes one that is in the graph already."""
        known = [name for name, array in self.constants.items() if array.shape == shape and array.dtype == np.float32]
        if known and self.maybe():
            return str(self.choose(known))
        return self.constant(weights(*shape, seed=len(self.constants), scale=scale))

    def constant(self, array: np.ndarray) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = array
        return name

    def integers(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))


def conv(w: Writer, x: str) -> None:
    c, h, v = w.shapes[x]
    size = w.choose([1, 3]) if min(h, v) >= 3 else 1
    stride, pad = w.choose([1, 1, 2]), size // 2
    kind = w.choose(["plain", "plain", "depthwise", "grouped"])
    group = c if kind == "depthwise" else 2 if kind == "grouped" and c % 2 == 0 else 1
    out = c if kind == "depthwise" else int(w.choose([2, 3, 4, 6, 8])) // group * group or group
    bias = f", {w.weight(out)}" if w.maybe() else ""
    shape = (out, (h + 2 * pad - size) // stride + 1, (v + 2 * pad - size) // stride + 1)
    attributes = f"<group={group}, strides=[{stride},{stride}], pads=[{pad},{pad},{pad},{pad}]>"
    name = w.node(f"Conv{attributes}({x}, {w.weight(out, c // group, size, size)}{bias})", shape)
    if w.maybe():
        statistics = [w.weight(out), w.weight(out), w.weight(out), w.constant(np.full(out, 0.7, np.float32))]
        name = w.node(f"BatchNormalization({name}, {', '.join(statistics)})", shape)
    if w.maybe():
        clamp(w, name)


def clamp(w: Writer, x: str) -> None:
    low, high = w.choose([(0.0, 6.0), (-1.0, 1.0), (None, 0.7), (0.0, None), (-0.3, None), (0.2, 0.9), (None, None)])
    bounds = [w.constant(np.array(bound, np.float32)) if bound is not None else '""' for bound in (low, high)]
    w.node(f"Relu({x})" if w.maybe() else f"Clip({x}, {', '.join(bounds)})", w.shapes[x])


def unary(w: Writer, x: str) -> None:
    own = ["Sigmoid", "LeakyRelu", "Identity", "Dropout", "Relu", "Sigmoid", "LeakyRelu"]
    others = ["Tanh", "HardSigmoid", "Neg", "Softmax<axis=1>", "Softplus", "Elu", "Erf"]
    w.node(f"{w.choose([*own, *others])}({x})", w.shapes[x])


def binary(w: Writer, x: str) -> None:
    shape = w.shapes[x]
    same = [name for name, other in w.shapes.items() if other == shape]
    per_channel = (shape[0], *[1] * (len(shape) - 1))
    constants = [w.weight(*per_channel), w.constant(np.array(0.5, np.float32))]
    other = w.choose([*same[::-1], *constants])
    operands = [x, other] if w.maybe() else [other, x]
    w.node(f"{w.choose(['Add', 'Add', 'Mul', 'Sum', 'Sub', 'Max'])}({', '.join(operands)})", shape)


def concat(w: Writer, x: str) -> None:
    shape = w.shapes[x]
    fitting = [name for name, other in w.shapes.items() if len(other) == len(shape) and other[1:] == shape[1:]]
    others = [str(w.choose(fitting[::-1])) for _ in range(int(w.choose([1, 2])))]
    channels = sum(w.shapes[name][0] for name in (x, *others))
    if channels <= 24:
        w.node(f"Concat<axis=1>({', '.join((x, *others))})", (channels, *shape[1:]))


def pool(w: Writer, x: str) -> None:
    c, h, v = w.shapes[x]
    # ONNX Runtime takes a Pad into the pool behind it even where the pool's padding is not 0 (PadFusion, 1.31.1).
    if min(h, v) < 2 or f"{x} = Pad" in "".join(w.nodes):
        return
    op = w.choose(["MaxPool", "AveragePool"])
    stride = w.choose([1, 2])
    shape = (c, (h - 2) // stride + 1, (v - 2) // stride + 1)
    w.node(f"{op}<kernel_shape=[2,2], strides=[{stride},{stride}]>({x})", shape)


def move(w: Writer, x: str) -> None:
    c, h, v = w.shapes[x]
    match w.choose(["transpose", "pad", "slice", "resize", "shuffle", "space", "swap"]):
        case "transpose":
            w.node(f"Transpose<perm=[0,1,3,2]>({x})", (c, v, h))
        case "pad":
            w.node(f"Pad({x}, {w.integers(0, 0, 1, 0, 0, 0, 0, 1)})", (c, h + 1, v + 1))
        case "slice" if c > 1:
            w.node(f"Slice({x}, {w.integers(1)}, {w.integers(c)}, {w.integers(1)})", (c - 1, h, v))
        case "resize" if max(h, v) <= 8:
            scales = w.constant(np.array([1, 1, 2, 2], np.float32))
            attributes = '<mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric">'
            w.node(f'Resize{attributes}({x}, "", {scales})', (c, 2 * h, 2 * v))
        case "shuffle" if c % 2 == 0:
            apart = w.node(f"Reshape({x}, {w.integers(0, 2, c // 2, h, v)})", (2, c // 2, h, v))
            swapped = w.node(f"Transpose<perm=[0,2,1,3,4]>({apart})", (c // 2, 2, h, v))
            w.node(f"Reshape({swapped}, {w.integers(0, c, h, v)})", (c, h, v))
        case "space" if c % 4 == 0:
            w.node(f"DepthToSpace<blocksize=2>({x})", (c // 4, 2 * h, 2 * v))
        case _:
            w.node(f"Gather<axis=1>({x}, {w.integers(*range(c)[::-1])})", (c, h, v))


def split(w: Writer, x: str) -> None:
    """Halves of the channels, one of them by way of another operator, together again."""
    c, *rest = w.shapes[x]
    if c % 2:
        return
    first, second = (f"h{len(w.nodes)}{side}" for side in "ab")
    w.nodes.append(f"{first}, {second} = Split<axis=1>({x})")
    w.shapes[first] = w.shapes[second] = (c // 2, *rest)
    unary(w, first)
    w.node(f"Concat<axis=1>({second}, v{len(w.nodes) - 1})", (c, *rest))


def gate(w: Writer, x: str) -> None:
    """Squeeze and excite."""
    c, h, v = w.shapes[x]
    squeezed = w.node(f"GlobalAveragePool({x})", (c, 1, 1))
    excited = w.node(f"Conv({squeezed}, {w.weight(c, c, 1, 1)})", (c, 1, 1))
    opened = w.node(f"Sigmoid({excited})", (c, 1, 1))
    w.node(f"Mul({x}, {opened})", (c, h, v))


def flatten(w: Writer, x: str) -> None:
    c, h, v = w.shapes[x]
    if w.maybe():
        w.node(f"ReduceMean<axes=[2,3], keepdims=0>({x})", (c,))
    elif c * h * v <= 128:
        w.node(f"Flatten({x})", (c * h * v,))


def attend(w: Writer, x: str) -> None:
    """A vector as two rows, multiplied by its own transpose."""
    (columns,) = w.shapes[x]
    if columns % 2 or columns > 16:
        return
    rows = w.node(f"Reshape({x}, {w.integers(0, 2, columns // 2)})", (2, columns // 2))
    turned = w.node(f"Transpose<perm=[0,2,1]>({rows})", (columns // 2, 2))
    scores = w.node(f"MatMul({rows}, {turned})", (2, 2))
    shares = w.node(f"Softmax({scores})", (2, 2))
    mixed = w.node(f"MatMul({shares}, {rows})", (2, columns // 2))
    w.node(f"Reshape({mixed}, {w.integers(0, columns)})", (columns,))


def residual(w: Writer, x: str) -> None:
    """x + f(x), the branch one product wide."""
    (columns,) = w.shapes[x]
    product = w.node(f"MatMul({x}, {w.weight(columns, columns)})", (columns,))
    w.node(f"Add({x}, {product})", (columns,))


def linear(w: Writer, x: str) -> None:
    (columns,) = w.shapes[x]
    out = int(w.choose([1, 3, 4, 8]))
    kind = w.choose(["gemm", "gemm transposed", "matmul", "matmul and bias", "scaled", "two rows"])
    match kind:
        case "gemm" | "gemm transposed":
            transposed = kind != "gemm"
            weight = w.weight(out, columns) if transposed else w.weight(columns, out)
            bias = w.choose(["", f", {w.weight(out)}", f", {w.weight(1, out)}"])
            w.node(f"Gemm<transB={int(transposed)}>({x}, {weight}{bias})", (out,))
        case "scaled":
            w.node(f"Gemm<alpha=0.5>({x}, {w.weight(columns, out)})", (out,))
        case "two rows" if columns % 2 == 0:
            rows = w.node(f"Reshape({x}, {w.integers(0, 2, columns // 2)})", (2, columns // 2))
            product = w.node(f"MatMul({rows}, {w.weight(columns // 2, out)})", (2, out))
            added = w.node(f"Add({product}, {w.weight(out)})", (2, out))
            w.node(f"Reshape({added}, {w.integers(0, 2 * out)})", (2 * out,))
        case _:
            product = w.node(f"MatMul({x}, {w.weight(columns, out)})", (out,))
            if kind == "matmul and bias":
                w.node(f"Add({product}, {w.weight(out)})", (out,))


IMAGE = [conv, conv, conv, conv, clamp, unary, binary, binary, concat, pool, move, move, gate, split, flatten]
VECTOR = [linear, linear, linear, clamp, unary, binary, concat, residual, attend]


@st.composite
def small_graphs(draw: st.DrawFn) -> ir.Model:
    """A model of one or two inputs and one to three outputs, of 3 to about 30 nodes; dead nodes included."""
    w = Writer(draw)
    batch = draw(st.sampled_from(["N", "1", "2"]))
    inputs = {"x": (int(w.choose([1, 3, 4])), int(w.choose([4, 6])), int(w.choose([4, 5])))}
    if w.maybe():
        inputs["z"] = (int(w.choose([2, 4])),)
    w.shapes.update(inputs)
    for _ in range(draw(st.integers(3, 12))):
        x = w.value(int(w.choose([3, 3, 1])))
        if x is not None:
            step = w.choose(IMAGE if len(w.shapes[x]) == 3 else VECTOR)
            step(w, x)  # type: ignore[operator]
    if not w.nodes:
        conv(w, "x")
    made = [name for name in w.shapes if name not in inputs]
    chosen = {made[-1], *draw(st.lists(st.sampled_from(made), max_size=2))}
    # In the order they are made, so that a graph is a function of what was drawn alone.
    outputs = [name for name in made if name in chosen]

    def declared(names: list[str]) -> str:
        return ", ".join(f"float[{','.join((batch, *map(str, w.shapes[name])))}] {name}" for name in names)

    text = f"g ({declared(list(inputs))}) => ({declared(outputs)}) {{\n" + "\n".join(w.nodes) + "\n}"
    return model(text, opset=int(w.choose([13, 14, 17])), **w.constants)
