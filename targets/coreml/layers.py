"""Pools, norms, reductions, Softmax, LRN: pool_, normalization_, batch_norm_, reduction_, argmax_, …_op_builder.cc."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import FLOATS, Asked, Builder, dtypes_of
from .resize import resize

__all__ = ["LAYERS"]


def _pool(asked: Asked) -> Verdict:
    op, shape = asked.node.op_type, asked.shape(0)
    if shape is None or len(shape) != 4:
        rank = "unknown" if shape is None else len(shape)
        return refused(f"{op} is of {rank} dimensions, taken are 4", "Unsqueeze before it, Squeeze behind")
    if op not in ("AveragePool", "MaxPool"):
        return SUPPORTED
    if asked.integer("storage_order", 0) == 1:
        return refused("storage_order 1 of MaxPool is not taken")
    if len(asked.integers("kernel_shape") or (1, 1)) != 2:
        return refused(f"{op} has a kernel of other than 2 dimensions")
    if not asked.options.mlprogram and asked.integer("ceil_mode", 0) == 1:
        return refused(f"ceil_mode 1 of {op} is not taken in NeuralNetwork format", "MLProgram format")
    if set(asked.integers("dilations") or (1,)) != {1}:
        return refused(f"{op} has dilations")
    if len(asked.node.outputs) != 1:
        return refused("MaxPool answers indices, too")
    return SUPPORTED


def _norm_inputs(asked: Asked) -> Verdict:
    if any(asked.has(index) and asked.dtype(index) != asked.dtype(0) for index in (1, 2)):
        return refused(
            f"scale or bias of {asked.node.op_type} has another type than its input", "store it in that type"
        )
    return dtypes_of(asked, FLOATS)


def _norm(asked: Asked) -> Verdict:
    op = asked.node.op_type
    if len(asked.node.outputs) != 1:
        return refused(f"{op} answers mean or deviation, too")
    if asked.shape(0) is None:
        return refused(f"the shape of the input of {op} is not known")
    if op != "InstanceNormalization" and asked.integer("stash_type", 1) != 1:
        return refused(f"stash_type of {op} is {asked.integer('stash_type', 1)}, taken is 1")
    for index, name in ((1, "scale"), (2, "bias")):
        if (asked.has(index) or index == 1) and not asked.is_constant(index):
            return refused(f"{name} of {op} is not constant", "Mul and Add behind it, by constants of 1 and 0")
    return SUPPORTED


def _batch_norm(asked: Asked) -> Verdict:
    if len(asked.node.outputs) != 1:
        return refused("BatchNormalization is in training mode")
    shape = asked.shape(0)
    if shape is None or len(shape) != 4:
        rank = "unknown" if shape is None else len(shape)
        return refused(f"BatchNormalization is of {rank} dimensions, taken are 4", "Mul and Add")
    if asked.integer("spatial", 1) != 1:
        return refused("BatchNormalization has spatial 0")
    for index, name in enumerate(("scale", "B", "mean", "var"), start=1):
        if not asked.is_constant(index):
            return refused(f"{name} of BatchNormalization is not constant")
    return SUPPORTED


def _reduce(asked: Asked) -> Verdict:
    if asked.has(1) and not asked.is_constant(1):
        return refused(f"axes of {asked.node.op_type} are not constant")
    axes = asked.constant(1)
    empty = axes is None or not axes.size
    if empty and asked.integer("noop_with_empty_axes", 0) and not asked.options.mlprogram:
        return refused(f"{asked.node.op_type} of no axes does nothing, which NeuralNetwork format does not say")
    return SUPPORTED


def _arg_max(asked: Asked) -> Verdict:
    if asked.integer("select_last_index", 0):
        return refused("select_last_index of ArgMax is not taken")
    readers = [node for node, _ in asked.node.outputs[0].uses()]
    fused = any(each.op_type == "Cast" and each.attributes.get_int("to", 0) == ir.DataType.INT32 for each in readers)
    if not asked.options.mlprogram and len(readers) > 1 and fused:
        return refused("ArgMax is read by a Cast to INT32 and by others in NeuralNetwork format", "MLProgram format")
    return SUPPORTED


def _softmax(asked: Asked) -> Verdict:
    shape = asked.shape(0)
    if shape is None:
        return refused("the shape of the input of Softmax is not known")
    if asked.since < 13 and None in shape:
        return refused("Softmax before operator set 13 takes a static shape", "fix the model's shapes")
    return SUPPORTED


def _lrn(asked: Asked) -> Verdict:
    rank = len(asked.shape(0) or ())
    return SUPPORTED if rank in (3, 4) else refused(f"LRN is of {rank} dimensions, taken are 3 and 4")


def _grid_sample(asked: Asked) -> Verdict:
    shape, mode = asked.shape(0), asked.text("mode", "linear")
    if shape is None or len(shape) != 4:
        return refused("GridSample takes 4 dimensions")
    if mode not in ("linear", "bilinear"):
        return refused(f"mode {mode} of GridSample is not taken, linear is")
    if asked.text("padding_mode", "zeros") == "reflection" and not asked.integer("align_corners", 0):
        return refused("GridSample reflects without align_corners")
    return SUPPORTED


_NORM = Builder(takes=_norm, inputs=_norm_inputs, neural=False)

LAYERS: Mapping[str, Builder] = {
    **dict.fromkeys(("AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool"), Builder(takes=_pool)),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization", "LayerNormalization"), _NORM),
    "BatchNormalization": Builder(takes=_batch_norm, least=7),
    **dict.fromkeys(("ReduceMean", "ReduceSum"), Builder(takes=_reduce)),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceProd"), Builder(takes=_reduce, neural=False)),
    "ArgMax": Builder(takes=_arg_max),
    "Softmax": Builder(takes=_softmax),
    "LRN": Builder(takes=_lrn, program=False),
    "Resize": Builder(takes=resize, least=11, empty_inputs=True),
    "GridSample": Builder(takes=_grid_sample, neural=False),
}
