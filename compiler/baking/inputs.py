"""Preprocessing as nodes in front of a model: bytes → Transpose → Gather → Cast → Resize → Mul → Add.

x = (pixel * scale - mean) / std = a * pixel + b, channel by channel:

1. One a and one b for all channels, b / a whole: the bytes are the codes of x, and where the first layer runs in
   integers it reads them as they come (`whole_bytes.py`); Cast, Mul and Add are gone.
2. Where only convolutions with constant weights read the image, they take a, and b too where they pad nothing: a
   padded zero is a zero of x, not of the pixel.
3. Else Mul and Add stay, in float: exact, and little beside the convolution behind them.

Exact up to float32 rounding. Transpose and Gather move bytes, before they are floats of four times the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ...passes.edit import add_initializer, constant_array, fresh_name, is_op, rewire, value_names
from ...runtimes.base import TensorInfo
from .site import baked_info, channel_axis
from .spec import BakedInput

__all__ = ["bake_input"]

# Of a byte: what is less is the rounding of the numbers as they were written.
_NOTHING = 1e-4


def bake_input(graph: ir.Graph, spec: BakedInput, info: TensorInfo) -> str:
    """Write the steps in front of an input, whose name stays.

    Args:
        graph: Changed in place.
        spec: The steps.
        info: The input as it is; `check_input` found nothing to object to.

    Returns:
        What was done with the numbers, for people.
    """
    return _Baking(graph, spec, info).bake()


class _Baking:
    """The nodes written so far, and the value they end in."""

    def __init__(self, graph: ir.Graph, spec: BakedInput, info: TensorInfo) -> None:
        self._graph, self._spec, self._info = graph, spec, info
        self._taken = value_names(graph) | {node.name for node in graph if node.name}
        self._input = next(value for value in graph.inputs if value.name == info.name)
        self._uses = tuple(self._input.uses())
        self._axis = channel_axis(info)
        self._written: list[ir.Node] = []
        self._value = self._input

    def bake(self) -> str:
        spec, info, taken = self._spec, self._info, baked_info(self._info, self._spec)
        self._input.type = ir.TensorType(ir.DataType.from_numpy(taken.dtype))
        self._input.shape = ir.Shape(taken.shape)
        outside = 3 if spec.layout == "nhwc" else 1
        if outside != self._axis:
            order = (0, 3, 1, 2) if outside == 3 else (0, 2, 3, 1)
            self._write("Transpose", shape=[taken.shape[k] for k in order], perm=order)
        if spec.swaps:
            self._write("Gather", self._constant("channels", np.asarray([2, 1, 0], np.int64)), axis=self._axis)
        if spec.dtype == "uint8":
            self._write("Cast", dtype=ir.DataType.FLOAT, to=int(ir.DataType.FLOAT))
        if spec.frame is not None:
            ratios = self._constant("ratios", self._ratios(spec.frame))
            centres: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            self._write("Resize", None, ratios, shape=[taken.shape[0], *info.shape[1:]], **centres)
        said = self._affine()
        if info.dtype == np.float16:
            self._write("Cast", dtype=ir.DataType.FLOAT16, to=int(ir.DataType.FLOAT16))
        first = next(iter(self._graph), None)
        if first is None:
            self._graph.extend(self._written)
        else:
            self._graph.insert_before(first, self._written)
        rewire(self._uses, self._value)
        for index, output in enumerate(self._graph.outputs):
            if output is self._input:  # a model that answers what it was given
                self._graph.outputs[index] = self._value
        return said

    @property
    def _channels(self) -> int:
        channels = self._info.shape[self._axis]
        assert isinstance(channels, int)
        return channels

    def _ratios(self, frame: tuple[int, int]) -> np.ndarray:
        """Of every axis, 1 for the batch: their products with the frame, rounded down, are the model's size."""
        ratios = np.ones(4, np.float32)
        for axis, old in zip((2, 3) if self._axis == 1 else (1, 2), frame, strict=True):
            size = self._info.shape[axis]
            assert isinstance(size, int)
            ratios[axis] = size / old
            while int(ratios[axis] * np.float32(old)) < size:
                ratios[axis] = np.nextafter(ratios[axis], np.float32(np.inf))
        return ratios

    def _affine(self) -> str:
        """Leave to the bytes, fold or write x = a * pixel + b."""
        spec = self._spec
        mean, std = (np.broadcast_to(np.asarray(v, np.float64), self._channels) for v in (spec.mean, spec.std))
        gain, shift = spec.scale / std, -mean / std
        bytes_ = spec.dtype == "uint8" and spec.frame is None
        zeros = mean / spec.scale
        whole = abs(zeros[0] - round(zeros[0])) <= _NOTHING and 0 <= round(zeros[0]) <= 255
        if bytes_ and np.ptp(gain) == 0 and np.ptp(shift) == 0 and whole:
            self._numbers(gain, shift)
            return "its bytes are the codes of what the model reads"
        if self._foldable(shifted=bool(shift.any())):
            # Near their mean: less is lost where weights are rounded.
            zero = float(np.clip(np.round(zeros.mean()), 0, 255)) if bytes_ else 0.0
            self._numbers(np.ones(1), np.full(1, -zero))
            readers = [node for node, _ in self._uses]
            for node in readers:
                self._fold(node, gain, shift + gain * zero)
            return f"mean and std are folded into {', '.join(str(node.name) for node in readers)}"
        written = self._numbers(gain, shift)
        return f"mean and std are {written} in float" if written else "nothing is left of mean and std"

    def _numbers(self, gain: np.ndarray, shift: np.ndarray) -> str:
        """Write what is not 1 and not 0; returns which."""
        shape = [-1 if axis == self._axis else 1 for axis in range(4)]
        written = []
        for op, name, numbers, nothing in (("Mul", "gain", gain, 1.0), ("Add", "shift", shift, 0.0)):
            if (numbers != nothing).any():
                array = numbers[:1].reshape(()) if np.ptp(numbers) == 0 else numbers.reshape(shape)
                self._write(op, self._constant(name, array.astype(np.float32)))
                written.append(op)
        return " and ".join(written)

    def _foldable(self, *, shifted: bool) -> bool:
        """Whether all that reads the image are convolutions that can take the numbers."""
        if self._info.dtype != np.float32 or self._axis != 1 or self._input.is_graph_output() or not self._uses:
            return False
        return all(index == 0 and _takes(node, shifted=shifted) for node, index in self._uses)

    def _fold(self, node: ir.Node, gain: np.ndarray, shift: np.ndarray) -> None:
        """W'[o, c] = W[o, c] * A[c]; b' = b + sum of W[o, c] * B[c]."""
        weight = constant_array(node.inputs[1])
        assert weight is not None
        wide = weight.astype(np.float64)
        self._replace(node, 1, (wide * gain.reshape(1, -1, 1, 1)).astype(np.float32))
        more = (wide * shift.reshape(1, -1, 1, 1)).sum((1, 2, 3))
        if more.any():
            bias = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
            self._replace(node, 2, (more if bias is None else bias.astype(np.float64) + more).astype(np.float32))

    def _replace(self, node: ir.Node, index: int, array: np.ndarray) -> None:
        """A constant operand of its own: others may read the old one."""
        old = node.inputs[index] if index < len(node.inputs) else None
        name = fresh_name(f"{node.name}_bias" if old is None else f"{old.name}_baked", self._taken)
        if index >= len(node.inputs):
            node.resize_inputs(index + 1)
        node.replace_input_with(index, add_initializer(self._graph, name, array))

    def _constant(self, what: str, array: np.ndarray) -> ir.Value:
        return add_initializer(self._graph, fresh_name(f"{self._info.name}_{what}", self._taken), array)

    def _write(
        self,
        op: str,
        *operands: ir.Value | None,
        dtype: ir.DataType | None = None,
        shape: Sequence[int | str | None] | None = None,
        **attributes: object,
    ) -> None:
        """One more node behind the last; dtype and shape are those of what it reads, unless said."""
        node = ir.node(
            op,
            [self._value, *operands],
            attributes,  # type: ignore[arg-type]
            name=fresh_name(f"{self._info.name}_{op}", self._taken),
        )
        result = node.outputs[0]
        result.name = fresh_name(f"{node.name}_Output", self._taken)
        result.type = self._value.type if dtype is None else ir.TensorType(dtype)
        result.shape = self._value.shape if shape is None else ir.Shape(shape)
        self._written.append(node)
        self._value = result


def _takes(node: ir.Node, *, shifted: bool) -> bool:
    if not is_op(node, "Conv") or node.attributes.get_int("group", 1) != 1:
        return False
    weight = constant_array(node.inputs[1])
    if weight is None or weight.ndim != 4:
        return False
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and constant_array(bias) is None:
        return False
    padded = node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or any(
        node.attributes.get_ints("pads", ())
    )
    return not (shifted and padded)
