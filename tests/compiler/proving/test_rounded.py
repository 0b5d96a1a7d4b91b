"""What stands in for a device that computes in float16 rounds as it does."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx_ir as ir
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights

from edgec.compiler.proving.rounded import RoundedCpu, round_results
from edgec.passes.lower.compute_in_half import ComputeInHalf
from edgec.runtimes.base import Feeds
from edgec.runtimes.ort import OrtCpu

# 50 * 50 * 30 = 75000 in the middle, 750 at the end.
GROWS = "g (float[2,4] x) => (float[2,4] y) { a = Mul(x, k) \n b = Mul(a, m) \n c = Mul(b, n) \n y = Relu(c) }"


def halved(folder: Path, text: str, **constants: np.ndarray) -> Path:
    made = model(text, **constants)
    assert ComputeInHalf()(made).modified
    ir.save(made, folder / "model.onnx")
    return folder / "model.onnx"


def half(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16).astype(np.float32)


def eighths(array: np.ndarray) -> np.ndarray:
    return (np.rint(array * 8) / 8).astype(np.float32)


def answers(place: OrtCpu, path: Path, feeds: Feeds) -> dict[str, np.ndarray]:
    with closing(place.open(path)) as session:
        return session.run(feeds)


def test_infinity_where_float16_has_it_and_the_provider_has_not(tmp_path: Path) -> None:
    path = halved(tmp_path, GROWS, k=np.float32(50), m=np.float32(30), n=np.float32(0.01))
    feeds = {"x": np.full((2, 4), 50.0, np.float32)}
    assert np.isfinite(answers(OrtCpu(), path, feeds)["y"]).all()
    assert np.isinf(answers(RoundedCpu(), path, feeds)["y"]).all()


@given(st.integers(0, 1000), st.integers(1, 4))
def test_every_result_is_rounded(seed: int, depth: int) -> None:
    """Against numpy, which rounds after every product and every sum.

    All numbers are multiples of 1/8: behind four layers of 1/2^15 and below 2^8, so float32 holds every sum whole, in
    whatever order it is taken, and nothing but Tanh may differ.
    """
    rng = np.random.default_rng(seed)
    ws = [eighths(rng.normal(0, 0.3, (16, 16))) for _ in range(depth)]
    reads = ["x", *(f"s{index}" for index in range(depth))]
    steps = (f"p{i} = MatMul({reads[i]}, w{i}) \n s{i} = Add(p{i}, w{i})" for i in range(depth))
    text = f"g (float[16,16] x) => (float[16,16] y) {{ {' '.join(steps)} y = Tanh({reads[-1]}) }}"
    x = eighths(rng.normal(0, 1, (16, 16)))
    with tempfile.TemporaryDirectory() as folder:
        path = halved(Path(folder), text, **{f"w{i}": w for i, w in enumerate(ws)})
        found = answers(RoundedCpu(), path, {"x": x})["y"]
    value = half(x)
    for w in ws:
        value = half(half(value @ half(w)) + half(w))
    assert np.abs(found - half(np.tanh(value))).max() <= 2**-9


def test_outputs_of_float16_keep_their_names_and_types(tmp_path: Path) -> None:
    made = model("g (float16[2,4] x) => (float16[2,4] y, float16[2,4] z) { y = Relu(x) \n z = Add(y, x) }")
    ir.save(made, tmp_path / "model.onnx")
    feeds = feeds_of(made)
    found = answers(RoundedCpu(), tmp_path / "model.onnx", feeds)
    assert {name: array.dtype for name, array in found.items()} == {"y": np.float16, "z": np.float16}
    x = feeds["x"]
    assert np.array_equal(found["y"], np.maximum(x, 0))
    assert np.array_equal(found["z"], (np.maximum(x, 0).astype(np.float32) + x.astype(np.float32)).astype(np.float16))


def test_a_model_without_float16_is_opened_as_it_is(tmp_path: Path) -> None:
    made = model("g (float[2,4] x) => (float[2,5] y) { y = MatMul(x, w) }", w=weights(4, 5))
    assert not round_results(made)
    ir.save(made, tmp_path / "model.onnx")
    feeds = feeds_of(made)
    here = answers(OrtCpu(), tmp_path / "model.onnx", feeds)
    assert np.array_equal(answers(RoundedCpu(), tmp_path / "model.onnx", feeds)["y"], here["y"])
