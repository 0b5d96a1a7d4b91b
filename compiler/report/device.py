"""Targets for the terminal: facts with their sources, rules with the kernels they aim at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType

from ...passes.spec import Derived, Fixed, Given, OpRule, PerTensor, QuantSpec, Shared
from ...targets.find import ALIASES
from ...targets.spec import TargetSpec
from .layout import facts, heading, table
from .units import size

__all__ = ["rule_texts", "target_list", "target_report"]


def target_list(targets: Iterable[TargetSpec]) -> RenderableType:
    """Names, what they are, where their bundles run and where that can be proved without the device."""
    rows = [(target.name, _description(target), target.runtime, ", ".join(target.proof)) for target in targets]
    return table(("target", "description", "runtime", "proved on"), rows)


def _description(target: TargetSpec) -> str:
    return f"As {ALIASES[target.name]}" if target.name in ALIASES else target.description


def target_report(target: TargetSpec) -> Iterator[RenderableType]:
    """The parts of one target's report, in order."""
    memory = target.limits.memory_bytes
    yield facts(
        [
            ("target", target.name),
            ("description", target.description),
            ("family", target.family),
            ("instructions", target.isa),
            ("runtime", f"{target.runtime}: {', '.join(target.providers)}"),
            ("options", ", ".join(f"{name} = {value}" for name, value in target.provider_options.items()) or None),
            ("proved on", ", ".join(target.proof) or "nothing: checked, not executed"),
            ("checked by", ", ".join(target.support) or None),
            ("opset", f"{target.opset} to {target.max_opset}, IR version up to {target.max_ir_version}"),
            ("memory", "not known" if memory is None else size(memory)),
        ]
    )
    yield heading("Facts")
    yield table(("", "source", "date"), [(fact.statement, fact.source, fact.date) for fact in target.facts])
    yield heading("Rules (the first that matches an operator holds)")
    columns = ("ops", "role", "inputs", "weights", "outputs", "bias", "kernel")
    yield table(columns, [tuple(rule_texts(rule).values()) for rule in target.rules])


def spec_text(spec: QuantSpec | None) -> str:
    """`int8 symmetric per axis, 7 bits`."""
    if spec is None:
        return "float"
    words = [spec.dtype, "symmetric" if spec.symmetric else ""]
    if not isinstance(spec.granularity, PerTensor):
        words.append("per " + type(spec.granularity).__name__.removeprefix("Per").lower())
    return " ".join(filter(None, words)) + (f", {spec.bits - 1} bits" if spec.reduce_range else "")


def rule_texts(rule: OpRule) -> dict[str, str]:
    """A rule in words."""
    return {
        "ops": ", ".join(rule.ops),
        "role": rule.role,
        "inputs": spec_text(rule.inputs),
        "weights": "" if rule.weights is None else spec_text(rule.weights),
        "outputs": _outputs(rule) + (", or float" if rule.output == "optional" else ""),
        "bias": "int32" if rule.bias else "",
        "kernel": rule.why,
    }


def _outputs(rule: OpRule) -> str:
    match rule.outputs:
        case None:
            return "float"
        case Given(spec=spec):
            return spec_text(spec)
        case Fixed(spec=spec, scale=scale, zero_point=zero):
            return f"{spec_text(spec)}, scale {scale:.6g}, zero point {zero}"
        case Shared(with_=index):
            return f"as input {index}"
        case Derived():
            return "derived"
