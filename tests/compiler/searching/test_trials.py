"""No candidate is built and scored twice on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import onnx_ir as ir
import pytest
from support.graphs import model

from edgec.compiler.searching.bench import Bench
from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.compiler.searching.trials import Trials
from edgec.targets.policy import Policy

GOAL = Goal()
MODEL = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")


@dataclass
class Scores:
    """A bench that counts what it is asked."""

    thins: bool
    asked: list[bool] = field(default_factory=list)

    def forget(self) -> None: ...

    def score(self, model: ir.Model, *, roughly: bool = False) -> dict[str, Fidelity]:
        self.asked.append(roughly)
        return {"y": Fidelity(kind="values", noise=0.02 if roughly else 0.01, divergence=None, regret=None)}


def trials(bench: Scores) -> Trials:
    shop = SimpleNamespace(wide=True, policy=Policy(), trial=lambda names: SimpleNamespace(model=MODEL))
    return Trials(shop=shop, bench=bench, decide=None)  # type: ignore[arg-type]


def test_few_samples_are_scored_once() -> None:
    bench = Scores(thins=False)
    found, names = trials(bench), frozenset({"a"})
    loss = found.rough_loss(names, GOAL)
    assert found.excess(names, GOAL) == loss == found.rough_loss(names, GOAL) == 1.0
    assert bench.asked == [False]
    assert found.runs == 1


def test_many_samples_are_thinned_for_a_rough_score() -> None:
    bench = Scores(thins=True)
    found, names = trials(bench), frozenset({"a"})
    assert found.rough_loss(names, GOAL) == found.rough_loss(names, GOAL) == 2.0
    assert found.excess(names, GOAL) == 1.0
    assert bench.asked == [True, False]
    assert found.runs == 2


@pytest.mark.parametrize(("count", "thins"), [(1, False), (8, False), (15, False), (16, True), (64, True)])
def test_a_bench_thins_what_leaves_eight_samples(count: int, thins: bool) -> None:
    nothing = SimpleNamespace()
    bench = Bench(
        runtime=nothing, reference=nothing, samples=(nothing,) * count, source=nothing, references=(), forms={},
        workers=1, feeds={},
    )  # type: ignore[arg-type]  # fmt: skip
    assert bench.thins is thins
