"""Laws of scale, zero point and rounding, on any numbers; ONNX Runtime's kernels agree bit for bit."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from support.numerics import run

from edgec.passes.quantize.params import (
    bias_params,
    dequantize,
    from_range,
    grid_step,
    of_tensor,
    quantize,
    widen_for_bias,
)
from edgec.passes.spec import Granularity, PerAxis, PerBlock, PerTensor, QuantParams, QuantSpec

laws = settings(derandomize=True, max_examples=150, deadline=None)

# Magnitudes of real weights and activations, subnormal ones included; float32 exactly.
reals = st.floats(-1e6, 1e6, width=32)
asymmetric = st.sampled_from(["uint8", "int8", "uint16", "int16", "uint4", "int4"])
SPECS = [
    *(QuantSpec(dtype=dtype, symmetric=False) for dtype in ("uint8", "int8", "uint16", "int16", "uint4", "int4")),
    *(QuantSpec(dtype=dtype, symmetric=True) for dtype in ("int8", "int16", "int4")),
    QuantSpec(dtype="int8", symmetric=True, reduce_range=True),
    QuantSpec(dtype="uint8", symmetric=False, reduce_range=True),
]
specs = st.sampled_from(SPECS)


def tensors(min_dims: int = 1) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, array_shapes(min_dims=min_dims, max_dims=4, max_side=5), elements=reals)


def reference(spec: QuantSpec, low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of a range by the textbook, in plain Python floats.

    Symmetric: a = max(|low|, |high|) goes to the largest code. Asymmetric: the range, widened to hold 0, is cut into
    as many steps as there are codes less one, and the zero point is where 0 falls, rounded half to even.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if spec.symmetric:
        return max(-low, high) / spec.qmax, 0
    scale = (high - low) / (spec.qmax - spec.qmin)
    return scale, min(max(round(spec.qmin - low / scale), spec.qmin), spec.qmax)


def granular(granularity: Granularity, dtype: str = "int8") -> QuantSpec:
    return QuantSpec(dtype=dtype, granularity=granularity, symmetric=True)


@laws
@given(specs, reals, reals)
def test_scale_and_zero_point_are_the_textbook_s(spec: QuantSpec, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(max(abs(low), abs(high)) > 1e-30)
    params = from_range(spec, np.float32(low), np.float32(high))
    scale, zero = reference(spec, low, high)
    assert params.scale.dtype == np.float32
    assert params.scale == pytest.approx(scale, rel=2**-23)
    # Where 0 falls exactly between two codes, the last bit of the scale decides.
    assert abs(int(params.zero_point) - zero) <= (abs((low / scale) % 1 - 0.5) < 1e-3)


@laws
@given(specs, tensors())
def test_what_is_in_the_range_moves_half_a_step_at_most(spec: QuantSpec, x: np.ndarray) -> None:
    params = of_tensor(spec, x)
    moved = np.abs(dequantize(quantize(x, params), params).astype(np.float64) - x)
    # Beyond half a step only by the rounding of float32 itself.
    assert np.all(moved <= 0.5 * params.scale * (1 + 1e-3) + np.abs(x) * 2**-22)


@laws
@given(specs, tensors())
def test_zero_is_exact(spec: QuantSpec, x: np.ndarray) -> None:
    params = of_tensor(spec, x)
    zeros = np.zeros(3, np.float32)
    assert np.array_equal(dequantize(quantize(zeros, params), params), zeros)
    assert np.all(quantize(zeros, params) == params.zero_point)


@laws
@given(specs, tensors())
def test_a_second_time_changes_nothing(spec: QuantSpec, x: np.ndarray) -> None:
    params = of_tensor(spec, x)
    once = dequantize(quantize(x, params), params)
    assert np.array_equal(dequantize(quantize(once, params), params), once)


@laws
@given(specs, tensors())
def test_order_is_kept(spec: QuantSpec, x: np.ndarray) -> None:
    params = of_tensor(spec, x)
    assert np.all(np.diff(quantize(np.sort(x.reshape(-1)), params).astype(np.int64)) >= 0)


@laws
@given(specs, tensors(), st.floats(1.5, 1e6))
def test_what_is_beyond_the_range_saturates(spec: QuantSpec, x: np.ndarray, far: float) -> None:
    params = of_tensor(spec, x)
    reach = np.float32(far * (spec.qmax - spec.qmin)) * params.scale
    assume(np.isfinite(reach))
    assert quantize(np.array([-reach, reach], np.float32), params).tolist() == [spec.qmin, spec.qmax]


@laws
@given(asymmetric, st.booleans(), reals, reals)
def test_both_ends_of_a_range_are_extreme_codes(dtype: str, reduced: bool, a: float, b: float) -> None:
    """What lets saturation do the work of a clamp whose bounds are the ends of the range."""
    spec = QuantSpec(dtype=dtype, symmetric=False, reduce_range=reduced)
    low, high = np.float32(min(a, b, 0.0)), np.float32(max(a, b, 0.0))
    assume(high - low > 1e-30)
    params = from_range(spec, low, high)
    # Exactly half a step, above an even code, rounds down on both sides; nothing can be done about that.
    assume(abs((float(low) / float(params.scale)) % 1 - 0.5) > 1e-4 or a == -b)
    codes = quantize(np.array([low, high]), params).tolist()
    assert codes == [spec.qmin, spec.qmax]


@pytest.mark.parametrize("bound", [1.0, 0.1, 0.3, 1 / 3, 6.0, 127.0, 1e-3, 1.0000001])
def test_equal_halves_are_extreme_codes(bound: float) -> None:
    spec = QuantSpec(dtype="uint8", symmetric=False)
    ends = np.array([-bound, bound], np.float32)
    assert quantize(ends, from_range(spec, ends[0], ends[1])).tolist() == [0, 255]


@laws
@given(st.sampled_from([spec for spec in SPECS if spec.symmetric]), tensors())
def test_symmetric_means_zero_point_zero_and_mirrored_codes(spec: QuantSpec, x: np.ndarray) -> None:
    params = of_tensor(spec, x)
    assert not params.zero_point.any()
    assert np.array_equal(quantize(-x, params), -quantize(x, params))


@laws
@given(tensors(min_dims=2), st.data())
def test_per_axis_is_per_tensor_on_every_slice(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    assume(grid_step(x) is None)
    params = of_tensor(granular(PerAxis(axis=axis)), x)
    assert params.scale.shape == params.zero_point.shape == (x.shape[axis],)
    codes = quantize(x, params)
    for index in range(x.shape[axis]):
        part = x.take(index, axis=axis)
        assume(grid_step(part) is None)
        alone = of_tensor(granular(PerTensor()), part)
        assert params.scale[index] == alone.scale
        assert np.array_equal(codes.take(index, axis=axis), quantize(part, alone))


@laws
@given(tensors(min_dims=2), st.integers(2, 4), st.data())
def test_per_block_is_per_tensor_on_every_block(x: np.ndarray, size: int, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, x.ndim - 1))
    params = of_tensor(granular(PerBlock(axis=axis, size=size), "int4"), x)
    blocks = -(-x.shape[axis] // size)
    assert params.scale.shape == (*x.shape[:axis], blocks, *x.shape[axis + 1 :])
    codes = quantize(x, params)
    assert codes.shape == x.shape
    for place in np.ndindex(*params.scale.shape):
        cut = tuple(slice(k * size, (k + 1) * size) if d == axis else k for d, k in enumerate(place))
        alone = of_tensor(granular(PerTensor(), "int4"), x[cut])
        assert params.scale[place] == alone.scale
        assert np.array_equal(codes[cut].astype(np.int8), quantize(x[cut], alone).astype(np.int8))


@laws
@given(
    arrays(np.int32, st.tuples(st.integers(2, 5), st.integers(16, 20)), elements=st.integers(-127, 127)),
    st.floats(2.0**-20, 2.0**10, width=32),
    st.booleans(),
)
def test_weights_that_were_integers_stay_those_integers(codes: np.ndarray, step: float, per_channel: bool) -> None:
    """What an earlier quantization left is stored without any error, not rounded a second time."""
    x = (codes * np.float32(step)).astype(np.float32)
    params = of_tensor(granular(PerAxis(axis=0) if per_channel else PerTensor()), x)
    assume(grid_step(x) is not None)
    assert np.allclose(dequantize(quantize(x, params), params), x, rtol=2**-20, atol=0)


def test_a_grid_is_seen_where_there_is_one() -> None:
    codes = np.random.default_rng(0).integers(-127, 128, (4, 64))
    codes[:, 0] = 127
    assert grid_step((codes * np.float32(0.013)).astype(np.float32)) == pytest.approx(0.013, rel=1e-6)
    assert grid_step(np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)) is None
    assert grid_step(np.zeros((4, 64), np.float32)) is None


@laws
@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.just(9)), elements=st.floats(-1e3, 1e3, width=32)),
    st.floats(2**-30, 1e4, width=32),
    st.data(),
)
def test_every_bias_fits_and_leaves_room_for_the_sum(weight: np.ndarray, reach: float, data: st.DataObject) -> None:
    bias = data.draw(arrays(np.float32, weight.shape[:1], elements=st.floats(-(2.0**100), 2.0**100, width=32)))
    activation = from_range(QuantSpec(dtype="uint8", symmetric=False), np.float32(-reach), np.float32(reach))
    per_channel = of_tensor(granular(PerAxis(axis=0)), weight)
    widened = widen_for_bias(per_channel, activation, bias)
    assume(np.isfinite(widened.scale).all())
    assert np.all(widened.scale >= per_channel.scale)
    params = bias_params(activation, widened)
    assume(np.all(params.scale >= np.finfo(np.float32).tiny) and np.isfinite(params.scale).all())
    codes = quantize(bias, params)
    assert codes.dtype == np.int32
    assert np.abs(codes.astype(np.int64)).max() <= 2**30 + 2**10
    moved = np.abs(codes * params.scale.astype(np.float64) - bias)
    assert np.all(moved <= 0.5 * params.scale * (1 + 1e-6))


@laws
@given(tensors(min_dims=2))
def test_a_bias_that_fits_leaves_the_weights_alone(weight: np.ndarray) -> None:
    params = of_tensor(granular(PerAxis(axis=0)), weight)
    activation = from_range(QuantSpec(dtype="uint8", symmetric=False), np.float32(0), np.float32(6))
    unchanged = widen_for_bias(params, activation, np.zeros(weight.shape[0], np.float32))
    assert np.array_equal(unchanged.scale, params.scale)


def test_a_bias_beyond_float32_keeps_its_sign() -> None:
    """2**31 - 1 is no float32: rounded up it would wrap around to the most negative integer."""
    params = QuantParams(
        spec=QuantSpec(dtype="int32", symmetric=True), scale=np.float32(1), zero_point=np.zeros((), np.int32)
    )
    codes = quantize(np.array([2.0**31, 3e9, -3e9, 2.0**24 + 2], np.float32), params)
    assert codes.tolist() == [2**31 - 1, 2**31 - 1, -(2**31 - 1), 2**24 + 2]


def test_per_tensor_weights_widen_for_the_largest_bias() -> None:
    weight = of_tensor(granular(PerTensor()), np.full((2, 2), 1e-9, np.float32))
    activation = from_range(QuantSpec(dtype="uint8", symmetric=False), np.float32(0), np.float32(1))
    widened = widen_for_bias(weight, activation, np.array([1.0, -40.0], np.float32))
    assert widened.scale.shape == ()
    assert quantize(np.array([1.0, -40.0], np.float32), bias_params(activation, widened))[1] == -(2**30)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.dtype}{'s' * spec.symmetric}{'r' * spec.reduce_range}")
def test_a_range_without_width_loses_nothing(spec: QuantSpec) -> None:
    params = from_range(spec, np.float32(0), np.float32(0))
    assert float(params.scale) == 1.0
    tiny = from_range(spec, np.float32(0), np.float32(1e-44))
    assert np.isfinite(np.float32(1e-44) / tiny.scale)


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        (QuantSpec(dtype="uint8", symmetric=False), (0, 255)),
        (QuantSpec(dtype="int8", symmetric=False), (-128, 127)),
        (QuantSpec(dtype="int8", symmetric=True), (-127, 127)),
        (QuantSpec(dtype="int8", symmetric=True, reduce_range=True), (-63, 63)),
        (QuantSpec(dtype="uint8", symmetric=False, reduce_range=True), (0, 127)),
        (QuantSpec(dtype="int4", symmetric=True), (-7, 7)),
        (QuantSpec(dtype="int16", symmetric=True), (-32767, 32767)),
    ],
)
def test_codes_of_a_spec(spec: QuantSpec, codes: tuple[int, int]) -> None:
    assert (spec.qmin, spec.qmax) == codes


def test_a_spec_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"^symmetric: uint8 has no negative half; symmetric needs a signed dtype$"):
        QuantSpec(dtype="uint8", symmetric=True)
    with pytest.raises(ValueError, match=r"^dtype: 'int9' is not one of int4, uint4, int8, .*, int32$"):
        QuantSpec(dtype="int9", symmetric=True)
    with pytest.raises(ValueError, match=r"^PerBlock\(size=1\): a block holds at least 2 elements$"):
        PerBlock(axis=0, size=1)


def runtime(op: str, x: np.ndarray, params: QuantParams) -> np.ndarray:
    """What ONNX Runtime's kernel makes of it."""
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.from_numpy(x.dtype)), shape=ir.Shape(x.shape))
    constants = [
        ir.Value(name=name, const_value=ir.Tensor(array, dtype=kind, name=name))
        for name, array, kind in (
            ("scale", params.scale, ir.DataType.FLOAT),
            ("zero", params.zero_point, params.spec.onnx_dtype),
        )
    ]
    axis = params.spec.granularity.axis if isinstance(params.spec.granularity, PerAxis) else 1
    node = ir.node(op, [value, *constants], {"axis": axis} if params.scale.ndim else {})
    node.outputs[0].name = "y"
    node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT if op[0] == "D" else params.spec.onnx_dtype)
    graph = ir.Graph([value], node.outputs, nodes=[node], initializers=constants, opset_imports={"": 21}, name="g")
    return run(ir.Model(graph, ir_version=10), {"x": x})["y"]


@settings(laws, max_examples=60)
@given(
    st.sampled_from([QuantSpec(dtype=dtype, symmetric=False) for dtype in ("uint8", "int8", "uint16", "int16")]),
    tensors(),
    st.floats(0.25, 4),
)
def test_quantize_is_onnx_runtime_s_bit_for_bit(spec: QuantSpec, x: np.ndarray, stretch: float) -> None:
    """On numbers inside and outside the range, and on exact halves of a step."""
    params = of_tensor(spec, x)
    halves = (np.arange(-40, 40, dtype=np.float32) + np.float32(0.5)) * params.scale
    y = np.concatenate([(x * np.float32(stretch)).reshape(-1), halves])
    codes = quantize(y, params)
    assert np.array_equal(codes, runtime("QuantizeLinear", y, params))
    assert np.array_equal(dequantize(codes, params), runtime("DequantizeLinear", codes, params))


@settings(laws, max_examples=30)
@given(tensors(min_dims=2), st.integers(0, 1))
def test_per_axis_is_onnx_runtime_s_bit_for_bit(x: np.ndarray, axis: int) -> None:
    # ONNX Runtime's own range of int8 reaches -128; symmetric weights never do.
    params = of_tensor(granular(PerAxis(axis=axis)), x)
    codes = quantize(x, params)
    assert np.array_equal(codes, runtime("QuantizeLinear", x, params))
    assert np.array_equal(dequantize(codes, params), runtime("DequantizeLinear", codes, params))


@settings(laws, max_examples=60)
@given(st.sampled_from(["uint8", "int8"]), st.booleans(), reals, reals)
def test_scales_are_those_of_onnx_runtime_s_quantizer(dtype: str, symmetric: bool, a: float, b: float) -> None:
    from onnxruntime.quantization.quant_utils import compute_scale_zp

    assume(not (symmetric and dtype == "uint8") and max(abs(a), abs(b)) > 1e-30)
    spec = QuantSpec(dtype=dtype, symmetric=symmetric)
    low, high = np.float32(min(a, b)), np.float32(max(a, b))
    params = from_range(spec, low, high)
    zero, scale = compute_scale_zp(low, high, np.array(spec.qmin), np.array(spec.qmax), symmetric=symmetric)
    assert float(params.scale) == pytest.approx(float(scale), rel=2**-22)
    assert abs(int(params.zero_point) - int(zero)) <= 1
