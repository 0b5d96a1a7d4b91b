"""Operators that multiply and add: conv_, convtranspose_, gemm_op_builder.cc."""

from __future__ import annotations

from collections.abc import Mapping

from ..support import SUPPORTED, Verdict, refused
from .asked import FLOATS, Asked, Builder, Shape, dtypes_of, shape_of

__all__ = ["PRODUCTS"]

# Largest dimension of what a convolution reads, writes and holds.
_LARGEST = 16384
# Activations a FusedConv may carry, and their parameters.
_FUSED = {"Relu": 0, "Sigmoid": 0, "Tanh": 0, "LeakyRelu": 1, "Clip": 2, "HardSigmoid": 2}


def _conv(asked: Asked) -> Verdict:
    if not asked.is_constant(1) and not asked.options.mlprogram:
        return refused("the weight of Conv is not constant", "MLProgram format")
    w, x, y = asked.shape(1), asked.shape(0), shape_of(asked.node.outputs[0])
    for name, shape in (("weight", w), ("input", x), ("output", y)):
        if shape is None:
            return refused(f"the shape of the {name} of Conv is not known")
    for shape in (w, x, y):
        if (verdict := _within(shape)) is not SUPPORTED:
            return verdict
    assert w is not None
    if len(w) not in (3, 4):
        return refused(f"Conv is {len(w) - 2}D, taken are 1D and 2D")
    if asked.has(2) and not asked.is_constant(2):
        return refused("the bias of Conv is not constant", "Add behind it")
    if asked.text("auto_pad", "NOTSET") == "SAME_LOWER" and asked.options.mlprogram and asked.options.version < 6:
        return refused(f"auto_pad SAME_LOWER needs CoreML 6, this is {asked.options.version}", "explicit pads")
    return _kernel(asked, w)


def _fused_conv(asked: Asked) -> Verdict:
    if asked.has(3):
        return refused("FusedConv adds a fourth input", "Conv and Add")
    if not (verdict := dtypes_of(asked, FLOATS)).supported:
        return verdict
    activation = asked.text("activation", "")
    if activation not in _FUSED:
        return refused(f"FusedConv has activation {activation or 'none'}, taken are {', '.join(_FUSED)}")
    given = asked.node.attributes.get_floats("activation_params", ()) or ()
    if len(given) != _FUSED[activation]:
        return refused(f"FusedConv has {len(given)} activation_params, {activation} has {_FUSED[activation]}")
    return _conv(asked)


def _conv_transpose(asked: Asked) -> Verdict:
    x, w = asked.shape(0), asked.shape(1)
    if x is None or w is None:
        return refused("the shape of input or weight of ConvTranspose is not known")
    if not asked.is_constant(1):
        return refused("the weight of ConvTranspose is not constant")
    if asked.has(2) and not asked.is_constant(2):
        return refused("the bias of ConvTranspose is not constant", "Add behind it")
    for shape in (w, x):
        if (verdict := _within(shape)) is not SUPPORTED:
            return verdict
    auto_pad = asked.text("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        return refused(f"auto_pad {auto_pad} of ConvTranspose is not taken", "explicit pads")
    pads = asked.integers("pads") or (0,)
    if auto_pad == "NOTSET" and len(set(pads)) > 1:
        return refused(f"pads {list(pads)} of ConvTranspose are not all the same", "pads of 0, and Slice behind it")
    if not (verdict := _kernel(asked, w)).supported:
        return verdict
    if asked.integers("output_shape") is not None:
        return refused("output_shape of ConvTranspose is not taken", "explicit pads")
    if any(asked.integers("output_padding") or ()):
        return refused("output_padding of ConvTranspose is not taken", "Pad behind it")
    return SUPPORTED


def _gemm(asked: Asked) -> Verdict:
    if asked.shape(0) is None or (b := asked.shape(1)) is None:
        return refused("the shape of A or B of Gemm is not known")
    if not asked.is_constant(1):
        return refused("B of Gemm is not constant", "MatMul and Add" if asked.options.mlprogram else "")
    alpha, beta = asked.number("alpha", 1.0), asked.number("beta", 1.0)
    if asked.integer("transA", 0) or alpha != 1.0 or beta != 1.0:
        found = f"transA {asked.integer('transA', 0)}, alpha {alpha:g}, beta {beta:g}"
        return refused(f"Gemm has {found}, taken are 0, 1 and 1", "alpha and beta in B and C, Transpose before it")
    if not asked.has(2):
        return SUPPORTED
    if not asked.is_constant(2):
        return refused("C of Gemm is not constant", "Add behind it")
    c, n = asked.shape(2), b[0 if asked.integer("transB", 0) else 1]
    if c not in ((), (1,), (n,), (1, n)):
        return refused(f"C of Gemm has shape {list(c or ())}, taken are [], [1], [{n}], [1, {n}]", "Add behind it")
    return SUPPORTED


def _matmul(asked: Asked) -> Verdict:
    a, b = asked.shape(0), asked.shape(1)
    if a is None or b is None:
        return refused("the shape of A or B of MatMul is not known")
    if asked.options.mlprogram:
        if (len(a) == 1) != (len(b) == 1):
            return refused("one operand of MatMul has one dimension, the other more", "Unsqueeze it, Squeeze behind")
        return SUPPORTED
    if not asked.is_constant(1):
        return refused("B of MatMul is not constant", "MLProgram format")
    if len(a) != 2 or len(b) != 2:
        return refused(f"MatMul is of {len(a)} and {len(b)} dimensions, taken are 2 and 2", "Reshape before and behind")
    return SUPPORTED


def _kernel(asked: Asked, weight: Shape) -> Verdict:
    kernel = asked.integers("kernel_shape")
    if kernel is not None and kernel != weight[2:]:
        return refused(f"kernel_shape {list(kernel)} is not that of the weight")
    return SUPPORTED


def _within(shape: Shape | None) -> Verdict:
    largest = max((dim or 0 for dim in shape or ()), default=0)
    if largest > _LARGEST:
        return refused(f"a dimension of {largest} exceeds CoreML's limit for convolutions, {_LARGEST}")
    return SUPPORTED


PRODUCTS: Mapping[str, Builder] = {
    "Conv": Builder(takes=_conv),
    "FusedConv": Builder(takes=_fused_conv, neural=False),
    "ConvTranspose": Builder(takes=_conv_transpose, neural=False),
    "Gemm": Builder(takes=_gemm),
    "MatMul": Builder(takes=_matmul),
}
