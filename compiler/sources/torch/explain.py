"""What a module does that no graph can, at its line, with the rewrite that helps."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from ....errors import ModelError
from .frames import line_of_error, line_of_trace, shown

if TYPE_CHECKING:
    import torch

__all__ = [
    "changed_attribute",
    "first_line",
    "not_captured",
    "not_free",
    "not_translated",
    "state_kept",
    "wraps_trained",
]

_BRANCH = (
    "Choose with torch.where, or give both branches to torch.cond; a check of arguments belongs outside of forward"
)
_VALUE = "Keep it a tensor: no .item(), int() or slice by a value; a mask or torch.where keeps the shape"
_NUMPY = "Stay in torch inside of forward: numpy arrays are constants to a graph"
_STATE = "Take it as an input and return its new value: --state INPUT=OUTPUT carries it"
_SHOWN = 200

# What torch says, what it means, what to do. Text of torch 2.6 to 2.13.
_REASONS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"Could not guard on data-dependent expression"), "branches on the value of a tensor", _BRANCH),
    (
        re.compile(r"Could not extract specialized|data-dependent|unbacked symint", re.IGNORECASE),
        "takes the value of a tensor for a number of Python",
        _VALUE,
    ),
    (re.compile(r"\.numpy\(\)|__array__|Can't call numpy"), "leaves torch for numpy", _NUMPY),
    (re.compile(r"\.tolist\(\)|\.item\(\)"), "takes the value of a tensor for a number of Python", _VALUE),
    (
        re.compile(r"[Cc]onstraints violated|specialized it to be a constant"),
        "fixes a dimension that was to be free",
        "Compute it from x.shape, or leave the dimension out of --dynamic",
    ),
)
_NO_FUNCTION = re.compile(r"No ONNX function found for <OpOverload\(op='(?P<op>[^']+)'")
_NODE = re.compile(r"Error when translating node %(?P<node>\w+)")


def not_captured(origin: str, error: Exception) -> ModelError:
    """The error for a module that `torch.export` cannot trace."""
    line = line_of_error(error)
    at = f" at {line}" if line else ""
    text = str(error)
    for pattern, meaning, remedy in _REASONS:
        if pattern.search(text):
            return ModelError(origin, f"cannot be exported: it {meaning}{at}", remedy=remedy)
    return ModelError(
        origin,
        f"cannot be exported: torch.export raised {type(error).__name__}{at}: {first_line(error)}",
        remedy="Write it with what torch.export takes; torch.export.draft_export(module, inputs) lists all of it",
    )


def not_translated(origin: str, exported: torch.export.ExportedProgram, error: Exception) -> ModelError:
    """The error for a captured module that has an operator ONNX has not."""
    op = node = ""
    link: BaseException | None = error
    while link is not None:
        if match := _NO_FUNCTION.search(str(link)):
            op = match["op"]
        if match := _NODE.search(str(link)):
            node = match["node"]
        link = link.__cause__ or link.__context__
    line = _line_of_node(exported, node, op.rpartition(".")[2])
    at = f" at {line}" if line else ""
    if op:
        return ModelError(
            origin,
            f"cannot be exported: ONNX has no operator for {op}{at}",
            remedy="Write it with operators that ONNX has (https://onnx.ai/onnx/operators), or outside of the module",
        )
    return ModelError(
        origin,
        f"cannot be exported: torch.onnx raised {type(error).__name__}{at}: {first_line(error)}",
        remedy="Write that line with other operators of torch",
    )


def not_free(
    origin: str, exported: torch.export.ExportedProgram, name: str, axis: int, dim: str, size: int
) -> ModelError:
    """The error for a dimension that was named and that the code fixes."""
    line = _line_of_guard(exported, size)
    at = f" at {line}" if line else ""
    return ModelError(
        f"{origin}, input {name!r}",
        f"its dimension {axis} cannot be {dim!r}: the code fixes it{at}",
        remedy=f"Compute with {name}.shape[{axis}] as torch does, or write a number in --dynamic",
    )


def changed_attribute(origin: str, module: torch.nn.Module, attribute: str) -> ModelError:
    """The error for a module that remembers tensors from call to call."""
    path = attribute.removeprefix("self.").partition("[")[0]
    line = _line_of_attribute(module, path)
    at = f" at {line}" if line else ""
    return ModelError(
        origin,
        f"cannot be exported: forward changes self.{path}{at}, which a graph cannot keep",
        remedy="Use a name of forward's own instead of an attribute. " + _STATE,
    )


def wraps_trained(origin: str, path: str) -> ModelError:
    """A module of `edgec.qat.prepare` hangs in another one; what it has learned of integers would be lost."""
    return ModelError(
        origin,
        f"holds a module of edgec.qat.prepare at {path!r}",
        affects="Exported, it would be float with steps in it: the scales it learned are not those of its integers",
        remedy="Give that module itself to edgec.compile",
    )


def state_kept(origin: str, module: torch.nn.Module, buffer: str) -> ModelError:
    """The error for a module whose buffers change when it is called."""
    line = _line_of_attribute(module, buffer)
    at = f" at {line}" if line else ""
    return ModelError(
        origin,
        f"cannot be exported: forward changes the buffer {buffer!r}{at}, which a graph cannot keep",
        remedy=_STATE,
    )


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, not too long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "no reason given"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _line_of_node(exported: torch.export.ExportedProgram, name: str, op: str) -> str:
    """The user's line behind a node, by its name, else by its operator, which may be a part of another's name."""
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    for found in (
        [node for node in nodes if name and node.name == name],
        [node for node in nodes if op and op.strip("_") in str(node.target)],
    ):
        for node in found[:1]:
            return line_of_trace(node.meta.get("stack_trace") or "")
    return ""


def _line_of_guard(exported: torch.export.ExportedProgram, size: int) -> str:
    """The user's line that fixed a dimension to `size`; "" where it is inside of torch."""
    for node in exported.graph.nodes:
        mode = getattr(node.meta.get("val"), "fake_mode", None)
        if node.op != "placeholder" or mode is None or mode.shape_env is None:
            continue
        for guard in mode.shape_env.guards:
            frame: Any = guard.sloc.framework_loc
            if str(guard.expr).startswith("Eq(") and str(guard.expr).endswith(f", {size})") and frame is not None:
                found = shown(frame.filename, frame.lineno)
                if found:
                    return found
        return ""
    return ""


def _line_of_attribute(module: torch.nn.Module, path: str) -> str:
    """The last line of the owner's forward that names the attribute."""
    owner, _, name = path.rpartition(".")
    try:
        kind = type(module.get_submodule(owner))
        lines, start = inspect.getsourcelines(kind.forward)
        file = inspect.getsourcefile(kind.forward) or ""
    except (AttributeError, OSError, TypeError):
        return ""
    numbers = [start + index for index, text in enumerate(lines) if f"self.{name}" in text]
    writes = [n for n in numbers if re.search(rf"self\.{name}(\.\w+\(|\[|\s*[-+*/]?=)", lines[n - start])]
    return shown(file, (writes or numbers)[0]) if numbers else ""
