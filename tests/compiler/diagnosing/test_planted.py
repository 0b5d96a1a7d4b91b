"""Deliberately broken models are diagnosed to what was planted, and repaired; a healthy one is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from support.planted import FAULTS, Planted, healthy

from edgec.compiler.diagnose import diagnose_patient
from edgec.compiler.diagnosing.finding import Diagnosis
from edgec.compiler.diagnosing.patient import Patient
from edgec.compiler.load import load_model
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.targets import find_target
from edgec.targets.pipeline import recipe_for
from edgec.targets.policy import Policy

SEEDS = range(3)


def patient(planted: Planted, **policy: Any) -> Patient:
    model = load_model(planted.model).model
    target, chosen = find_target("x86-64-vnni"), Policy(scheme="a8w8", **policy)
    inputs = inputs_of(model)
    return Patient(
        model=model,
        recipe=recipe_for(target, chosen),
        policy=chosen,
        target=target,
        calibration=open_samples(planted.calibration, inputs, role="calibration"),
        evaluation=open_samples(planted.evaluation, inputs, role="evaluation"),
    )


def diagnosed(planted: Planted, **policy: Any) -> Diagnosis:
    return diagnose_patient(patient(planted, **policy), threads=1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_planted_cause_is_named_and_repaired(fault: str, seed: int) -> None:
    planted = FAULTS[fault](seed)
    found = diagnosed(planted)
    assert found.cause == planted.cause
    assert found.findings[0].sites[0].name == planted.place
    assert found.findings[0].recovered is not None
    assert found.findings[0].recovered > 0.9
    broken = found.sqnr_db if planted.cause != "calibration mismatch" else found.unseen_db
    assert broken is not None
    assert broken < 22
    assert found.best is not None
    assert found.best.gain_db > 12, "the repair was measured, and gives back what was lost"
    assert found.best.repair.lines


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_model_is_healthy(seed: int) -> None:
    found = diagnosed(healthy(seed))
    assert found.healthy
    assert found.cause is None
    assert found.sqnr_db > 28


@pytest.mark.parametrize("fault", ["outlier_channel", "clashing_concat", "saturating_sigmoid"])
def test_the_repair_keeps_integers_where_it_can(fault: str) -> None:
    best = diagnosed(FAULTS[fault](0)).best
    assert best is not None
    assert best.repair.keeps_integers
    assert best.integer_share == 1


def test_error_is_born_where_it_was_planted() -> None:
    """It shows at every layer behind the first one, and is born there."""
    found = diagnosed(FAULTS["outlier_channel"](1))
    assert (found.births[0].node, found.births[0].value) == ("c1", "r1")
    assert found.births[0].share > 0.5
    assert sum(birth.share for birth in found.births) == pytest.approx(1)
    by_name = {name: sqnr for _, name, sqnr in found.curve}
    assert max(by_name["r2"], by_name["y"]) < by_name["x"] - 15


def test_a_repaired_model_is_healthy() -> None:
    planted = FAULTS["saturating_sigmoid"](3)
    best = diagnosed(planted).best
    assert best is not None
    again = diagnosed(planted, **best.repair.settings)
    assert again.healthy
    assert again.sqnr_db == pytest.approx(best.sqnr_db, abs=0.01)


def test_the_guilty_values_are_shown() -> None:
    (portrait,) = diagnosed(FAULTS["saturating_sigmoid"](0)).guilty
    assert portrait.name == "gate"
    assert portrait.high - portrait.low > 100


def test_the_same_case_gives_the_same_diagnosis() -> None:
    one, two = (diagnosed(FAULTS["clashing_concat"](2)).to_json() for _ in range(2))
    assert one == two
