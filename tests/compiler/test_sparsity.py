"""What is said of zeros: how many, what the file takes zipped, and that no kernel here skips them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.graphs import model, weights

import edgec
from edgec.compiler.report.compiled import zeros_text
from edgec.compiler.sparsity import read_sparsity, sparsity_note, sparsity_of
from edgec.targets import find_target

TEXT = "g (float[N, 8] x) => (float[N, 6] y) { a = MatMul (x, w)  y = Gemm <transB = 1> (a, v) }"


def masked(array: np.ndarray, axis: int) -> np.ndarray:
    """Zeros at every other place along an axis."""
    made = array.copy()
    np.moveaxis(made, axis, 0)[::2] = 0
    return made


def test_zeros_are_counted_along_what_is_summed_up() -> None:
    found = sparsity_of(model(TEXT, w=masked(weights(8, 8), 0), v=masked(weights(6, 8), 0)))
    assert found is not None
    assert (found.weights, found.zeros, found.layers, found.two_of_four) == (112, 56, 2, 1)
    assert sparsity_note(found, find_target("x86-64-vnni")) == (
        "50% of the weights of products are 0, 2 of 4 in 1 of 2 layers; they make a zip of it smaller, and save no "
        "time: ONNX Runtime's CPU kernels multiply by them",
    )
    assert sparsity_note(found, find_target("snapdragon-8-gen-3")) == (
        "50% of the weights of products are 0, 2 of 4 in 1 of 2 layers; they make a zip of it smaller; "
        "whether a kernel of this target skips them was not measured",
    )


def test_few_zeros_are_not_spoken_of() -> None:
    few = weights(8, 8)
    few[:2] = 0
    found = sparsity_of(model(TEXT, w=few, v=weights(6, 8)))
    assert found is None
    assert sparsity_note(found, find_target("x86-64-vnni")) == ()


def test_a_bundle_says_what_its_file_takes(tmp_path: Path) -> None:
    source = model(TEXT, w=masked(weights(8, 8), 0), v=weights(6, 8))
    options: dict[str, Any] = {"scheme": "float", "prove": False, "output": tmp_path / "out"}
    bundle = edgec.compile(source, target="x86-64-vnni", **options)
    assert read_sparsity(bundle) is None
    source = model(TEXT, w=masked(weights(8, 8), 0), v=masked(weights(6, 8), 1))
    bundle = edgec.compile(source, target="x86-64-vnni", overwrite=True, **options)
    found = json.loads((bundle.proof / "sparsity.json").read_text())
    data = bundle.model.read_bytes()
    assert (found["bytes"], found["zipped_bytes"]) == (len(data), len(zlib.compress(data, 6)))
    assert found["bundle"] == bundle.digest
    assert (found["zeros"], found["two_of_four"]) == (56, 2)


@pytest.mark.parametrize(
    ("zipped", "said"),
    [
        (500_000, "50% of 2,000,000 weights; model 2.00 MB, 500 kB zipped"),
        (None, "50% of 2,000,000 weights; model 2.00 MB"),
    ],
)
def test_the_terminal_says_it(zipped: int | None, said: str) -> None:
    record = {"weights": 2_000_000, "zeros": 1_000_000, "bytes": 2_000_000, "zipped_bytes": zipped}
    assert zeros_text(record) == said
    assert zeros_text(None) is None
