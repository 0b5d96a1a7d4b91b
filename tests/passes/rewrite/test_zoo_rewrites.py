"""Rotation and AWQ on real models: the function stays, and what cannot turn says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.numerics import assert_same, run
from support.recipes import measure_on

from edgec.compiler.load import load_model
from edgec.passes.edit import remarks_of
from edgec.passes.rewrite.activation_aware import ActivationAware
from edgec.passes.rewrite.rotate import RotateHidden
from edgec.targets.cpu.pipeline import normalize, prepare

pytestmark = pytest.mark.zoo


def prepared(path: Path) -> ir.Model:
    model = load_model(path).model
    for each in (*normalize(), *prepare()):
        each(model)
    return model


def ids(seed: int, length: int = 40) -> dict[str, np.ndarray]:
    return {"input_ids": np.random.default_rng(seed).integers(0, 512, (2, length))}


def made(model: ir.Model, suffix: str) -> int:
    """How many constants are called so, and read."""
    return sum(str(name).endswith(suffix) and bool(value.uses()) for name, value in model.graph.initializers.items())


def test_a_language_model_is_rotated(zoo: Path) -> None:
    model = prepared(zoo / "models" / "stories260k" / "model.onnx")
    feeds = ids(0)
    before = run(model, feeds)
    assert RotateHidden()(model).modified
    assert_same(before, run(model, feeds), tolerance=1e-5)
    # Five blocks of seven matrices, the table, the head; values and outputs of heads a second time.
    assert made(model, "_rotated") == 37


def test_the_cache_of_a_language_model_keeps_its_values(zoo: Path) -> None:
    model = prepared(zoo / "models" / "stories260k_kv" / "model.onnx")
    rng = np.random.default_rng(0)
    past = {name: rng.standard_normal((5, 1, 3, 4, 8)).astype(np.float32) for name in ("past_k", "past_v")}
    feeds = {"token": np.array([[5]]), "pos": np.array([3]), **past}
    before = run(model, feeds)
    assert RotateHidden()(model).modified
    assert_same(before, run(model, feeds), tolerance=1e-5)


def test_a_language_model_is_scaled_by_its_activations(zoo: Path) -> None:
    model = prepared(zoo / "models" / "stories260k" / "model.onnx")
    feeds, awq = ids(0), ActivationAware(bits=3, block_size=32)
    before = run(model, feeds)
    measure_on([ids(seed) for seed in range(1, 5)])(model, awq.needs(model))
    # Before queries, keys and values; before the output; before gate and up; before down; and before the head.
    assert len({need.value for need in awq.needs(model)}) == 5 * 4 + 1
    assert awq(model).modified
    assert_same(before, run(model, feeds), tolerance=1e-4)


def test_a_post_norm_transformer_turns_in_its_heads_alone() -> None:
    encoder = Path(__file__).parents[3] / "bench-out" / "sentence_encoder" / "model.onnx"
    if not encoder.is_file():
        pytest.skip("the sentence encoder is not built: python tests/benchmarks/encoder.py")
    model = prepared(encoder)
    rng = np.random.default_rng(0)
    feeds = {
        "input_ids": rng.integers(1000, 9000, (2, 12)),
        "attention_mask": np.ones((2, 12), np.int64),
        "token_type_ids": np.zeros((2, 12), np.int64),
    }
    before = run(model, feeds)
    assert RotateHidden()(model).modified
    assert_same(before, run(model, feeds), tolerance=1e-5)
    assert made(model, "_rotated") == 6 * 3  # values, their biases, outputs
    why = "is not rotated: is where a normalized state is added up, as in post-norm transformers"
    assert (why,) in remarks_of(model).values()
