"""What of a student is compared with its teacher, and the loss of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....errors import OptionError
from ..graph.module import GraphModule
from .losses import of_features, of_outputs

__all__ = ["Compared", "Loss"]

# Of a step's feeds.
Loss = Callable[[int, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Values by name.

    Attributes:
        outputs: Of the graph.
        logits: Those among them that are distributions over their last axis.
        features: Values inside.
        feature_weight: How much the features count.
    """

    outputs: tuple[str, ...]
    logits: tuple[str, ...]
    features: tuple[str, ...]
    feature_weight: float

    def check(self, modules: Sequence[GraphModule], blocks: Sequence[str] = ()) -> None:
        """Refuse names that a module has no value of.

        Args:
            modules: The student's and the teacher's.
            blocks: More names.

        Raises:
            OptionError: There is such a name.
        """
        for name in self.logits:
            if name not in self.outputs:
                raise OptionError(
                    f"logits {name!r}",
                    "is not an output that is compared",
                    remedy=f"Name one of {', '.join(self.outputs)}",
                )
        for what, name in (*(("features", each) for each in self.features), *(("blocks", each) for each in blocks)):
            if not all(module.has(name) for module in modules):
                raise OptionError(
                    f"{what} {name!r}",
                    "is not a value of both the float graph and the student's",
                    remedy="Name values that `edgec inspect` lists; some are fused away for the target",
                )

    def loss(self, student: GraphModule, teacher: GraphModule) -> Loss:
        """The loss of a student on feeds, beside what the teacher answers to them."""
        wanted = (*self.outputs, *self.features)

        def of(step: int, feeds: Mapping[str, Tensor]) -> Tensor:
            del step
            with torch.no_grad():
                theirs = teacher.compute(feeds, wanted)
            ours = student.compute(feeds, wanted)
            total = of_outputs(ours, {name: theirs[name] for name in self.outputs}, self.logits)
            return total + self.feature_weight * of_features(ours, {name: theirs[name] for name in self.features})

        return of
