"""The ends of a model that take pre- and postprocessing: what they must be, and which axis is which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import OptionError
from ...runtimes.base import TensorInfo
from ..samples.check import nearest, quoted, show_shape
from .spec import BakedInput, BakedOutput

__all__ = ["baked_info", "channel_axis", "check_input", "check_output", "class_axis"]

_CHANNELS = (1, 3, 4)


def channel_axis(info: TensorInfo) -> int:
    """The axis of the channels of an image input: 1, or 3 where only that one can be."""
    return 3 if info.shape[1] not in _CHANNELS and info.shape[3] in _CHANNELS else 1


def baked_info(info: TensorInfo, spec: BakedInput) -> TensorInfo:
    """The input as it is once its preprocessing is inside."""
    axis = channel_axis(info)
    channels = info.shape[axis]
    rows, columns = info.shape[2:] if axis == 1 else info.shape[1:3]
    if spec.frame is not None:
        rows, columns = spec.frame
    shape = (
        (info.shape[0], rows, columns, channels) if spec.layout == "nhwc" else (info.shape[0], channels, rows, columns)
    )
    return TensorInfo(name=info.name, dtype=np.dtype(spec.dtype), shape=shape)


def check_input(name: str, spec: BakedInput, inputs: Sequence[TensorInfo], carried: Sequence[str]) -> TensorInfo:
    """The input that preprocessing is baked before.

    Raises:
        OptionError: There is none of that name, or it is no image of floats with so many channels.
    """
    info = _named("--input", name, inputs, "an input")
    where = f"--input {name}"
    if name in carried:
        raise OptionError(where, "is fed back from an output: it is no image", remedy="Leave it out")
    if info.dtype not in (np.float32, np.float16):
        raise OptionError(
            where, f"takes {info.dtype} already: preprocessing gives floats", remedy="Leave it out: it takes no floats"
        )
    if len(info.shape) != 4:
        raise OptionError(
            where,
            f"has shape {show_shape(info.shape)}: an image has 4 axes",
            remedy="Leave it out: only images are preprocessed",
        )
    channels = info.shape[channel_axis(info)]
    wanted = {len(values) for values in (spec.mean, spec.std)} - {1}
    if not isinstance(channels, int):
        raise OptionError(
            where,
            f"has shape {show_shape(info.shape)}: its channels are not known",
            remedy=f"Fix them: --shape {name}=...",
        )
    if wanted - {channels}:
        raise OptionError(
            where,
            f"has {channels} channels, mean and std have {max(wanted)} values",
            remedy="Give one, or one for each",
        )
    if channels != 3 and spec.swaps:
        raise OptionError(where, f"has {channels} channels, which have no order", remedy="Leave bgr out")
    rows, columns = info.shape[2:] if channel_axis(info) == 1 else info.shape[1:3]
    if spec.frame is not None and not (isinstance(rows, int) and isinstance(columns, int)):
        raise OptionError(
            where,
            f"has shape {show_shape(info.shape)}: a frame is resized to a size that is known",
            remedy=f"Fix it: --shape {name}=...",
        )
    return info


def check_output(name: str, spec: BakedOutput, outputs: Sequence[TensorInfo], carried: Sequence[str]) -> TensorInfo:
    """The output that postprocessing is baked behind.

    Raises:
        OptionError: There is none of that name, or it has no such axis of classes.
    """
    info = _named("--postprocess", name, outputs, "an output")
    where = f"--postprocess {name}"
    if name in carried:
        raise OptionError(where, "is fed back as an input: it stays as it is", remedy="Leave it out")
    if info.dtype not in (np.float32, np.float16):
        raise OptionError(where, f"gives {info.dtype}: there is nothing to choose from", remedy="Leave it out")
    rank = len(info.shape)
    if spec.code is not None:
        last = info.shape[-1] if rank > 1 else None
        if spec.code == "binary" and (not isinstance(last, int) or last % 8):
            raise OptionError(
                where,
                f"has shape {show_shape(info.shape)}: bits fill bytes where embeddings have a multiple of 8 numbers",
                remedy=f"Choose --postprocess {name}:int8",
            )
        if spec.code == "product" and (not isinstance(last, int) or last % spec.part):
            raise OptionError(
                where,
                f"has shape {show_shape(info.shape)}: a byte stands for {spec.part} numbers, which do not divide it",
                remedy=f"Choose --postprocess {name}:int8",
            )
        if rank < 2:
            raise OptionError(
                where, f"has shape {show_shape(info.shape)}: embeddings are its rows", remedy="Leave it out"
            )
        return info
    if spec.axis is None and rank not in (2, 4):
        raise OptionError(
            where,
            f"has shape {show_shape(info.shape)}, and nothing says which axis are the classes",
            remedy=f"Say it: --postprocess {name}:...,axis=-1",
        )
    if spec.axis is not None and not -rank <= spec.axis < rank:
        raise OptionError(where, f"has {rank} axes, and none is {spec.axis}", remedy="Name one of them")
    classes = info.shape[class_axis(info, spec)]
    if spec.topk is not None and isinstance(classes, int) and spec.topk > classes:
        raise OptionError(where, f"has {classes} classes, fewer than topk={spec.topk}", remedy="Ask for fewer")
    extra = f"{name}_indices"
    if spec.topk is not None and any(each.name == extra for each in outputs):
        raise OptionError(where, f"would answer {extra!r}, which is there already", remedy="Rename that output")
    return info


def class_axis(info: TensorInfo, spec: BakedOutput) -> int:
    """The axis of the classes, counted from the front."""
    return (1 if spec.axis is None else spec.axis) % len(info.shape)


def _named(option: str, name: str, infos: Sequence[TensorInfo], what: str) -> TensorInfo:
    names = [info.name for info in infos]
    if name not in names:
        raise OptionError(
            f"{option} {name}",
            f"is not {what} of the model{nearest(name, names)}",
            remedy=f"There is {quoted(names)}",
        )
    return infos[names.index(name)]
