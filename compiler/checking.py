"""Check a model against the support rules of a target's providers: nothing is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ..bundle import Bundle
from ..passes.edit import is_op
from ..runtimes.base import Kernel, Placement
from ..runtimes.crossing import partitions
from ..runtimes.kernels import kernel_macs
from ..targets.checkers import support_rules
from ..targets.support import CPU, Checked, CheckedUnit, check
from ..targets.units import Operand, dims_of
from .load import load_model
from .proving.probing.off_wanted import OffWanted

__all__ = [
    "check_bundle",
    "check_file",
    "check_model",
    "checked_json",
    "off_by_rules",
    "placement_by_rules",
    "summary_json",
]

# The names of ONNX Runtime's profile, which proofs use.
_DTYPES = {"FLOAT": "float", "DOUBLE": "double"}
_QUANTIZED_RESULT = ("Conv", "ConvTranspose")


def check_model(model: ir.Model, support: Sequence[str], *, where: str) -> Checked | None:
    """Ask the rules of a target what they would take of a model.

    Args:
        model: With inferred shapes, as `load_model` leaves it.
        support: Names of rules, as `TargetSpec.support` lists them.
        where: Names the target in errors.

    Returns:
        None where no rules are named.

    Raises:
        TargetError: Nobody knows rules of such a name.
    """
    rules = support_rules(support, where=where)
    return check(model, *rules) if rules else None


def check_file(file: Path, support: Sequence[str], *, max_opset: int, where: str) -> Checked | None:
    """The same of a file that ships, which reads no operator set newer than `max_opset`."""
    if not support:
        return None
    loaded = load_model(file, opset_floor=1, max_opset=max_opset, already_quantized="accept")
    return check_model(loaded.model, support, where=where)


def check_bundle(bundle: Bundle) -> Checked | None:
    """Ask the rules its target names what they would take of a bundle's model; None where it names none."""
    target = bundle.manifest["target"]
    where = f"{bundle.path}: target {target['name']!r}"
    return check_file(bundle.model, target.get("support", ()), max_opset=target.get("max_opset", 26), where=where)


def placement_by_rules(checked: Checked) -> Placement:
    """Where the rules say every node would run, in the form of a placement that was seen."""
    kernels = tuple(_kernel(each) for each in checked.units)
    return Placement(
        kernels=kernels,
        partitions=partitions(kernels),
        crossing_bytes=checked.crossing_bytes,
        evidence=f"checked, not executed: {'; '.join(checked.sources)}",
    )


def off_by_rules(checked: Checked) -> tuple[OffWanted, ...]:
    """What would run off the first provider, by operator and reason, the most frequent first."""
    wanted = checked.providers[0]
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for each in checked.units:
        if each.provider != wanted:
            verdict = each.verdicts[wanted]
            key = (each.unit.node.op_type, each.provider, verdict.why, verdict.mend)
            groups.setdefault(key, []).append(_name(each.unit.node))
    found = [
        OffWanted(op=op, nodes=tuple(names), provider=provider, reason=why, mend=mend)
        for (op, provider, why, mend), names in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: -len(each.nodes)))


def checked_json(checked: Checked) -> dict[str, Any]:
    """The checker's table as JSON values: one row per node, or per operator with the Q/DQ around it."""
    return {**summary_json(checked), "table": list(_rows(checked))}


def summary_json(checked: Checked) -> dict[str, Any]:
    """What the table comes to; what of it runs elsewhere, and why."""
    placement = placement_by_rules(checked)
    return {
        "providers": list(checked.providers),
        "sources": list(checked.sources),
        "nodes": checked.nodes,
        "supported": checked.supported,
        "partitions": checked.partitions,
        "crossing_bytes": checked.crossing_bytes,
        "mac_share": placement.mac_share_on(checked.providers[0]),
        "off": [each.to_json() for each in off_by_rules(checked)],
    }


def _rows(checked: Checked) -> Iterator[Mapping[str, Any]]:
    for each in checked.units:
        yield {
            "node": _name(each.unit.node),
            "op": each.unit.node.op_type,
            "with": [_name(node) for node in each.unit.nodes if node is not each.unit.node],
            "provider": each.provider,
            "partition": each.partition,
            "refused": {
                name: {"why": verdict.why, "mend": verdict.mend}
                for name, verdict in each.verdicts.items()
                if not verdict.supported
            },
        }


def _kernel(each: CheckedUnit) -> Kernel:
    node = each.unit.node
    return Kernel(
        name=_name(node),
        op_type=node.op_type,
        provider=each.provider,
        inputs=tuple(_described(operand) for operand in each.unit.inputs if operand is not None),
        outputs=tuple(_described(operand) for operand in each.unit.outputs),
        macs=_macs(node),
        integer=_on_integers(node) if each.provider == CPU else each.integer,
    )


def _macs(node: ir.Node) -> int | None:
    inputs = [dims_of(value) for value in node.inputs if value is not None]
    outputs = [dims_of(value) for value in node.outputs]
    if None in inputs or None in outputs:
        return kernel_macs(node.op_type, (), ())
    return kernel_macs(node.op_type, [shape or () for shape in inputs], [shape or () for shape in outputs])


def _on_integers(node: ir.Node) -> bool:
    """Whether the CPU's provider, behind the others, fuses the Q/DQ around a product into an integer kernel."""
    read = [value.producer() if value is not None else None for value in node.inputs[:2]]
    if not all(is_op(each, "DequantizeLinear") for each in read):
        return False
    readers = [user for value in node.outputs for user, _ in value.uses()]
    return node.op_type not in _QUANTIZED_RESULT or all(is_op(each, "QuantizeLinear") for each in readers)


def _described(operand: Operand) -> tuple[str, tuple[int, ...]]:
    dtype = operand.value.dtype
    name = "unknown" if dtype is None else _DTYPES.get(dtype.name, dtype.name.lower())
    return name, dims_of(operand.value) or ()


def _name(node: ir.Node) -> str:
    return str(node.name)
