"""The encoder's graph against an independent BERT in numpy, with small random weights."""

from __future__ import annotations

import encoder
import numpy as np
import onnxruntime as ort
import pytest
from scipy.special import erf, softmax


def _weights(generator: np.random.Generator) -> dict[str, np.ndarray]:
    hidden, inner = encoder.HIDDEN, 8
    shapes = {
        "embeddings.word_embeddings.weight": (20, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.position_embeddings.weight": (512, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(encoder.LAYERS):
        of = f"encoder.layer.{layer}"
        linear = {f"attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
        linear |= {"attention.output.dense": (hidden, hidden), "output.dense": (hidden, inner)}
        linear |= {"intermediate.dense": (inner, hidden)}
        for name, shape in linear.items():
            shapes |= {f"{of}.{name}.weight": shape, f"{of}.{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{of}.{name}.weight": (hidden,), f"{of}.{name}.bias": (hidden,)}
    return {name: generator.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


def _reference(weights: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """One sentence without padding, (length,) → (hidden,)."""

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-12) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + weights["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
    width = encoder.HIDDEN // encoder.HEADS
    for layer in range(encoder.LAYERS):
        of = f"encoder.layer.{layer}"
        q, k, v = (linear(x, f"{of}.attention.self.{name}") for name in ("query", "key", "value"))
        heads = [slice(h * width, (h + 1) * width) for h in range(encoder.HEADS)]
        mixed = [softmax(q[:, h] @ k[:, h].T / np.sqrt(width), axis=-1) @ v[:, h] for h in heads]
        out = linear(np.concatenate(mixed, axis=1), f"{of}.attention.output.dense")
        x = norm(x + out, f"{of}.attention.output.LayerNorm")
        inner = linear(x, f"{of}.intermediate.dense")
        x = norm(x + linear(inner / 2 * (1 + erf(inner / np.sqrt(2))), f"{of}.output.dense"), f"{of}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_the_graph_is_bert_and_padding_changes_nothing() -> None:
    weights = _weights(np.random.default_rng(1))
    session = ort.InferenceSession(encoder.build(weights).SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([[3, 5, 7, 9], [2, 4, 0, 0]])
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    (found,) = session.run(None, dict(zip(encoder.INPUTS, (ids, mask, np.zeros_like(ids)), strict=True)))
    assert found[0] == pytest.approx(_reference(weights, ids[0]), abs=1e-5)
    assert found[1] == pytest.approx(_reference(weights, ids[1, :2]), abs=1e-5)
