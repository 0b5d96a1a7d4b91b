"""What layers of both parts are made of: norms, products, attention, feed-forward; pre-norm, with biases.

A. Vaswani et al., "Attention Is All You Need" (2017, arXiv 1706.03762), eq. 1 and 2. Attention is one
MultiHeadAttention of `com.microsoft` (ONNX Runtime 1.31.1, contrib operator documentation): keys and values may come as
(batch, heads, tokens, head), as a cache keeps them, and what it said before is put in front by the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..decoder.matrices import Matrix, Weight, array_of, matrix_of, vector_of
from ..decoder.writer import Described, Writer, dims_of

__all__ = ["OPSET", "Layers"]

# The first with 4-bit integers; LayerNormalization and Gelu are older.
OPSET = 21
# torch.nn.LayerNorm's default, which Whisper keeps.
_EPSILON = 1e-5
_FLOAT = ir.DataType.FLOAT


class Layers:
    """Writes layers, nodes and constants named after their weights.

    Args:
        weights: By Hugging Face's names, (out, in).
        origin: Where they come from, for messages.
        hidden: Width of the stream.
        intermediate: Width of the feed-forward part.
        heads: Of attention.
        level: `accuracy_level` of MatMulNBits, where weights are in blocks.
    """

    def __init__(
        self, weights: Mapping[str, Weight], origin: str, *, hidden: int, intermediate: int, heads: int, level: int
    ) -> None:
        self.writer = Writer("main_graph", OPSET)
        self._weights, self._origin, self._level = weights, origin, level
        self._hidden, self._intermediate, self._heads = hidden, intermediate, heads

    def matrix(self, name: str, outputs: int, inputs: int) -> Matrix:
        """The matrix of a module."""
        return matrix_of(self._weights, f"{name}.weight", (outputs, inputs), self._origin, self._level)

    def array(self, name: str, shape: tuple[int, ...]) -> ir.Value:
        """A weight that is no matrix of a product, as a constant of its name.

        Raises:
            ModelError: It is missing, or has another shape.
        """
        return array_of(self.writer, self._weights, name, shape, self._origin)

    def norm(self, name: str, x: ir.Value) -> ir.Value:
        """LayerNormalization over the last axis."""
        parameters = [self._vector(f"{name}.{each}", self._hidden) for each in ("weight", "bias")]
        node = f"{_node(name)}/LayerNormalization"
        return self.writer.write(
            "LayerNormalization", [x, *parameters], name=node, dims=dims_of(x), axis=-1, epsilon=_EPSILON
        )

    def product(self, name: str, x: ir.Value, outputs: int, *, biased: bool = True) -> ir.Value:
        """The product x Wᵀ + b."""
        inputs = dims_of(x)[-1]
        assert isinstance(inputs, int)
        bias = self._vector(f"{name}.bias", outputs) if biased else None
        return self.matrix(name, outputs, inputs).multiply(self.writer, x, _node(name), bias)

    def add(self, name: str, left: ir.Value, right: ir.Value) -> ir.Value:
        """The sum of two streams."""
        return self.writer.write("Add", [left, right], name=f"{_node(name)}/Add", dims=dims_of(left))

    def feed_forward(self, name: str, x: ir.Value) -> ir.Value:
        """W₂ gelu(W₁ x + b₁) + b₂, the exact Gelu."""
        wide = self.product(f"{name}.fc1", x, self._intermediate)
        bent = self.writer.write("Gelu", [wide], name=f"{_node(name)}/activation_fn/Gelu", dims=dims_of(wide))
        return self.product(f"{name}.fc2", bent, self._hidden)

    def keys_and_values(self, name: str, x: ir.Value, *, heads: int) -> tuple[ir.Value, ir.Value]:
        """What an attention reads of a sequence, (batch, heads, tokens, head) each; keys have no bias."""
        return tuple(  # type: ignore[return-value]
            self._in_heads(f"{name}.{kind}", self.product(f"{name}.{kind}", x, self._hidden, biased=biased), heads)
            for kind, biased in (("k_proj", False), ("v_proj", True))
        )

    def attention(
        self,
        name: str,
        x: ir.Value,
        known: Sequence[ir.Value] = (),
        past: Sequence[ir.Value] = (),
        presents: Sequence[Described] = (),
    ) -> tuple[ir.Value, list[ir.Value]]:
        """Attention of a stream to itself, or to keys and values that are known.

        Args:
            name: Of the module.
            x: (batch, tokens, hidden).
            known: Keys and values, (batch, heads, tokens, head); else those of `x`.
            past: Keys and values of what was before; attention is causal then.
            presents: Names, types and shapes of the same with `x`'s.

        Returns:
            What is added to the stream, and the presents.
        """
        query = self.product(f"{name}.q_proj", x, self._hidden)
        own = known or (
            self.product(f"{name}.k_proj", x, self._hidden, biased=False),
            self.product(f"{name}.v_proj", x, self._hidden),
        )
        node = f"{_node(name)}/MultiHeadAttention"
        made = self.writer.contrib(
            "MultiHeadAttention",
            [query, *own, *((None, None, None, *past) if past else ())],
            name=node,
            outputs=[(f"{node}/output_0", _FLOAT, dims_of(x)), *presents],
            num_heads=self._heads,
            unidirectional=int(bool(past)),
        )
        return self.product(f"{name}.out_proj", made[0], self._hidden), made[1:]

    def _in_heads(self, name: str, x: ir.Value, heads: int) -> ir.Value:
        batch, tokens, _ = dims_of(x)
        size = self._hidden // heads
        shape = self.writer.constant(f"{heads}_heads", np.asarray([0, 0, heads, size], np.int64))
        split = self.writer.write(
            "Reshape", [x, shape], name=f"{_node(name)}/Reshape", dims=(batch, tokens, heads, size)
        )
        return self.writer.write(
            "Transpose", [split], name=f"{_node(name)}/Transpose", dims=(batch, heads, tokens, size), perm=[0, 2, 1, 3]
        )

    def _vector(self, name: str, size: int) -> ir.Value:
        return vector_of(self.writer, self._weights, name, size, self._origin)


def _node(name: str) -> str:
    """`model.encoder.layers.0.self_attn` → `/model/encoder/layers.0/self_attn`."""
    return "/" + name.replace(".", "/").replace("layers/", "layers.")
