"""One case under examination: the recipe, the decided model, and what was seen of its values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ...passes.base import Pass
from ...passes.edit import constant_array
from ...passes.quantize.decision import Decision, decided_nodes
from ...passes.spec import QuantSpec
from ...targets.policy import Policy
from ...targets.spec import TargetSpec
from ..samples import Samples
from .laboratory import Laboratory
from .portrait import Portrait

__all__ = ["Case", "Site", "Weight", "alive_of", "robust_ratio"]

_DEAD = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One place where a cause shows.

    Attributes:
        name: A value or a node.
        severity: How far beyond ordinary, larger is worse; ranks the sites of one cause.
        evidence: The numbers behind it, in a sentence.
        nodes: Nodes that would have to stay float to avoid it.
        values: Values whose rounding it is about.
    """

    name: str
    severity: float
    evidence: str
    nodes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weight:
    """The constant operand of a node that runs in integers."""

    node: ir.Node
    value: ir.Value
    array: np.ndarray
    spec: QuantSpec


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Case:
    """Everything a cause may look at.

    Attributes:
        laboratory: Runs experiments.
        target, policy, passes: What the bundle was compiled for and with.
        isa: Instruction set whose kernels it is examined on: the target's, or another's it is to run on.
        decided: The prepared float model, decisions and params on it.
        portraits: What calibration samples show of every quantized value.
        unseen: The same of evaluation samples; empty without them.
        recalibration: Evaluation samples an experiment may observe; None without them.
    """

    laboratory: Laboratory
    target: TargetSpec
    policy: Policy
    passes: tuple[Pass, ...]
    isa: str
    decided: ir.Model
    portraits: Mapping[str, Portrait]
    unseen: Mapping[str, Portrait] = field(default_factory=dict)
    recalibration: Samples | None = None

    def nodes(self) -> Iterator[tuple[ir.Node, Decision]]:
        """Nodes that run in integers, in graph order."""
        return decided_nodes(self.decided.graph)

    def weights(self) -> Iterator[Weight]:
        """Constant operands of nodes that carry MACs."""
        for node, decision in self.nodes():
            if decision.weight is None or (decision.rule.role != "compute" and node.op_type != "Conv"):
                continue
            index, spec = decision.weight
            value = node.inputs[index]
            array = constant_array(value)
            if value is not None and array is not None:
                yield Weight(node=node, value=value, array=array, spec=spec)

    def readers(self, values: Collection[str]) -> tuple[str, ...]:
        """Nodes that read one of these values in integers."""
        return tuple(
            str(node.name)
            for node, _ in self.nodes()
            if any(each is not None and each.name in values for each in node.inputs)
        )

    def around(self, value: str) -> tuple[str, ...]:
        """Nodes that write a value and those that read it: all of them must be float for it to be."""
        writers = [str(n.name) for n, d in self.nodes() if d.output is not None and d.output.name == value]
        return (*writers, *self.readers({value}))


def alive_of(magnitudes: np.ndarray) -> np.ndarray:
    """Magnitudes within a factor 10^4 of the largest: what lies below is dead at any width of integers."""
    found = np.asarray(magnitudes, np.float64)
    return np.asarray(found[found > _DEAD * found.max(initial=0.0)])


def robust_ratio(magnitudes: np.ndarray) -> tuple[float, float]:
    """Largest magnitude over the median of those alive, and the share of channels within a factor 4 of it."""
    alive = alive_of(magnitudes)
    if alive.size < 2:
        return 1.0, 1.0
    top = float(alive.max())
    return top / float(np.median(alive)), float(np.mean(alive > top / 4))
