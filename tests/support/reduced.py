"""What a reduced build of ONNX Runtime would lack for a model in ORT format, asked of ONNX Runtime alone.

A session opens the file and saves the graph that it has made kernels for; the tool in ONNX Runtime's wheel reads its
nodes. Each needs a kernel of those registered here, and `build.py` keeps of these what `parse_config`, also of the
wheel, and two rules say (tools/ci_build/reduce_op_kernels.py, 1.31.1): a line of an opset that the kernel covers names
the operator, and, where kernels differ in a type, the one they are registered under is wanted.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

__all__ = ["lacking", "needed"]

Needed = tuple[str, str, int, tuple[str, ...], tuple[str, ...]]
_CPP = {"string": "std::string", "float16": "MLFloat16", "bfloat16": "BFloat16"}
_ENTRY = re.compile(r"ORT_SPECIFY_OP_KERNEL_ARG_ALLOWED_TYPES\((\w+), (\w+), (Input|Output), (\d+), (.*)\);")
_DOMAINS = {"kOnnxDomain": "ai.onnx", "kMSDomain": "com.microsoft", "kMLDomain": "ai.onnx.ml"}


def needed(file: Path, config: Mapping[str, str]) -> set[Needed]:
    """Domain, operator, since version and types of every node that a session makes a kernel for."""
    made = onnxruntime.SessionOptions()
    made.log_severity_level = 4
    made.optimized_model_filepath = str(file.with_suffix(".opened.ort"))
    for key, value in {**config, "session.save_model_format": "ORT"}.items():
        made.add_session_config_entry(key, value)
    onnxruntime.InferenceSession(str(file), made, providers=["CPUExecutionProvider"])
    tool: Any = importlib.import_module("onnxruntime.tools.ort_format_model")
    types: Any = importlib.import_module("onnxruntime.tools.ort_format_model.types")
    found: set[Needed] = set()

    class Reader:
        def process_node(self, node: Any, infos: dict[bytes, Any]) -> None:
            def said(name: bytes) -> str:
                return str(types.FbsTypeInfo.typeinfo_to_str(infos[name])) if name else ""

            inputs = tuple(said(node.Inputs(each)) for each in range(node.InputsLength()))
            outputs = tuple(said(node.Outputs(each)) for each in range(node.OutputsLength()))
            domain = node.Domain().decode() or "ai.onnx"
            found.add((domain, node.OpType().decode(), node.SinceVersion(), inputs, outputs))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file open
        tool.OrtFormatModelProcessor(made.optimized_model_filepath, {}, Reader()).process()
    return found


def lacking(required: Path, file: Path, config: Mapping[str, str]) -> list[str]:
    """What a build with the required operators and types lacks to open the file; empty where it opens it."""
    parser: Any = importlib.import_module("onnxruntime.tools.reduced_build_config_parser")
    ops, filter_ = parser.parse_config(str(required), True)
    wanted = needed(file, config)
    assert wanted, "a session without kernels tells nothing"
    return sorted({reason for node in wanted for reason in _reasons(node, ops, filter_)})


def _reasons(node: Needed, ops: Mapping[str, Mapping[int, set[str]]], filter_: Any) -> Iterator[str]:
    domain, op, since, inputs, outputs = node
    kernels = [each for each in _kernels(domain, op) if each.version_range[0] <= since <= each.version_range[1]]
    fitting = [each for each in kernels if _fits(each, node)]
    assert fitting, f"no kernel here for {node}"
    kept = []
    for kernel in fitting:
        start, end = kernel.version_range
        listed = any(start <= opset <= end and op in named for opset, named in ops.get(domain, {}).items())
        typed = _registered(kernel, kernels)
        kept.append(
            listed and (not typed or filter_ is None or filter_.is_typed_registration_needed(domain, op, typed))
        )
    if not any(kept):
        yield f"{domain}:{op}({since}) for {', '.join(inputs)}"
    for line in [] if filter_ is None else filter_.get_cpp_entries():
        found = _ENTRY.fullmatch(line)
        assert found, line
        side, at = inputs if found[3] == "Input" else outputs, int(found[4])
        if (_DOMAINS[found[1]], found[2]) == (domain, op) and at < len(side) and side[at] not in found[5].split(", "):
            yield f"{domain}:{op} for {side[at]} as {found[3].lower()} {at}"


def _fits(kernel: Any, node: Needed) -> bool:
    """Whether a kernel is for the types of a node."""
    domain, op, since, inputs, outputs = node
    schema = _schema(domain, op, since)
    sides = ((schema.inputs, inputs), (schema.outputs, outputs))
    for name, allowed in kernel.type_constraints.items():
        cpp = {_cpp(each) for each in allowed}
        for formal, actual in sides:
            for at, kind in enumerate(actual):
                said = formal[min(at, len(formal) - 1)]
                if kind and name in (said.typeStr, said.name) and kind not in cpp:
                    return False
    return True


def _registered(kernel: Any, kernels: list[Any]) -> str:
    """The type under which one of several kernels of an operator is registered; empty where it is the only one."""
    said = [{name: tuple(types) for name, types in each.type_constraints.items()} for each in kernels]
    mine = {name: tuple(types) for name, types in kernel.type_constraints.items()}
    apart = sorted(name for name in mine if len({each.get(name) for each in said}) > 1)
    if kernel.op_name == "OneHot":  # input, output, depth
        return "_".join(_cpp(mine[name][0]).removeprefix("std::") for name in ("T1", "T3", "T2"))
    return _cpp(mine[apart[0]][0]).removeprefix("std::") if apart else ""


def _cpp(said: str) -> str:
    """`tensor(int8)` in the words of C++."""
    kind = said.removeprefix("seq(").removeprefix("tensor(").rstrip(")")
    return _CPP.get(kind, f"{kind}_t" if "int" in kind else kind)


@cache
def _all_kernels() -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for each in state.get_all_opkernel_def():
        found.setdefault((each.domain or "ai.onnx", each.op_name), []).append(each)
    return found


def _kernels(domain: str, op: str) -> list[Any]:
    return _all_kernels().get((domain, op), [])


@cache
def _schemas() -> dict[tuple[str, str, int], Any]:
    return {(each.domain or "ai.onnx", each.name, each.since_version): each for each in state.get_all_operator_schema()}


def _schema(domain: str, op: str, since: int) -> Any:
    return _schemas()[domain, op, since]
