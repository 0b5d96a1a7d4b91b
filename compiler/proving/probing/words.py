"""What was found, in words: the reason, and the option or rewrite that mends it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....targets.find import ALIASES, find_target, target_names
from .change import Change
from .explain import Found
from .form import Form

__all__ = ["kept_on_purpose", "left_by_default", "mend", "reason"]

_XNNPACK = "XnnpackExecutionProvider"
_QNN = "QNNExecutionProvider"
# What the rules and passes of a target for the provider decide, by kind and name of the change.
_TYPED = {
    "activations": ("int8", "uint8"),
    "weights": ("int8", "uint8"),
    "symmetry": ("weights", "activations"),
    "result": ("quantized", "shared", "fixed"),
    "attribute": ("auto_pad",),
}


def reason(found: Found, form: Form) -> str:
    """What the provider takes, and what it was given; words that follow the provider's name."""
    if found.alone:
        return f"takes this {form.op} alone, but not beside its neighbours in the model"
    if not found.changes:
        died = f", {found.died} of which end its process" if found.died else ""
        return f"takes no {form.op} in any form tried{died}"
    return f"takes {'; '.join(f'{change.takes}, not {change.gets}' for change in found.changes)}"


def mend(
    found: Found, form: Form, *, node: str, wanted: str, target: Mapping[str, Any], free: Mapping[str, np.ndarray]
) -> str:
    """What would bring a node to the provider; "" where edgec knows nothing.

    Args:
        found: What trying showed.
        form: The node.
        node: Its name.
        wanted: The provider.
        target: The bundle's target, as its manifest has it.
        free: What the bundle's inputs of free dimensions were fed: their shapes are an example.
    """
    words = [_mend(change, form, node, wanted, target, free) for change in found.changes]
    return "; ".join(dict.fromkeys(word for word in words if word)) if all(words) else ""


def _mend(
    change: Change, form: Form, node: str, wanted: str, target: Mapping[str, Any], free: Mapping[str, np.ndarray]
) -> str:
    made_for = _made_for(wanted)
    by_target = change.name in _TYPED.get(change.kind, ())
    its_own = target["providers"][0] == wanted
    if by_target and not its_own and made_for:
        return f"compile it for {' or '.join(made_for)}"
    match change.kind:
        case "granularity":
            return "--no-per-channel"
        case "activations" | "weights" | "symmetry" if by_target and its_own:
            return f'a target file with base = "{target["name"]}" and a rule for {form.op} with these types'
        case "result" if change.name == "quantized":
            return f"quantize what reads {node}"
        case "shape" if all(array.size for array in free.values()):  # what begins empty grows: it has no one shape
            return " ".join(_shape_option(name, array) for name, array in free.items())
        case "attribute" if change.name == "auto_pad":
            return "export it with pads in place of auto_pad"
        case "bias" if change.name == "with":
            return "export it with a bias of zeros"
        case "rank" if change.gets == "1":
            return "export it as a 2-D operator of width 1"
        case "opset":
            return f'a target file with base = "{target["name"]}" and max_opset = {change.value}'
        case "float" if wanted == _XNNPACK and form.op in ("Gemm", "Resize"):
            return ""  # `KeepOffXnnpack` keeps its float kernels off, too
        case "float":
            return f"--exclude-nodes '^{re.escape(node)}$', where float there beats integers here"
    return ""


def _made_for(wanted: str) -> Sequence[str]:
    """Targets that want this provider first."""
    names = [name for name in target_names() if name not in ALIASES and name != "host"]
    return [name for name in names if find_target(name).providers[0] == wanted]


def _shape_option(name: str, array: np.ndarray) -> str:
    return f"--shape {name}={','.join(map(str, array.shape))}"


def left_by_default(op: str, wanted: str) -> str:
    """Why a provider takes no node of this kind, whatever its form; "" where it may.

    Inside a graph the QNN provider takes them; those at its ends stay outside by an option whose default is 1.
    """
    if wanted == _QNN and op in ("QuantizeLinear", "DequantizeLinear"):
        return "left to the CPU at the graph's inputs and outputs, its default (offload_graph_io_quantization)"
    return ""


def kept_on_purpose(form: Form, wanted: str) -> bool:
    """Whether edgec wrote the node so that the provider leaves it alone: `KeepOffXnnpack`, whose marks these are."""
    if wanted != _XNNPACK:
        return False
    values = {name: attribute.value for name, attribute in form.attributes.items()}
    if form.op == "Gemm":
        return values.get("beta") == 0.5
    return form.op == "Resize" and values.get("extrapolation_value") == 1.0
