"""Small pre-norm transformers, spelled as exporters spell them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from .graphs import model, weights

__all__ = ["NORMS", "Spelling", "transformer"]

NORMS = ("rms reciprocal", "rms div", "rms own", "layer", "layer parts", "l2")
LENGTH, VOCABULARY = 5, 11


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a transformer is written.

    Attributes:
        norm: One of `NORMS`.
        width, heads, shared: Channels, heads of queries, and how many of them share keys and values.
        blocks: Blocks of attention and MLP.
        bias: Products are followed by biases.
        gated: The MLP is a SwiGLU, else Gelu's kin Tanh.
        tied: The table is the head too.
        positions: A table of positions is added.
    """

    norm: str = "rms reciprocal"
    width: int = 16
    heads: int = 4
    shared: int = 1
    blocks: int = 2
    bias: bool = False
    gated: bool = True
    tied: bool = True
    positions: bool = False


@dataclass
class _Writer:
    spelling: Spelling
    lines: list[str] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, line: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {line}")
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def random(self, *shape: int, scale: float = 0.3) -> str:
        return self.constant(weights(*shape, seed=len(self.constants), scale=scale))

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        y = self.add(f"MatMul({x}, {self.random(inputs, outputs)})")
        return self.add(f"Add({y}, {self.random(outputs)})") if self.spelling.bias else y

    def shape(self, *dims: int) -> str:
        return self.constant(np.array(dims, np.int64))

    def gain(self) -> str:
        return self.constant(1.0 + np.abs(weights(self.spelling.width, seed=len(self.constants), scale=2.0)))

    def norm(self, x: str) -> str:
        kind, gain = self.spelling.norm, self.gain()
        eps, two = self.constant(np.float32(1e-5)), self.constant(np.float32(2))
        if kind == "layer":
            return self.add(f"LayerNormalization({x}, {gain}, {self.random(self.spelling.width)})")
        if kind == "rms own":
            return self.add(f"RMSNormalization({x}, {gain})")
        if kind == "l2":
            n = self.add(f"LpNormalization<axis=-1, p=2>({x})")
            return self.add(f"Mul({gain}, {n})")
        last = self.constant(np.array([-1]))
        if kind == "layer parts":
            mean = self.add(f"ReduceMean({x}, {last})")
            x = self.add(f"Sub({x}, {mean})")
        square = self.add(f"Mul({x}, {x})" if kind == "rms div" else f"Pow({x}, {two})")
        mean = self.add(f"ReduceMean({square}, {last})")
        root = self.add(f"Sqrt({self.add(f'Add({mean}, {eps})')})")
        inverse = self.add(f"Reciprocal({root})")
        n = self.add(f"Div({x}, {root})" if kind == "rms div" else f"Mul({x}, {inverse})")
        n = self.add(f"Mul({n}, {gain})")
        return self.add(f"Add({n}, {self.random(self.spelling.width)})") if kind == "layer parts" else n

    def attention(self, x: str) -> str:
        s = self.spelling
        size, groups = s.width // s.heads, s.heads // s.shared
        q = self.linear(x, s.width, s.width)
        k, v = (self.linear(x, s.width, groups * size) for _ in range(2))
        q = self.add(f"Reshape({q}, {self.shape(2, LENGTH, s.heads, size)})")
        k, v = (self.add(f"Reshape({each}, {self.shape(2, LENGTH, groups, size)})") for each in (k, v))
        if s.shared > 1:
            three, repeats = self.shape(3), self.shape(1, 1, 1, s.shared, 1)
            k, v = (self.add(f"Expand({self.add(f'Unsqueeze({each}, {three})')}, {repeats})") for each in (k, v))
            whole = self.shape(2, LENGTH, s.heads, size)
            k, v = (self.add(f"Reshape({each}, {whole})") for each in (k, v))
        q = self.add(f"Transpose<perm=[0,2,1,3]>({q})")
        k = self.add(f"Transpose<perm=[0,2,3,1]>({k})")
        v = self.add(f"Transpose<perm=[0,2,1,3]>({v})")
        p = self.add(f"Softmax<axis=-1>({self.add(f'MatMul({q}, {k})')})")
        y = self.add(f"Transpose<perm=[0,2,1,3]>({self.add(f'MatMul({p}, {v})')})")
        y = self.add(f"Reshape({y}, {self.shape(2, LENGTH, s.width)})")
        return self.linear(y, s.width, s.width)

    def mlp(self, x: str) -> str:
        hidden = 2 * self.spelling.width
        up = self.linear(x, self.spelling.width, hidden)
        if not self.spelling.gated:
            return self.linear(self.add(f"Tanh({up})"), hidden, self.spelling.width)
        gate = self.linear(x, self.spelling.width, hidden)
        silu = self.add(f"Mul({gate}, {self.add(f'Sigmoid({gate})')})")
        return self.linear(self.add(f"Mul({silu}, {up})"), hidden, self.spelling.width)


def transformer(spelling: Spelling) -> ir.Model:
    """Token ids (2, 5) to logits (2, 5, 11)."""
    write = _Writer(spelling=spelling)
    table = write.random(VOCABULARY, spelling.width, scale=1.0)
    x = write.add(f"Gather({table}, ids)")
    if spelling.positions:
        x = write.add(f"Add({x}, {write.random(LENGTH, spelling.width)})")
    for _ in range(spelling.blocks):
        for part in (write.attention, write.mlp):
            x = write.add(f"Add({x}, {part(write.norm(x))})")
    x = write.norm(x)
    if spelling.tied:
        head = write.add(f"Transpose<perm=[1,0]>({table})")
        write.lines.append(f"y = MatMul({x}, {head})")
    else:
        write.lines.append(f"y = MatMul({x}, {write.random(spelling.width, VOCABULARY)})")
    text = f"g (int64[2,{LENGTH}] ids) => (float[2,{LENGTH},{VOCABULARY}] y) {{\n" + "\n".join(write.lines) + "\n}"
    return model(text, opset=23, **write.constants)
