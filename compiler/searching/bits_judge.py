"""Whether limits on accuracy are kept, as far as calibration samples can tell.

Labels say it by the limits themselves. Without them only noise is seen: what the search takes for safe
(`goal.Goal`), beside limits on SQNR, cosine and errors, which need no labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from .bench import Bench
from .goal import Goal
from .verify import Verifier, answer_of

__all__ = ["BitsJudge"]


@dataclass(kw_only=True, slots=True)
class BitsJudge:
    """Judges candidates on calibration samples.

    Attributes:
        verifier: Asks the samples what evaluation samples will be asked.
        bench: Scores noise on them.
        goal: What of it is taken for safe.
    """

    verifier: Verifier
    bench: Bench
    goal: Goal

    def keeps(self, model: ir.Model) -> bool:
        """Whether a model keeps the limits; it is not changed."""
        results = self.verifier.judge(model)
        if answer_of(results).factor > 1:
            return False
        if all(each.status != "unknown" for each in results):
            return True
        self.bench.forget()
        return self.goal.excess(self.bench.score(model)) <= 1
