"""Kernels of an OpenVINO partition, as oneDNN prints them: what it really multiplies, in which types.

ONNX Runtime's profile shows a partition as one event. With `ONEDNN_VERBOSE=profile_exec` the library that computes it
prints a line for each primitive it executes, with its implementation, the types of its operands and its problem::

    onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core_vnni,forward_inference,
        src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 dst:u8:...,attr-...,alg:...,mb1_ic64oc64_...,ms

============== =============================================================
primitive      MACs
============== =============================================================
convolution    mb * ic * oc / groups * output's area * kernel's area
deconvolution  mb * ic * oc / groups * input's area * kernel's area
inner_product  mb * oc * ic * input's area
matmul         |dst| * columns of src
============== =============================================================

What OpenVINO computes with kernels of its own (a whole attention as one snippet, recurrent cells) prints no line.

Source: oneDNN 3.8, doc/performance_considerations/verbose.md and tests/benchdnn's problem descriptors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from .base import Kernel

__all__ = ["PARTITION", "onednn_kernels", "opened"]

# How the provider names the operators of its partitions (openvino_execution_provider.cc, 1.24).
PARTITION = "OpenVINO-EP-subgraph"

_EXECUTED = re.compile(r"onednn_verbose,(?:v\d+,)?(?:[\d.]+,)?primitive,exec,cpu,")
_OPERAND = re.compile(r"(src|wei|dst)(?:_\d+)?:(\w+):")
_EXTENTS = re.compile(r"([a-z]+)(\d+)")
_TYPES = {
    "f32": "float", "f16": "float16", "bf16": "bfloat16", "s8": "int8", "u8": "uint8", "s32": "int32",
    "s4": "int4", "u4": "uint4",
}  # fmt: skip
_INTEGERS = {"s8", "u8", "s4", "u4"}


def opened(kernels: Sequence[Kernel], printed: str, total: int | None) -> tuple[Kernel, ...]:
    """Kernels with those of the partitions among them.

    Lines do not tell their partition: all stand before the first one, in the order they ran. That partition stays, as
    what was not printed: with MACs when some are missing, and they count as float's.

    Args:
        kernels: As the profile shows them, partitions as one kernel each.
        printed: What was printed while the model ran.
        total: MACs of the model; None when they cannot be counted, which leaves those of the partition unknown.
    """
    first = next((kernel for kernel in kernels if kernel.op_type.startswith(PARTITION)), None)
    if first is None:
        return tuple(kernels)
    inside = onednn_kernels(printed, first.provider)
    counted = [kernel.macs for kernel in (*kernels, *inside) if not kernel.op_type.startswith(PARTITION)]
    rest = None if total is None or None in counted else max(0, total - sum(macs or 0 for macs in counted))
    made: list[Kernel] = []
    for kernel in kernels:
        if kernel is first:
            made += [*inside, replace(kernel, macs=rest)]
        elif kernel.op_type.startswith(PARTITION):
            made.append(replace(kernel, macs=None if rest is None else 0))
        else:
            made.append(kernel)
    return tuple(made)


def onednn_kernels(printed: str, provider: str) -> tuple[Kernel, ...]:
    """One kernel per line of an executed primitive, in order.

    Args:
        printed: What was printed while a model ran; other lines in it are passed over.
        provider: Name of the provider.
    """
    executed = [line[found.end() :] for line in printed.splitlines() if (found := _EXECUTED.match(line))]
    return tuple(_kernel(number, each.split(","), provider) for number, each in enumerate(executed))


def _kernel(number: int, fields: list[str], provider: str) -> Kernel:
    primitive, implementation, _, operands, _, _, problem = (*fields, *[""] * 7)[:7]
    found: dict[str, list[str]] = {}
    for role, dtype in _OPERAND.findall(operands):
        found.setdefault(role, []).append(dtype)
    macs = _macs(primitive, problem)
    multiplied = (found.get("src", [""])[0], found.get("wei", [""])[0])
    return Kernel(
        name=f"{number}:{implementation}",
        op_type=primitive,
        provider=provider,
        inputs=tuple((_TYPES.get(dtype, dtype), ()) for role in ("src", "wei") for dtype in found.get(role, ())),
        outputs=tuple((_TYPES.get(dtype, dtype), ()) for dtype in found.get("dst", ())),
        macs=macs,
        integer=bool(macs) and all(dtype in _INTEGERS for dtype in multiplied),
    )


def _macs(primitive: str, problem: str) -> int | None:
    """MACs of one execution; 0 for primitives that have none, None when the problem does not tell."""
    try:
        match primitive:
            case "convolution":
                return _convolution(problem, "o")
            case "deconvolution":
                return _convolution(problem, "i")
            case "inner_product":
                extents = _extents(problem)
                return extents["mb"] * extents["oc"] * extents["ic"] * _area(extents, "i")
            case "matmul":
                return _matmul(problem)
    except (KeyError, ValueError, IndexError):
        return None
    return None if primitive == "rnn" else 0


def _convolution(problem: str, side: str) -> int:
    extents = _extents(problem)
    channels = extents["ic"] * extents["oc"] // extents.get("g", 1)
    return extents["mb"] * channels * _area(extents, side) * _area(extents, "k")


def _extents(problem: str) -> dict[str, int]:
    """`g64mb1_ic64oc64_ih25oh25kh3...` by name."""
    return {name: int(extent) for name, extent in _EXTENTS.findall(problem)}


def _area(extents: dict[str, int], side: str) -> int:
    """Product over depth, height and width, as far as there are such axes."""
    return prod(extents.get(side + axis, 1) for axis in "dhw")


def _matmul(problem: str) -> int:
    """`2x64x128:2x128x32`; batches of 1 are broadcast."""
    source, weights = ([int(extent) for extent in part.split("x")] for part in problem.split(":")[:2])
    rows, depth = source[-2:]
    batches = [max(pair) for pair in zip(source[:-2], weights[:-2], strict=True)]
    return prod(batches) * rows * depth * weights[-1]
