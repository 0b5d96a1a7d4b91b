"""Operators that move elements: padding, slicing, resizing, indices that are computed."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


def _between_convs(node: str, *, opset: int = 17, inputs: str = "", **constants: np.ndarray) -> ir.Model:
    """a = Conv(x); `node` makes s of a; y = Conv(s)."""
    return model(
        f"""g (float[2,4,6,6] x{inputs}) => (float[N,4,H,W] y) {{
            a = Conv<pads=[1,1,1,1]>(x, w)
            {node}
            y = Conv(s, w)
        }}""",
        opset=opset,
        w=weights(4, 4, 3, 3),
        **constants,
    )


_PADS = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)


@awkward
def pad_zero() -> ir.Model:
    return _between_convs("s = Pad(a, pads)", pads=_PADS)


@awkward
def pad_zero_of_an_input() -> ir.Model:
    return model(
        "g (float[2,4,6,6] x) => (float[2,4,6,6] y) { s = Pad(x, pads, zero) \n y = Conv(s, w) }",
        w=weights(4, 4, 3, 3),
        pads=_PADS,
        zero=np.float32(0),
    )


@awkward
def pad_value() -> ir.Model:
    return _between_convs("s = Pad(a, pads, two)", pads=_PADS, two=np.float32(2))


@awkward
def pad_reflect() -> ir.Model:
    return _between_convs('s = Pad<mode="reflect">(a, pads)', pads=_PADS)


@awkward
def pad_negative() -> ir.Model:
    return _between_convs("s = Pad(a, pads)", pads=-_PADS)


@awkward
def pad_with_axes() -> ir.Model:
    return _between_convs(
        's = Pad(a, pads, "", axes)', opset=18, pads=np.array([1, 1, 2, 2], np.int64), axes=np.array([2, 3], np.int64)
    )


@awkward
def pad_read_twice() -> ir.Model:
    return model(
        """g (float[2,4,6,6] x) => (float[2,4,6,6] y, float[2,4,8,8] z) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Pad(a, pads)
            y = Conv(s, w)
            z = Tanh(s)
        }""",
        w=weights(4, 4, 3, 3),
        pads=_PADS,
    )


@awkward
def pad_by_the_caller() -> ir.Model:
    return _between_convs(
        "s = Pad(a, pads, value)", inputs=", int64[8] pads, float value", pads=_PADS, value=np.float32(0)
    )


@awkward
def resize_nearest() -> ir.Model:
    return _between_convs(
        's = Resize<mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric">(a, "", scales)',
        scales=np.array([1, 1, 2, 2], np.float32),
    )


@awkward
def resize_by_sizes() -> ir.Model:
    return _between_convs('s = Resize(a, "", "", sizes)', sizes=np.array([2, 4, 9, 9], np.int64))


@awkward
def resize_linear() -> ir.Model:
    return _between_convs('s = Resize<mode="linear">(a, "", scales)', scales=np.array([1, 1, 2, 2], np.float32))


@awkward
def resize_crop() -> ir.Model:
    """Beyond the crop it writes a value that need not be in the range seen."""
    return _between_convs(
        's = Resize<mode="nearest", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0>'
        '(a, roi, "", sizes)',
        roi=np.array([0, 0, 0, 0, 1, 1, 2, 2], np.float32),
        sizes=np.array([2, 4, 8, 8], np.int64),
    )


@awkward
def slice_by_the_caller() -> ir.Model:
    return _between_convs(
        "s = Slice(a, start, end, axes)",
        inputs=", int64[1] start",
        end=np.array([6], np.int64),
        axes=np.array([2], np.int64),
    )


@awkward
def gather_by_the_caller() -> ir.Model:
    return _between_convs("s = Gather<axis=1>(a, i)", inputs=", int64[4] i")


@awkward
def gather_by_a_computed_index() -> ir.Model:
    return _between_convs(
        """m = GlobalMaxPool(a)
           j = ArgMax<axis=1, keepdims=0>(m)
           k = Reshape(j, two)
           t = Concat<axis=0>(k, k)
           s = Gather<axis=1>(a, t)""",
        two=np.array([2], np.int64),
    )


@awkward
def flatten_into_gemm() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,5] y) {
            a = Conv(x, w)
            r = Relu(a)
            p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r)
            f = Flatten(p)
            y = Gemm(f, v, b)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(16, 5),
        b=weights(5),
    )


@awkward
def moved_before_a_float_reader() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,64] y) {
            a = Conv(x, w)
            p = Transpose<perm=[0,2,3,1]>(a)
            f = Flatten(p)
            y = Softmax(f)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def expand_and_squeeze() -> ir.Model:
    return model(
        """g (float[1,4,6,6] x) => (float[3,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            q = Squeeze(a, zero)
            u = Unsqueeze(q, zero)
            e = Expand(u, shape)
            y = Conv(e, w)
        }""",
        w=weights(4, 4, 3, 3),
        zero=np.array([0], np.int64),
        shape=np.array([3, 1, 1, 1], np.int64),
    )


@awkward
def depth_and_space() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            d = DepthToSpace<blocksize=2>(a)
            e = SpaceToDepth<blocksize=2>(d)
            y = Conv(e, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def moved_twice_from_one_value() -> ir.Model:
    """Two movers of one value meet again."""
    return model(
        """g (float[2,4,6,6] x) => (float[2,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            t = Transpose<perm=[0,1,3,2]>(a)
            s = Add(a, t)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def shuffle() -> ir.Model:
    return model(
        """g (float[2,4,6,6] x) => (float[2,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Reshape(a, apart)
            t = Transpose<perm=[0,2,1,3,4]>(r)
            s = Reshape(t, together)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
        apart=np.array([2, 2, 2, 6, 6], np.int64),
        together=np.array([2, 4, 6, 6], np.int64),
    )


@awkward
def integers_moved() -> ir.Model:
    """Data movement on values that are no floats."""
    return model(
        """g (int64[2,6] ids, float[2,6,4] x) => (float[2,6,4] y, int64[2,6] k) {
            r = Reshape(ids, shape)
            t = Transpose<perm=[1,0]>(r)
            u = Transpose<perm=[1,0]>(t)
            k = Reshape(u, shape)
            y = MatMul(x, w)
        }""",
        w=weights(4, 4),
        shape=np.array([2, 6], np.int64),
    )


@awkward
def pad_by_computed_axes() -> ir.Model:
    return model(
        """g (float[2,4,6,6] x, int64[2] axes) => (float[A,B,C,D] y) {
            a = Tanh(x)
            y = Pad(a, pads, "", axes)
        }""",
        opset=18,
        pads=np.array([1, 1, 2, 2], np.int64),
    )


@awkward
def space_to_depth_between_convs() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,3,3] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = SpaceToDepth<blocksize=2>(a)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 16, 1, 1),
    )
