"""Pruned models through whole compiles: zeros that are still 0 in the bundle, graphs that shrank, locks that replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from support.graphs import model, weights
from zeros import products, still_zero

import edgec
from edgec.errors import OptionError

INTEGERS: dict[str, dict[str, Any]] = {
    "a8w8": {"scheme": "a8w8"},
    "a8w8 gptq": {"scheme": "a8w8", "rounding": "gptq"},
    "a8w8 adaround": {"scheme": "a8w8", "rounding": "adaround"},
    "a8w8 everything": {
        "scheme": "a8w8", "rounding": "gptq", "equalize": True, "smooth": "auto", "clip_weights": True,
        "bias_correction": "sequential",
    },
    "a8w8 balance": {"scheme": "a8w8", "balance": True},
    "a8w8 per tensor": {"scheme": "a8w8", "per_channel": False},
    "a8w4 gptq": {"scheme": "a8w4", "rounding": "gptq"},
    "a16w8": {"scheme": "a16w8"},
    "w8": {"scheme": "w8"},
    "fp16": {"scheme": "fp16"},
    "w8f": {"scheme": "w8f"},
}  # fmt: skip
BLOCKS: dict[str, dict[str, Any]] = {
    "w8": {"scheme": "w8"},
    "w4": {"scheme": "w4"},
    "w4 hqq": {"scheme": "w4", "rounding": "hqq"},
    "w4 clipped": {"scheme": "w4", "rounding": "clipped"},
    "w4 gptq": {"scheme": "w4", "rounding": "gptq", "block_size": 128},
    "w4 gptq in order": {"scheme": "w4", "rounding": "gptq-in-order", "zero_points": True},
    "w4 gptq in turn": {"scheme": "w4", "rounding": "gptq", "in_turn": True},
    "w4 awq": {"scheme": "w4", "awq": True},
    "w4 adaround": {"scheme": "w4", "rounding": "adaround"},
    "w3 gptq": {"scheme": "w3", "rounding": "gptq"},
    "w2 gptq": {"scheme": "w2", "rounding": "gptq"},
    "nf4": {"scheme": "nf4"},
    "fp4": {"scheme": "fp4", "double_scales": True},
    "d8w8": {"scheme": "d8w8"},
    "a8w8 smooth": {"scheme": "a8w8", "smooth": "0.5"},
}


def all_kept(counts: list[tuple[int, int]], at_least: int) -> None:
    assert sum(zeros for zeros, _ in counts) >= at_least
    assert [kept for _, kept in counts] == [zeros for zeros, _ in counts]


@pytest.fixture(scope="module")
def images(digits: Path) -> list[dict[str, np.ndarray]]:
    with np.load(digits / "calibration.npz") as samples:
        return [{"image": each[None]} for each in samples["image"][:24]]


@pytest.fixture(scope="module")
def sparse_digits(digits: Path, images: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with 2 of 4 weights 0, in float: a model that came pruned."""
    folder = tmp_path_factory.mktemp("sparse") / "digits"
    options: dict[str, Any] = {"scheme": "float", "sparsity": "2:4", "prove": False, "output": folder}
    return edgec.compile(digits / "digits.onnx", target="x86-64-vnni", calibration=images, **options).model


@pytest.fixture(scope="module")
def rows() -> list[dict[str, np.ndarray]]:
    return [{"x": weights(16, 128, seed=seed).cumsum(axis=1, dtype=np.float32)} for seed in range(6)]


@pytest.fixture(scope="module")
def sparse_rows(rows: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products of 128 columns, 2 of 4 weights 0."""
    text = "g (float[N, 128] x) => (float[N, 64] y) { a = MatMul (x, w)  r = Relu (a)  y = MatMul (r, v) }"
    folder = tmp_path_factory.mktemp("sparse") / "rows"
    source = model(text, w=weights(128, 128), v=weights(128, 64))
    options: dict[str, Any] = {"scheme": "float", "sparsity": "2:4", "prove": False, "output": folder}
    return edgec.compile(source, target="x86-64-vnni", calibration=rows, **options).model


@pytest.mark.parametrize("name", INTEGERS)
def test_zeros_of_convolutions_are_zeros_of_the_bundle(
    name: str, sparse_digits: Path, images: list[Any], tmp_path: Path
) -> None:
    options = {"target": "x86-64-vnni", "search": False, "prove": False, "output": tmp_path / "out", **INTEGERS[name]}
    bundle = edgec.compile(sparse_digits, calibration=images, **options)
    all_kept(still_zero(bundle.model, products(sparse_digits)), 29_000)


@pytest.mark.parametrize("name", BLOCKS)
def test_zeros_of_matrices_are_zeros_of_the_bundle(
    name: str, sparse_rows: Path, rows: list[Any], tmp_path: Path
) -> None:
    options = {"target": "x86-64-vnni", "search": False, "prove": False, "output": tmp_path / "out", **BLOCKS[name]}
    bundle = edgec.compile(sparse_rows, calibration=rows, **options)
    all_kept(still_zero(bundle.model, products(sparse_rows)), 128 * 96)


def test_the_counter_sees_a_zero_that_was_lost(sparse_digits: Path, tmp_path: Path) -> None:
    moved = ir.load(sparse_digits)
    arrays = {value: value.const_value.numpy() for value in moved.graph.initializers.values() if value.const_value}
    weight = next(value for value, array in arrays.items() if (array == 0).sum() > 100)
    array = arrays[weight].copy()
    array[tuple(np.argwhere(array == 0)[0])] = 1e-3
    weight.const_value = ir.Tensor(array, name=weight.name)
    ir.save(moved, tmp_path / "moved.onnx")
    counts = still_zero(tmp_path / "moved.onnx", products(sparse_digits))
    assert sum(zeros - kept for zeros, kept in counts) == 1


def test_channels_go_and_the_verdict_compares_with_the_whole_model(
    digits: Path, images: list[Any], tmp_path: Path
) -> None:
    common: dict[str, Any] = {"target": "x86-64-vnni", "calibration": images, "scheme": "a8w8", "search": False}
    whole = edgec.compile(digits / "digits.onnx", output=tmp_path / "whole", prove=False, **common)
    small = edgec.compile(
        digits / "digits.onnx",
        output=tmp_path / "small",
        prune_channels="40%",
        evaluation=digits / "evaluation.npz",
        metric="top1",
        report=False,
        **common,
    )
    assert small.model.stat().st_size < 0.75 * whole.model.stat().st_size
    verdict = json.loads((small.proof / "verdict.json").read_text())
    assert verdict is not None
    (note,) = [note for note in small.manifest["notes"] if note.startswith("pruned: ")]
    assert " MACs are left (" in note
    assert small.manifest["options"]["prune_channels"] == "40%"
    with np.load(digits / "evaluation.npz") as samples:
        x, label = samples["image"], samples["label"]
    session = onnxruntime.InferenceSession(small.model, providers=["CPUExecutionProvider"])
    right = [session.run(None, {"image": each[None]})[0].argmax() == k for each, k in zip(x, label, strict=True)]
    assert np.mean(right) > 0.9


def test_a_lock_prunes_again(digits: Path, images: list[Any], tmp_path: Path) -> None:
    common: dict[str, Any] = {"target": "x86-64-vnni", "calibration": images, "prove": False, "cache": False}
    asked = {"scheme": "a8w8", "prune_channels": "30%", "sparsity": "50%", "search": False}
    first = edgec.compile(digits / "digits.onnx", output=tmp_path / "first", **common, **asked)
    names = [each["kind"] for each in json.loads((first.path / "recipe.lock").read_text())["passes"]]
    assert names[:6] == ["DropIdentity", "FoldConstants", "FuseConvBn", "RemoveUnused", "PruneChannels", "PruneWeights"]
    again = edgec.compile(digits / "digits.onnx", output=tmp_path / "again", recipe=first.path, **common)
    assert again.model.read_bytes() == first.model.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"prune_channels": "all"},
            "--prune-channels: 'all' is not a share above 0% and below 100%. Write it like --prune-channels 30%",
        ),
        (
            {"prune_channels": 0.3},
            "--prune-channels: 0.3 is not a text. Write it like --prune-channels 30%",
        ),
        (
            {"sparsity": "4:2"},
            "--sparsity: '4:2' does not keep some of at most 64 weights. Write it like --sparsity 2:4 or 50%",
        ),
        (
            {"prune_by": "taylor"},
            "--prune-by: 'taylor' is not one of auto, reconstruction, magnitude. Choose one of them",
        ),
        (
            {"sparsity": "2:4", "rotate": True},
            "--rotate: mixes the columns of weights: zeros of --sparsity would not stay. Leave one of them out",
        ),
        (
            {"sparsity": "2:4", "scheme": "w2e8"},
            "--scheme w2e8: has no code for 0: zeros of --sparsity would not stay. "
            "Leave --sparsity out, or choose one of w8, w4, w3, w2, nf4, fp4",
        ),
        (
            {"sparsity": "2:4", "sparsity_by": "wanda", "scheme": "w8"},
            "--sparsity-by wanda: goes by calibration samples, and there are none. "
            "Give --calibration, or choose magnitude",
        ),
        (
            {"prune_channels": "30%", "prune_by": "reconstruction", "scheme": "w8"},
            "--prune-by reconstruction: goes by calibration samples, and there are none. "
            "Give --calibration, or choose magnitude",
        ),
    ],
)
def test_what_cannot_be(options: dict[str, Any], said: str, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        edgec.compile(digits / "digits.onnx", target="x86-64-vnni", output=tmp_path / "out", prove=False, **options)
    assert str(caught.value) == f"{said}."


def test_without_samples_magnitudes_tell(digits: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scheme": "w8", "prune_channels": "20%", "sparsity": "50%", "prove": False}
    bundle = edgec.compile(digits / "digits.onnx", target="x86-64-vnni", output=tmp_path / "out", **options)
    passes = {each["kind"]: each for each in json.loads((bundle.path / "recipe.lock").read_text())["passes"]}
    assert passes["PruneChannels"]["by"] == passes["PruneWeights"]["method"] == "magnitude"
