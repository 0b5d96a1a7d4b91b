"""What TensorRT's parser asks of an operator beyond its types.

Source: onnx-tensorrt, docs/operators.md of TensorRT 10.15, column Restrictions (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from ...passes.edit import constant_scalar, is_constant

__all__ = ["restriction"]

_RESIZE = {
    "coordinate_transformation_mode": (
        *("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"),
    ),
    "mode": ("nearest", "linear"),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
    "keep_aspect_ratio_policy": ("stretch",),
}
_TOP_K = 3840


def restriction(node: ir.Node) -> str:
    """Why the parser does not import a node of an operator that it knows; "" where it does."""
    rule = _RULES.get(node.op_type)
    return "" if rule is None else rule(node)


def _pooling(node: ir.Node) -> str:
    shape = None if node.inputs[0] is None else node.inputs[0].shape
    if shape is not None and len(shape) not in (4, 5):
        return f"{node.op_type} over {len(shape) - 2} dimensions: 2 or 3 are imported"
    dilations = node.attributes.get_ints("dilations", ())
    if any(each != 1 for each in dilations):
        return f"{node.op_type} with dilations {list(dilations)}"
    if node.op_type == "MaxPool" and _is_read(node, 1):
        return "MaxPool whose Indices are read"
    return ""


def _recurrent(node: ir.Node) -> str:
    if node.attributes.get_string("direction", "forward") == "bidirectional":
        named = [str(each).lower() for each in node.attributes.get_strings("activations", ())]
        half = len(named) // 2
        if named[:half] != named[half:]:
            return f"{node.op_type} with other activations backward than forward"
    if node.op_type == "LSTM":
        for name in ("input_forget", "layout"):
            if node.attributes.get_int(name, 0):
                return f"LSTM with {name}"
    return ""


def _resize(node: ir.Node) -> str:
    for name, known in _RESIZE.items():
        found = node.attributes.get_string(name)
        if found is not None and found not in known:
            return f"Resize with {name} {found}; imported are {', '.join(known)}"
    if node.attributes.get_int("antialias", 0):
        return "Resize with antialias"
    return ""


def _attention(node: ir.Node) -> str:
    for index, name in ((4, "past_key"), (5, "past_value"), (6, "nonpad_kv_seqlen")):
        if len(node.inputs) > index and node.inputs[index] is not None:
            return f"Attention with {name}"
    for index, name in ((1, "present_key"), (2, "present_value"), (3, "qk_matmul_output")):
        if _is_read(node, index):
            return f"Attention whose {name} is read"
    if node.attributes.get_float("softcap", 0.0):
        return "Attention with softcap"
    for value in node.inputs[:4]:
        if value is not None and value.shape is not None and len(value.shape) != 4:
            return f"Attention over operands of {len(value.shape)} dimensions: 4 are imported"
    return ""


def _top_k(node: ir.Node) -> str:
    if not node.attributes.get_int("sorted", 1):
        return "TopK with sorted = 0"
    k = constant_scalar(node.inputs[1]) if len(node.inputs) > 1 else node.attributes.get_int("k", 1)
    return f"TopK with K = {k:.0f}: less than {_TOP_K} are imported" if k is not None and k >= _TOP_K else ""


def _scatter_nd(node: ir.Node) -> str:
    reduction = node.attributes.get_string("reduction", "none")
    return "" if reduction == "none" else f"ScatterND with reduction {reduction}"


def _layer_normalization(node: ir.Node) -> str:
    return "LayerNormalization whose Mean or InvStdDev is read" if _is_read(node, 1) or _is_read(node, 2) else ""


def _grid_sample(node: ir.Node) -> str:
    return _of_rank(node, 4)


def _of_rank(node: ir.Node, rank: int) -> str:
    shape = None if node.inputs[0] is None else node.inputs[0].shape
    if shape is not None and len(shape) != rank:
        return f"{node.op_type} of an input of {len(shape)} dimensions: {rank} are imported"
    return ""


def _training(node: ir.Node) -> str:
    return "BatchNormalization with training_mode" if node.attributes.get_int("training_mode", 0) else ""


def _dropout(node: ir.Node) -> str:
    mode = node.inputs[2] if len(node.inputs) > 2 else None
    return "" if mode is None or constant_scalar(mode) == 0 else "Dropout that trains, or may"


def _deform_conv(node: ir.Node) -> str:
    pads = node.attributes.get_ints("pads", ())
    half = len(pads) // 2
    if tuple(pads[:half]) != tuple(pads[half:]):
        return f"DeformConv with pads {list(pads)}, not the same on both sides"
    return ""


def _eye_like(node: ir.Node) -> str:
    shape = None if node.inputs[0] is None else node.inputs[0].shape
    known = shape is not None and all(isinstance(dim, int) for dim in shape)
    return "" if known else "EyeLike of an input whose shape is not known"


def _needs_constant(index: int, name: str) -> Callable[[ir.Node], str]:
    def rule(node: ir.Node) -> str:
        value = node.inputs[index] if len(node.inputs) > index else None
        return "" if value is None or is_constant(value) else f"{node.op_type} with {name} that is no constant"

    return rule


def _is_read(node: ir.Node, index: int) -> bool:
    if len(node.outputs) <= index:
        return False
    value = node.outputs[index]
    return bool(value.uses()) or value.is_graph_output()


_AXES = _needs_constant(1, "axes")
_REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"),
    *("ReduceSum", "ReduceSumSquare"),
)
_RULES: Mapping[str, Callable[[ir.Node], str]] = {
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pooling),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _recurrent),
    **dict.fromkeys((*_REDUCTIONS, "Squeeze", "Unsqueeze"), _AXES),
    "Attention": _attention,
    "BatchNormalization": _training,
    "CumSum": _needs_constant(1, "an axis"),
    "DeformConv": _deform_conv,
    "Dropout": _dropout,
    "EyeLike": _eye_like,
    "GridSample": _grid_sample,
    "LayerNormalization": _layer_normalization,
    "OneHot": _needs_constant(1, "a depth"),
    "Resize": _resize,
    "ScatterND": _scatter_nd,
    "TopK": _top_k,
}
