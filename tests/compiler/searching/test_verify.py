"""How much tighter a goal becomes when evaluation samples refuse a candidate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgec.compiler.clauses import Limit
from edgec.compiler.contract import ClauseResult, Contract
from edgec.compiler.proving.proof import EvaluationProof, MetricProof
from edgec.compiler.searching.verify import Answer, Verifier, within_reach


class Told(Verifier):
    """A verifier that is told what evaluation samples say."""

    __slots__ = ()
    results: tuple[ClauseResult, ...] = ()

    def judge(self, model: object) -> tuple[ClauseResult, ...]:
        return type(self).results


def verifier(*results: ClauseResult) -> Verifier:
    kind = type("ToldNow", (Told,), {"results": results, "__slots__": ()})
    made: Verifier = kind(
        runtime=None, source=None, samples=None, contract=Contract(), metric=None, seed=0, progress=None
    )
    return made


def sqnr(measured: float, status: str) -> ClauseResult:
    return ClauseResult(id="sqnr", limit=Limit(value=30, unit="dB"), measured=measured, status=status)  # type: ignore[arg-type]


def drop(status: str, measured: float = 2.0) -> ClauseResult:
    return ClauseResult(id="accuracy_drop", limit=Limit(value=1, unit="pt"), measured=measured, status=status)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("results", "factor"),
    [
        ((), 1.0),
        ((sqnr(31, "met"), drop("met")), 1.0),
        ((sqnr(27.5, "broken"),), 10**0.3),  # what is missing, and half a decibel
        ((drop("broken"),), 2.0),
        ((drop("inconclusive"),), 2.0),  # measured beyond the limit
        ((drop("inconclusive", 0.9),), 1.0),
        ((sqnr(29.5, "broken"), drop("broken")), 2.0),
        ((drop("unknown"),), 1.0),  # no labels: nothing a search can do about it
    ],
)
def test_the_goal_becomes_tighter_by_what_is_missing(results: tuple[ClauseResult, ...], factor: float) -> None:
    assert verifier(*results).tighter(None) == pytest.approx(factor)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "interval", "undecided"),
    [
        (0.8, (0.2, 1.6), True),  # 0.8 above what was measured: without a loss these samples would be sure
        (0.8, (-1.0, 1.8), False),  # never, whatever the model
        (2.0, (0.5, 2.6), False),  # missed: refused
    ],
)
def test_samples_that_could_be_sure(measured: float, interval: tuple[float, float], undecided: bool) -> None:
    result = replace(drop("inconclusive", measured), interval=interval)
    assert verifier(result).ask(None).undecided is undecided  # type: ignore[arg-type]
    met = replace(result, status="met")
    assert verifier(met).ask(None) == Answer()  # type: ignore[arg-type]


def test_only_limits_on_accuracy_are_asked() -> None:
    contract = Contract.from_flags(max_drop="1pt", max_size="5MB", min_sqnr="30dB", max_latency_ratio="1x")
    found = Verifier(
        runtime=None,
        source=None,
        samples=None,
        contract=contract,
        metric=None,
        seed=0,
        progress=None,  # type: ignore[arg-type]
    )
    assert [clause.id for clause in found.clauses] == ["accuracy_drop", "sqnr"]


@pytest.mark.parametrize(
    ("limit", "float_value", "asked"),
    [
        ("90%", 0.99, ["accuracy_drop", "accuracy"]),
        ("90%", 0.89, ["accuracy_drop", "accuracy"]),  # its interval still holds the limit
        ("90%", 0.50, ["accuracy_drop"]),  # no search makes up for what the model never learned
        ("90%", None, ["accuracy_drop", "accuracy"]),
    ],
)
def test_what_float_breaks_itself_is_not_searched_for(limit: str, float_value: float | None, asked: list[str]) -> None:
    interval = None if float_value is None else (float_value - 0.02, float_value + 0.02)
    metric = MetricProof(
        name="top1", direction="higher", unit="pt", n=500, float_value=float_value, float_interval=interval,
        value=0.4, value_interval=(0.38, 0.42), drop=None, drop_interval=None,
    )  # fmt: skip
    found = EvaluationProof(origin="eval", digest="d", samples=500, steps=500, outputs=(), metric=metric)
    clauses = Contract.from_flags(max_drop="1pt", min_accuracy=limit).clauses
    assert [clause.id for clause in within_reach(clauses, found)] == asked
    unlabelled = replace(found, metric=None)
    assert within_reach(clauses, unlabelled) == tuple(clauses)
