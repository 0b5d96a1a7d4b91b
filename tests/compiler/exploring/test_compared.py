"""What is better, by how much more than chance, and which point that makes the one to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgec.compiler.contract import CLAUSE_KINDS, ClauseResult, Limit, Status, Verdict
from edgec.compiler.exploring.budget import nearest_point
from edgec.compiler.exploring.objectives import OBJECTIVES, Comparison, check_objectives
from edgec.compiler.exploring.point import Measured, Point
from edgec.compiler.exploring.recommend import recommend
from edgec.compiler.exploring.standing import standings
from edgec.compiler.metrics import metric_named
from edgec.errors import OptionError

Make = Callable[..., Point]
ACCURACY, LATENCY, SIZE = (OBJECTIVES[name] for name in ("accuracy", "latency", "size"))


def compared(points: Sequence[Point], *by: str, **seconds: tuple[float, float, float]) -> Comparison:
    latency = {
        point.name: Measured(value=value, low=low, high=high)
        for point in points
        if (found := seconds.get(point.candidate.recipe)) is not None
        for value, low, high in [found]
    }
    return Comparison.of(points, by, latency=latency, memory={}, why={"latency": "nobody timed it"})


def right(count: int, n: int = 100, *, skip: int = 0) -> list[int]:
    """Right on `count` of `n` samples, wrong on those from `skip` on."""
    found = [1] * n
    found[skip : skip + n - count] = [0] * (n - count)
    return found


def test_accuracy_is_compared_in_pairs(made: Make) -> None:
    good, worse = made("m/good", right(98)), made("m/worse", right(80))
    # As accurate as the other by itself, but wrong on the same samples and on more.
    near = made("m/near", right(96))
    found = compared([good, worse, near], "accuracy")
    assert found.surely_better(good, worse, ACCURACY)
    assert not found.surely_better(worse, good, ACCURACY)
    assert not found.surely_better(good, good, ACCURACY)
    # 2 of 100 samples that only one is right on: the interval of the difference reaches 0.
    assert not found.surely_better(good, near, ACCURACY)


def test_pairs_see_what_intervals_do_not(made: Make) -> None:
    """80% and 88%: each in the other's interval, but never wrong where the other is right."""
    good, worse = made("m/good", right(88)), made("m/worse", right(80))
    assert compared([good, worse], "accuracy").surely_better(good, worse, ACCURACY)
    # As many right, on other samples: the difference may be either way.
    other = made("m/other", right(80, skip=50))
    assert not compared([good, other], "accuracy").surely_better(good, other, ACCURACY)


def test_other_samples_are_not_pairs(made: Make) -> None:
    good, worse = made("m/good", right(88)), made("m/worse", right(80))
    worse.proof["evaluation"]["digest"] = "other"
    # Then intervals decide, and these have none: they are exact.
    assert compared([good, worse], "accuracy").surely_better(good, worse, ACCURACY)
    worse.proof["evaluation"]["metric"]["value_interval"] = [0.7, 0.89]
    assert not compared([good, worse], "accuracy").surely_better(good, worse, ACCURACY)


def test_times_are_apart_where_their_intervals_are(made: Make) -> None:
    points = [made("m/a", None), made("m/b", None), made("m/c", None)]
    found = compared(points, "latency", a=(1.0, 0.9, 1.1), b=(1.05, 0.95, 1.15), c=(2.0, 1.8, 2.2))
    assert not found.surely_better(points[0], points[1], LATENCY)
    assert found.surely_better(points[0], points[2], LATENCY)


def test_what_not_every_point_has_is_left_out(made: Make) -> None:
    points = [made("m/a", right(90)), made("m/b", right(80))]
    found = compared(points, "accuracy", "latency", "memory", "size", a=(1.0, 1.0, 1.0))
    assert [each.id for each in found.objectives] == ["accuracy", "size"]
    assert found.notes == (
        "latency is not compared: nobody timed it",
        "memory is not compared: it was not measured of every point",
    )


def test_models_without_labels_have_no_accuracy(made: Make) -> None:
    found = compared([made("m/a", None), made("n/a", None)], "accuracy", "size")
    assert [each.id for each in found.objectives] == ["size"]
    assert found.notes == ("accuracy is not compared: there are no labels",)


def test_a_metric_where_less_is_better(made: Make) -> None:
    points = [
        replace(made(name, right(count)), metric=metric_named("mse")) for name, count in (("m/a", 90), ("m/b", 80))
    ]
    found = compared(points, "accuracy")
    assert not found.objectives[0].higher
    assert standings(found)["m/b"].front
    assert standings(found)["m/a"].beaten_by == "m/b"


def test_standings_say_what_is_chance(made: Make) -> None:
    points = [
        made("m/best", right(90), 50),
        made("m/lucky", right(91), 80),  # larger, more accurate by one sample
        made("m/unlucky", right(89), 50),  # beaten by one sample
        made("m/bad", right(50), 90),
    ]
    found = standings(compared(points, "accuracy", "size"))
    assert [found[point.name].front for point in points] == [True, True, False, False]
    assert [found[point.name].told for point in points] == [
        "", "better than m/best by no more than noise (accuracy)", "not distinguishable from m/best", "",
    ]  # fmt: skip
    assert (found["m/unlucky"].beaten_by, found["m/bad"].beaten_by) == ("m/best", "m/best")


def test_the_cheapest_of_those_that_are_as_good(made: Make) -> None:
    points = [made("m/lucky", right(91), 80), made("m/good", right(90), 50), made("m/bad", right(60), 10)]
    both = compared(points, "accuracy", "size")
    best = recommend(both, {"m/lucky", "m/good", "m/bad"})
    assert best is not None
    assert (best.point.name, best.reasons) == (
        "m/good",
        (
            "3 of 3 points keep the contract",
            "m/lucky is the most accurate; not distinguishable from it: m/good",
            "m/good is the smallest",
        ),
    )
    # The order is the user's.
    first = recommend(compared(points, "size", "accuracy"), {"m/lucky", "m/good", "m/bad"})
    assert first is not None
    assert (first.point.name, first.reasons[1:]) == ("m/bad", ("m/bad is the smallest",))


def test_only_points_within_the_contract_are_taken(made: Make) -> None:
    points = [made("m/a", right(95), 80), made("m/b", right(60), 90)]
    both = compared(points, "accuracy", "size")
    only = recommend(both, {"m/b"})
    assert only is not None
    assert (only.point.name, only.reasons) == ("m/b", ("1 of 2 points keep the contract", "m/b is the most accurate"))
    assert recommend(both, set()) is None


def test_points_that_are_alike_are_taken_in_order(made: Make) -> None:
    points = [made("m/a", right(90), 50), made("m/b", right(90), 50)]
    best = recommend(compared(points, "accuracy", "size"), {"m/a", "m/b"})
    assert best is not None
    assert best.point.name == "m/a"
    assert best.reasons[-1] == "m/a is the best of them as measured"
    assert [each.front for each in standings(compared(points, "accuracy", "size")).values()] == [True, True]


def result(name: str, measured: float, status: Status, limit: str) -> ClauseResult:
    return ClauseResult(
        id=name, limit=Limit.parse(limit, CLAUSE_KINDS[name], where=""), measured=measured, status=status
    )


def test_the_nearest_breaks_the_fewest_then_decides_the_most_then_is_least_off(made: Make) -> None:
    points = [made(f"m/{name}", None) for name in ("two", "far", "near", "undecided")]
    verdicts = {
        "m/two": Verdict.of([result("size", 1.1, "broken", "1MB"), result("sqnr", 19, "broken", "20dB")]),
        "m/far": Verdict.of([result("size", 3, "broken", "1MB"), result("sqnr", 30, "met", "20dB")]),
        "m/near": Verdict.of([result("size", 1.2, "broken", "1MB"), result("sqnr", 30, "met", "20dB")]),
        "m/undecided": Verdict.of([result("size", 1, "met", "1MB"), result("sqnr", 20, "inconclusive", "20dB")]),
    }
    assert nearest_point(points, verdicts).name == "m/undecided"
    assert nearest_point(points[:3], verdicts).name == "m/near"
    assert nearest_point(points[:2], verdicts).name == "m/far"


def test_verdicts_come_back_from_json() -> None:
    oldest = Limit.parse("1.20", CLAUSE_KINDS["oldest_onnxruntime"], where="")
    results = [
        result("size", 1.5, "met", "2MB"),
        ClauseResult(id="golden", limit=None, measured=0.0, status="met"),
        ClauseResult(id="oldest_onnxruntime", limit=oldest, measured=None, status="unknown", reason="?"),
        replace(result("sqnr", 9.5, "met", "3dB"), interval=(9.0, 10.0), n=7, reason="worst output: y"),
    ]
    assert [ClauseResult.from_json(each.to_json()) for each in results] == results


@pytest.mark.parametrize(
    ("names", "models", "message"),
    [
        (["szie"], 1, "--by szie: is nothing to compare by, did you mean 'size'? Choose among accuracy, latency, size, "
                      "memory, sqnr."),
        (["size", "size"], 1, "--by size,size: names one twice. Name each once."),
        (["sqnr"], 2, "--by sqnr: is against each model's own float, and says nothing of one model against another. "
                      "Compare different models by accuracy."),
    ],
)  # fmt: skip
def test_nothing_to_compare_by(names: list[str], models: int, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_objectives(names, models=models)
    assert str(caught.value) == message


def test_the_draws_are_seeded(made: Make) -> None:
    """Twice the same points, twice the same answers."""
    rng = np.random.default_rng(0)
    points = [made(f"m/{index}", list(map(int, rng.random(60) < 0.8)), index) for index in range(6)]

    def answers() -> list[Any]:
        found = compared(points, "accuracy", "size")
        return [found.surely_better(a, b, ACCURACY) for a in points for b in points] + [standings(found)]

    assert answers() == answers()
