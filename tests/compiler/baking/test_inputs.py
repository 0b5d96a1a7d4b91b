"""Preprocessing inside a model against its equation, written out here pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.numerics import run

from edgec.compiler.baking.bake import bake
from edgec.compiler.baking.outside import pixels_of, preprocess, resize_bilinear
from edgec.compiler.baking.spec import BakedInput
from edgec.runtimes.base import TensorInfo

IMAGE = TensorInfo(name="image", dtype=np.dtype(np.float32), shape=("N", 3, 8, 10))
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def convolution(*, pads: int, layout: str = "nchw") -> ir.Model:
    """image → Conv(3×3) → y; behind a Transpose where the model takes [N, H, W, C]."""
    rng = np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w", (5, 3, 3, 3)), ("b", (5,)))
    ]
    shape = ["N", 3, 8, 10] if layout == "nchw" else ["N", 8, 10, 3]
    nodes = [onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", pads=[pads] * 4)]
    if layout == "nhwc":
        nodes.insert(0, onnx.helper.make_node("Transpose", ["image"], ["x"], name="turn", perm=[0, 3, 1, 2]))
    else:
        nodes[0].input[0] = "image"
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 5, 6 + 2 * pads, 8 + 2 * pads])],
        weights,
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return ir.from_proto(onnx.helper.make_model(graph, ir_version=9, opset_imports=opset))


def by_hand(pixels: np.ndarray, spec: BakedInput) -> np.ndarray:
    """(pixel * scale - mean) / std of every pixel, in Python's own numbers: [N, C, H, W]."""
    batch, rows, columns, channels = pixels.shape
    means, stds = (list(values) * (channels if len(values) == 1 else 1) for values in (spec.mean, spec.std))
    out = np.zeros((batch, channels, rows, columns))
    for n, row, column, channel in np.ndindex(pixels.shape):
        source = channels - 1 - channel if spec.swaps else channel
        value = float(pixels[n, row, column, source])
        out[n, channel, row, column] = (value * spec.scale - means[channel]) / stds[channel]
    return out


def ops(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize("pads", [0, 1])
@pytest.mark.parametrize(
    "spec",
    [
        BakedInput(**IMAGENET),
        BakedInput(mean=(0.5,), std=(0.5,), channels="bgr"),
        BakedInput(scale=1.0, mean=(128.0,), std=(64.0,)),
        BakedInput(layout="nchw", std=(0.2, 0.3, 0.4)),
        BakedInput(dtype="float32", mean=(0.1, 0.2, 0.3), channels="rgb", model_channels="bgr"),
    ],
    ids=["imagenet", "bgr", "whole", "std", "float"],
)
def test_the_model_answers_as_behind_the_equation(spec: BakedInput, pads: int) -> None:
    model = convolution(pads=pads)
    baking = bake(model, {"image": spec}, {}, {})
    baked, _ = baking.into(model)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 10, 3))
    given_pixels = pixels if spec.layout == "nhwc" else np.moveaxis(pixels, 3, 1)
    wanted = run(model, {"image": by_hand(pixels, spec).astype(np.float32)})["y"]
    found = run(baked, {"image": np.ascontiguousarray(given_pixels).astype(spec.dtype)})["y"]
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())
    onnx.checker.check_model(ir.to_proto(baked), full_check=True)


def test_a_model_of_last_channels_is_not_turned() -> None:
    model = convolution(pads=1, layout="nhwc")
    spec = BakedInput(**IMAGENET)
    baked, notes = bake(model, {"image": spec}, {}, {}).into(model)
    assert ops(baked) == ["Cast", "Mul", "Add", "Transpose", "Conv"]
    assert notes == ("input 'image' takes uint8 nhwc: mean and std are Mul and Add in float",)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 8, 10, 3)).astype(np.uint8)
    wanted = run(model, {"image": np.moveaxis(by_hand(pixels, spec), 1, 3).astype(np.float32)})["y"]
    np.testing.assert_allclose(run(baked, {"image": pixels})["y"], wanted, atol=2e-5 * np.abs(wanted).max())


def test_what_the_first_layer_takes_is_folded() -> None:
    cases = {
        # A mean cannot go into a layer that pads: a padded zero is not the pixel whose value is 0.
        (1, BakedInput(**IMAGENET)): ["Transpose", "Cast", "Mul", "Add", "Conv"],
        (0, BakedInput(**IMAGENET)): ["Transpose", "Cast", "Add", "Conv"],
        (1, BakedInput(std=(0.2, 0.3, 0.4))): ["Transpose", "Cast", "Conv"],
        # Left to the quantizer, which needs no folding: the bytes are the codes.
        (0, BakedInput(scale=1.0, mean=(128.0,), std=(64.0,))): ["Transpose", "Cast", "Mul", "Add", "Conv"],
    }
    for (pads, spec), wanted in cases.items():
        model = convolution(pads=pads)
        assert ops(bake(model, {"image": spec}, {}, {}).into(model)[0]) == wanted, spec


def test_the_model_given_stays_as_it_is() -> None:
    model = convolution(pads=0)
    before = ir.to_proto(model).SerializeToString()
    bake(model, {"image": BakedInput(**IMAGENET)}, {}, {}).into(model)
    assert ir.to_proto(model).SerializeToString() == before


def test_a_frame_is_resized_as_the_reference_says() -> None:
    model, spec = convolution(pads=1), BakedInput(frame=(13, 17), mean=(0.5,), std=(0.25,))
    baked, _ = bake(model, {"image": spec}, {}, {}).into(model)
    frame = np.random.default_rng(2).integers(0, 256, (2, 13, 17, 3)).astype(np.uint8)
    wanted = run(model, {"image": preprocess(frame, spec, IMAGE)})["y"]
    found = run(baked, {"image": frame})["y"]
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


def test_bilinear_by_hand() -> None:
    """4 → 2: centres 0.5 and 2.5; 2 → 4: centres -0.25, 0.25, 0.75, 1.25, the border repeated."""
    row = np.array([[[[0.0, 10.0, 20.0, 40.0]]]])
    np.testing.assert_allclose(resize_bilinear(row, 1, 2)[0, 0, 0], [5.0, 30.0])
    np.testing.assert_allclose(resize_bilinear(row[..., :2], 1, 4)[0, 0, 0], [0.0, 2.5, 7.5, 10.0])


@st.composite
def specs(draw: st.DrawFn) -> BakedInput:
    """Means and deviations within what pixels reach: far outside of it float32 keeps no byte."""
    scale = draw(st.sampled_from([1 / 255, 1.0, 1 / 128]))
    white, count = 255 * scale, draw(st.sampled_from([1, 3]))
    return BakedInput(
        layout=draw(st.sampled_from(["nhwc", "nchw"])),
        channels=draw(st.sampled_from(["rgb", "bgr"])),
        scale=scale,
        mean=tuple(white * draw(st.floats(-0.1, 1)) for _ in range(count)),
        std=tuple(white * draw(st.floats(0.05, 1)) for _ in range(count)),
    )


@settings(max_examples=25, deadline=None)
@given(spec=specs(), pads=st.sampled_from([0, 1]), seed=st.integers(0, 9))
def test_inside_is_outside(spec: BakedInput, pads: int, seed: int) -> None:
    model = convolution(pads=pads)
    baking = bake(model, {"image": spec}, {}, {})
    baked, _ = baking.into(model)
    shape = (1, 8, 10, 3) if spec.layout == "nhwc" else (1, 3, 8, 10)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    values = preprocess(pixels, spec, IMAGE)
    wanted, found = run(model, {"image": values})["y"], run(baked, {"image": pixels})["y"]
    np.testing.assert_allclose(found, wanted, atol=5e-5 * max(np.abs(wanted).max(), np.abs(values).max()))


@settings(max_examples=50, deadline=None)
@given(spec=specs(), seed=st.integers(0, 9))
def test_bytes_come_back_exactly(spec: BakedInput, seed: int) -> None:
    shape = (2, 8, 10, 3) if spec.layout == "nhwc" else (2, 3, 8, 10)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    found = pixels_of(preprocess(pixels, spec, IMAGE), spec, IMAGE)
    assert found is not None
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)


def test_what_is_no_byte_has_none() -> None:
    spec = BakedInput(mean=(0.5,), std=(0.5,))
    halves = np.full((1, 3, 8, 10), 100.5 / 127.5 - 1, np.float32)
    assert pixels_of(halves, spec, IMAGE) is None
    assert pixels_of(np.full((1, 3, 8, 10), 1.01, np.float32), spec, IMAGE) is None
    assert pixels_of(np.full((1, 3, 8, 10), math.nan, np.float32), spec, IMAGE) is None
    assert pixels_of(np.zeros((1, 3, 8, 10), np.float32), BakedInput(frame=(8, 10)), IMAGE) is None
