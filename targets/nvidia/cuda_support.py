"""What the CUDA provider takes of a graph: nodes with a kernel of their version and types, few exceptions.

Source: the kernels it registers (`kernels.py`), and CUDAExecutionProvider::GetCapability
(onnxruntime/core/providers/cuda/cuda_execution_provider.cc). Confirmed by that provider's own partitioner,
onnxruntime-gpu 1.31.1 (tests/targets/nvidia, 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..kernels import Kernel, Slot, formal_slot, misfit, operand_type, since_version
from ..support import SUPPORTED, SupportRules, Verdict, refused
from ..units import Unit, working_nodes
from .cpu_preferred import cpu_preferred
from .kernels import kernels_of

__all__ = ["CUDA", "CUDA_PROVIDER"]

CUDA_PROVIDER = "CUDAExecutionProvider"
# Kernels that multiply integers by integers. QDQ around a float operator is no such kernel: it has no QLinearConv.
_INTEGER = frozenset(
    ("MatMulInteger", "QAttention", "QOrderedAttention", "QOrderedLongformerAttention", "QOrderedMatMul")
)
_ACTIVATIONS = {
    "LSTM": ("sigmoid", "tanh", "tanh") * 2,
    "GRU": ("sigmoid", "tanh") * 2,
    "RNN": ("tanh",) * 2,
}
# No provider of this ONNX Runtime has a kernel for them: it runs their definitions instead, whose operators CUDA takes.
_EXPANDED = {"CastLike": 15, "GroupNormalization": 21, "Mish": 18, "Swish": 24}
_FLOATS = frozenset((ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Placed(Unit):
    """A node, and whether ONNX Runtime leaves it on the CPU because it computes a shape."""

    on_cpu: bool = False


def _units(graph: ir.Graph) -> tuple[Unit, ...]:
    """Every node of the main graph; those in bodies are asked about one by one, the rule of shapes left out."""
    opsets = graph.opset_imports
    left = cpu_preferred(graph, lambda node: not _refusal(node, opsets))
    return tuple(_Placed(node=node, on_cpu=node in left) for node in working_nodes(graph))


def _verdict(unit: Unit, model: ir.Model) -> Verdict:
    refusal = _refusal(unit.node, model.opset_imports)
    if refusal is not None:
        return refusal
    if isinstance(unit, _Placed) and unit.on_cpu:
        return refused(
            "computes a shape from what is on the CPU: ONNX Runtime leaves it there", "Fix the shapes: --shape"
        )
    return SUPPORTED


def _refusal(node: ir.Node, opsets: Mapping[str, int]) -> Verdict | None:
    """Why the provider does not take a node, shapes aside; None where it does."""
    why = _recurrent(node) or _by_attributes(node)
    return _by_kernel(node, opsets) or (refused(why) if why else None)


def _by_kernel(node: ir.Node, opsets: Mapping[str, int]) -> Verdict | None:
    domain = "" if node.domain == "ai.onnx" else node.domain
    opset = opsets.get(domain, 1 if domain else opsets.get("ai.onnx", 1))
    version = since_version(domain, node.op_type, opset) or 1
    if domain == "" and version >= _EXPANDED.get(node.op_type, version + 1):
        return None
    found = kernels_of(domain, node.op_type)
    if not found:
        return refused(f"{_called(node)} has no CUDA kernel")
    fit = tuple(kernel for kernel in found if kernel.is_for(version))
    if not fit:
        known = ", ".join(dict.fromkeys(_span(kernel) for kernel in found))
        mend = f"Export the model at operator set {version - 1}" if found[-1].first < version else ""
        return refused(f"{_called(node)} has CUDA kernels of versions {known}, not of {version}", mend)
    misfits = [misfit(node, kernel) for kernel in fit]
    if None in misfits:
        return None
    return _wrong_type(node, [each for each in misfits if each is not None], fit)


def _wrong_type(node: ir.Node, misfits: Sequence[Slot], fit: Sequence[Kernel]) -> Verdict:
    """The verdict on the operand that the nearest kernel refuses."""
    slot = max(misfits)
    kind, index = slot
    value = (node.inputs if kind == "i" else node.outputs)[index]
    assert value is not None
    known = {
        str(each)
        for kernel in fit
        for each in kernel.types.get(slot, kernel.types.get((kind, formal_slot(node, kind, index)), ()))
    }
    operand = f"{'input' if kind == 'i' else 'output'} {index}"
    dtype = value.dtype
    mend = "Cast around it to float16" if dtype in _FLOATS and "FLOAT16" in known else ""
    return refused(
        f"{operand} of {_called(node)} is {operand_type(value)}; its CUDA kernels take {', '.join(sorted(known))}", mend
    )


def _recurrent(node: ir.Node) -> str:
    """Why cuDNN does not run an LSTM, GRU or RNN (RNNNeedFallbackToCPU); "" where it does."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in _ACTIVATIONS:
        return ""
    for name in ("activation_alpha", "activation_beta", "clip"):
        if name in node.attributes:
            return f"{node.op_type} with {name} is not what cuDNN computes"
    found = [str(each).lower() for each in node.attributes.get_strings("activations", ())]
    usual = _ACTIVATIONS[node.op_type]
    if any(name != wanted for name, wanted in zip(found, usual, strict=False)):
        return f"{node.op_type} with activations {', '.join(found)} is not what cuDNN computes"
    if node.op_type == "LSTM" and node.attributes.get_int("input_forget"):
        return "LSTM with input_forget is not what cuDNN computes"
    if node.op_type == "GRU" and node.attributes.get_int("linear_before_reset", 0) != 1:
        return "GRU with linear_before_reset = 0 is not what cuDNN computes"
    if node.op_type == "LSTM" and len(node.inputs) == 8 and node.inputs[7] is not None:
        return "LSTM with peepholes is not what cuDNN computes"
    return ""


def _by_attributes(node: ir.Node) -> str:
    """Why a node with a kernel is left to the CPU all the same; "" where it is not."""
    if node.domain not in ("", "ai.onnx"):
        return ""
    if node.op_type in ("ArgMax", "ArgMin") and node.attributes.get_int("select_last_index"):
        return f"{node.op_type} with select_last_index has no CUDA kernel"
    if node.op_type == "ConvTranspose":
        pads = node.attributes.get_ints("pads", ())
        half = len(pads) // 2
        if tuple(pads[:half]) != tuple(pads[half:]):
            return f"ConvTranspose with pads {list(pads)}, not the same on both sides, is not what cuDNN computes"
    return ""


def _called(node: ir.Node) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type


def _span(kernel: Kernel) -> str:
    if kernel.last is None or kernel.last == kernel.first:
        return str(kernel.first)
    return f"{kernel.first} to {kernel.last}"


CUDA = SupportRules(
    provider=CUDA_PROVIDER,
    units=_units,
    source="onnxruntime-gpu 1.31.1, the kernels it registers; "
    "onnxruntime/core/providers/cuda/cuda_execution_provider.cc, GetCapability",
    verdict=_verdict,
    integer=lambda unit: unit.node.op_type in _INTEGER,
    bodies=True,
)
