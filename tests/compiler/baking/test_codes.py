from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.numerics import run

from edgec.compiler.baking.bake import bake
from edgec.compiler.baking.codes import decode, encode
from edgec.compiler.baking.outside import postprocess
from edgec.compiler.baking.spec import BakedOutput
from edgec.compiler.baking.words import read_output
from edgec.errors import OptionError


def embedder(shape: str, opset: int = 17) -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["": {opset}]> g (float[{shape}] x) => (float[{shape}] y) {{ y = Neg(x) }}'
    return ir.from_proto(onnx.parser.parse_model(text))


def whole(code: str, shape: str, opset: int = 17) -> ir.Model:
    model = embedder(shape, opset)
    baked = bake(model, {}, {"y": BakedOutput(code=code)}, {}).whole(model)  # type: ignore[arg-type]
    onnx.checker.check_model(ir.to_proto(baked), full_check=True)
    return baked


def test_codes_by_hand() -> None:
    x = np.array([[-1.0, 0.5, 0.0, -0.25, 1.0, 1.0, -1.0, 0.1], [0.0] * 8], np.float32)
    bits = run(whole("binary", "N,8"), {"x": -x})["y"]
    assert (bits.dtype, bits.tolist()) == (np.uint8, [[0b01001101], [0]])
    steps = run(whole("int8", "N,8"), {"x": -2 * x})["y"]
    assert (steps.dtype, steps.tolist()) == (np.int8, [[-127, 64, 0, -32, 127, 127, -127, 13], [0] * 8])
    assert decode(bits, "binary")[0].tolist() == [-1, 1, -1, -1, 1, 1, -1, 1]


@settings(deadline=None)
@given(
    st.sampled_from(["int8", "binary"]), st.sampled_from(["N,16", "N,3,24"]), st.sampled_from([17, 18, 21]),
    st.integers(0, 99),
)  # fmt: skip
def test_the_nodes_are_what_numpy_does(code: str, shape: str, opset: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, *map(int, shape.split(",")[1:]))).astype(np.float32)
    baked = whole(code, shape, opset)
    assert [str(dim) for dim in baked.graph.outputs[0].shape][:1] == ["N"]
    found = run(baked, {"x": x})["y"]
    expected = postprocess("y", -x, BakedOutput(code=code))["y"]  # type: ignore[arg-type]
    assert found.shape == expected.shape
    # A half step may round either way.
    apart = np.abs(found.astype(int) - expected.astype(int)).max()
    assert apart <= (1 if code == "int8" else 0)


@settings(deadline=None)
@given(st.integers(0, 99))
def test_bytes_keep_the_direction(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((4, 64)).astype(np.float32)
    near = decode(encode(x, "int8"), "int8")
    cosine = (near * x).sum(axis=1) / np.sqrt(np.square(near).sum(axis=1) * np.square(x).sum(axis=1))
    assert cosine.min() > 0.9998


def test_a_metric_reads_numbers() -> None:
    model = embedder("N,16")
    baking = bake(model, {}, {"y": BakedOutput(code="binary")}, {})
    scores = baking.scores({"y": np.array([[0b10000000, 255]], np.uint8)})["y"]
    assert scores.tolist() == [[1] + [-1] * 7 + [1] * 8]


def test_words_and_refusals() -> None:
    assert read_output("y:int8") == ("y", BakedOutput(code="int8"))
    for text, problem in (
        ("y:int8,topk=5", "int8: is of embeddings, and is given beside what is of classes. Change the values."),
        ("y:binary,axis=1", "binary: is of embeddings, and is given beside what is of classes. Change the values."),
    ):
        with pytest.raises(OptionError) as caught:
            read_output(text)
        assert str(caught.value) == f"--postprocess y: {problem}"
    with pytest.raises(OptionError) as caught:
        whole("binary", "N,12")
    assert str(caught.value) == (
        "--postprocess y: has shape [N, 12]: bits fill bytes where embeddings have a multiple of 8 numbers. "
        "Choose --postprocess y:int8."
    )
    with pytest.raises(OptionError) as caught:
        whole("int8", "12")
    assert str(caught.value) == "--postprocess y: has shape [12]: embeddings are its rows. Leave it out."
