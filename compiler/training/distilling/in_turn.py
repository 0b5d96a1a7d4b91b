"""Blocks of a graph that learn one after the other: each makes what the teacher's makes of what the student gives it.

    min over the block's weights and scales:  ‖f̂(x̂) - f(x)‖²,    x̂ mixed element by element with the float x

Y. Li et al., "BRECQ" (2021, arXiv 2102.05426), section 3.2: blocks, not layers and not the whole, keep what layers have
to do with each other and ask for few samples. X. Wei et al., "QDrop" (2022, arXiv 2203.05740), section 3.2: half of
what a block reads stays float, drawn anew every step, so that it does not fit one noise. Roundings are learned by the
straight-through estimator with their scales; AdaRound's of single layers is `passes/round/adaround.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..graph.module import GraphModule
from .compared import Compared, Loss
from .losses import of_features, of_outputs

__all__ = ["Block", "blocks_of"]

_DROPPED = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One part of a graph.

    Attributes:
        learns: Names of the initializers that learn.
        loss: Of a step.
    """

    learns: frozenset[str]
    loss: Loss


def blocks_of(
    student: GraphModule, teacher: GraphModule, ends: Sequence[str], compared: Compared, *, seed: int
) -> list[Block]:
    """The blocks between some values, and the last one up to the outputs.

    Args:
        student: Learns.
        teacher: The same graph in float.
        ends: Values that blocks end in, in the order of the graph.
        compared: The outputs, and how they are compared.
        seed: Of what stays float.
    """
    made: list[Block] = []
    known = set[str]()
    for end, begin in zip((*ends, None), (None, *ends), strict=True):
        wanted = compared.outputs if end is None else (end,)
        given = () if begin is None else (begin,)
        learns = frozenset(student.parameters_in(student.plan(wanted, given))) - known
        known |= learns
        made.append(Block(learns=learns, loss=_loss(student, teacher, wanted, given, compared, end is None, seed)))
    return [block for block in made if block.learns]


def _loss(
    student: GraphModule,
    teacher: GraphModule,
    wanted: tuple[str, ...],
    given: tuple[str, ...],
    compared: Compared,
    last: bool,
    seed: int,
) -> Loss:
    def of(step: int, feeds: Mapping[str, Tensor]) -> Tensor:
        generator = torch.Generator().manual_seed((seed << 32) + step)
        with torch.no_grad():
            theirs = teacher.compute(feeds, (*wanted, *given))
            rounded = student.compute(feeds, given) if given else {}
        mixed = {}
        for name, value in rounded.items():
            dropped = torch.rand(value.shape, generator=generator).to(value.device) < _DROPPED
            mixed[name] = torch.where(dropped, theirs[name], value)
        ours = student.compute(feeds, wanted, mixed)
        target = {name: theirs[name] for name in wanted}
        return of_outputs(ours, target, compared.logits) if last else of_features(ours, target)

    return of
