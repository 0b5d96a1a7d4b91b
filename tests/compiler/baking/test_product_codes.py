"""Embeddings as codes of their parts: nodes against numpy, centers of calibration samples, recall of what ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.numerics import run

import edgec
from edgec.compiler.baking.bake import bake
from edgec.compiler.baking.codes import decode, encode
from edgec.compiler.baking.spec import BakedOutput
from edgec.compiler.baking.words import read_output
from edgec.compiler.compile import CompileResult, compile_request
from edgec.compiler.request import CompileRequest
from edgec.errors import BundleError, OptionError


def embedder(shape: str, opset: int = 17) -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["": {opset}]> g (float[{shape}] x) => (float[{shape}] y) {{ y = Neg(x) }}'
    return ir.from_proto(onnx.parser.parse_model(text))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["N,16", "N,3,24"]), st.sampled_from([2, 4, 8]), st.sampled_from([17, 18, 21]), st.integers(0, 99)
)
def test_the_nodes_find_the_nearest_centers(shape: str, part: int, opset: int, seed: int) -> None:
    """By the distance to each of all, part by part."""
    rng, model = np.random.default_rng(seed), embedder(shape, opset)
    dims = [int(each) for each in shape.split(",")[1:]]
    centers = rng.standard_normal((dims[-1] // part, 256, part)).astype(np.float32)
    baking = replace(bake(model, {}, {"y": BakedOutput(code="product", part=part)}, {}), centers={"y": centers})
    baked = baking.whole(model)
    onnx.checker.check_model(ir.to_proto(baked), full_check=True)
    assert [str(dim) for dim in baked.graph.outputs[0].shape] == ["N", *map(str, dims[:-1]), str(len(centers))]
    x = rng.standard_normal((2, *dims)).astype(np.float32)
    found = run(baked, {"x": x})["y"]
    parts = -x.reshape(2, -1, len(centers), part)
    distances = np.square(parts[..., None, :] - centers).sum(axis=-1)
    wanted = distances.argmin(axis=-1).reshape(found.shape)
    taken = np.take_along_axis(distances, found.reshape(2, -1, len(centers))[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(taken, distances.min(axis=-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(encode(-x, centers), wanted)
    assert found.dtype == np.uint8
    rows = decode(found, centers)
    assert rows.shape == (2, *dims)
    np.testing.assert_array_equal(rows.reshape(-1, part)[0], centers[0, found.reshape(-1)[0]])


def encoder() -> onnx.ModelProto:
    """32 numbers in, an embedding of 16 with a few directions in common."""
    rng = np.random.default_rng(0)
    weight = (rng.standard_normal((32, 5)) @ rng.standard_normal((5, 16)) + 0.2 * rng.standard_normal((32, 16))) / 8
    text = '<ir_version: 9, opset_import: ["": 17]> g (float[N,32] x) => (float[N,16] e) { e = MatMul(x, w) }'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight.astype(np.float32), "w"))
    return model


def pairs(count: int, seed: int) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """A query, and what it should find: the same with some noise."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((count, 1, 32)).astype(np.float32)
    near = queries + 0.05 * rng.standard_normal(queries.shape).astype(np.float32)
    return [({"x": np.concatenate(each)}, np.array(1)) for each in zip(queries, near, strict=True)]


def compiled(output: Path, post: str, **options: Any) -> CompileResult:
    common = {
        "calibration": [{"x": feeds["x"]} for feeds, _ in pairs(600, 0)],
        "evaluation": pairs(60, 1),
        "metric": "recall",
        "scheme": "w8",
        "outputs": dict([read_output(post)]),
        "output": output,
        "report": False,
    }
    return compile_request(CompileRequest.of(encoder(), common | options))


def test_what_ships_answers_codes_and_is_judged_by_recall(tmp_path: Path) -> None:
    result = compiled(tmp_path / "b", "e:product=4", contract={"accuracy_drop": "20pt"})
    bundle = result.bundle
    (signature,) = bundle.manifest["outputs"]
    assert (signature["name"], signature["dtype"], signature["shape"]) == ("e", "uint8", ["N", 4])
    centers = np.load(bundle.path / "e.centers.npy")
    assert (centers.shape, centers.dtype) == ((4, 256, 4), np.float32)
    assert "e.centers.npy" in bundle.manifest["files"]
    x = pairs(40, 2)[0][0]["x"]
    (codes,) = run(ir.load(bundle.model), {"x": x}).values()
    exact = run(ir.from_proto(encoder()), {"x": x})["e"]
    near = decode(codes, centers)
    assert np.square(near - exact).sum() < 0.2 * np.square(exact).sum()
    assert result.verdict is not None
    (drop,) = (each for each in result.verdict.results if each.id == "accuracy_drop")
    assert drop.status == "met"
    again = edgec.Bundle.open(bundle.path).prove(evaluation=pairs(60, 1), metric="recall")
    assert again.exit_code == 0
    notes = [note for note in bundle.manifest["notes"] if note.startswith("output 'e'")]
    assert len(notes) == 1
    assert notes[0].startswith(
        "output 'e': 4 bytes for 16 numbers, their codes found in 1200 embeddings of calibration samples, "
    )
    assert notes[0].endswith(" % of whose energy is lost")


def test_fewer_numbers_a_byte_are_nearer(tmp_path: Path) -> None:
    lost = []
    for part in (2, 4, 8):
        bundle = compiled(tmp_path / str(part), f"e:product={part}", prove=False).bundle
        x = np.concatenate([feeds["x"] for feeds, _ in pairs(50, 3)])
        exact = run(ir.from_proto(encoder()), {"x": x})["e"]
        near = decode(run(ir.load(bundle.model), {"x": x})["e"], np.load(bundle.path / "e.centers.npy"))
        lost.append(float(np.square(near - exact).sum() / np.square(exact).sum()))
    assert lost[0] < 0.6 * lost[1]
    assert lost[1] < 0.8 * lost[2]


def test_few_samples_are_told(tmp_path: Path) -> None:
    few = [{"x": feeds["x"]} for feeds, _ in pairs(20, 0)]
    bundle = compiled(tmp_path / "b", "e:product=4", calibration=few, prove=False).bundle
    (note,) = (note for note in bundle.manifest["notes"] if note.startswith("output 'e'"))
    assert note.startswith(
        "output 'e': 4 bytes for 16 numbers, their codes found in 40 embeddings of calibration samples, "
    )
    assert note.endswith(" % of whose energy is lost; fewer than 1024 say little of others")


def test_it_needs_samples_and_parts_that_divide(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "b", "e:product=4", calibration=None)
    assert str(caught.value) == (
        "--postprocess e:product: finds its codes in embeddings of calibration samples, and there are none. "
        "Give --calibration, or choose e:int8 or e:binary."
    )
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "b", "e:product=5")
    assert str(caught.value) == (
        "--postprocess e: has shape [N, 16]: a byte stands for 5 numbers, which do not divide it. "
        "Choose --postprocess e:int8."
    )
    with pytest.raises(OptionError) as caught:
        read_output("e:product=1")
    assert str(caught.value) == "--postprocess e: product: 1 is not from 2 to 64. Change the values."


def test_a_bundle_without_its_centers(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "b", "e:product=4", prove=False).bundle
    (bundle.path / "e.centers.npy").unlink()
    with pytest.raises(BundleError):
        edgec.Bundle.open(bundle.path).prove(evaluation=pairs(4, 1), metric="recall")
