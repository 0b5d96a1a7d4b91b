"""Layers that saturate on AVX2 are named without one, what they cost is computed, and 7 bits there give it back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.planted import Planted, images, saturating

import edgec
from edgec.compiler.diagnose import diagnose, diagnose_patient
from edgec.compiler.diagnosing.avx2_kernels import Avx2Kernels
from edgec.compiler.diagnosing.finding import Diagnosis
from edgec.compiler.diagnosing.patient import Patient
from edgec.compiler.diagnosing.saturated import Saturated, predict
from edgec.compiler.diagnosing.subject import open_subject
from edgec.compiler.load import load_model
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.runtimes import runtime
from edgec.targets import find_target
from edgec.targets.pipeline import recipe_for
from edgec.targets.policy import Policy

AVX2 = "x86_64+avx2"
SEEDS = range(3)


def bundle_of(planted: Planted, folder: Path, **options: Any) -> Path:
    """Compiled for VNNI, where 8-bit weights are right."""
    edgec.compile(
        planted.model,
        target="x86-64-vnni",
        calibration=planted.calibration,
        output=folder,
        scheme="a8w8",
        prove=False,
        overwrite=True,
        **options,
    )
    return folder


def predicted(bundle: Path, planted: Planted, isa: str = AVX2) -> tuple[Saturated, ...]:
    net = open_subject(bundle).model
    return predict(net, open_samples(planted.evaluation, inputs_of(net), role="evaluation"), isa=isa)


def sqnr(bundle: Path, planted: Planted, *, avx2: bool) -> float:
    """Signal over noise of the outputs against float, in dB, as AVX2 or as VNNI computes them."""
    here = runtime("onnxruntime-cpu")
    session = Avx2Kernels(here, saturate=avx2).open(bundle / "model.onnx")
    reference = here.open(ir.serde.serialize_model(planted.model).SerializeToString())
    pairs = [(reference.run(feeds), session.run(feeds)) for feeds in planted.evaluation]
    noise = sum(np.square(y[name] - x[name]).sum() for x, y in pairs for name in x)
    return float(10 * np.log10(sum(np.square(x[name]).sum() for x, _ in pairs for name in x) / noise))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("faults", [1, 2])
def test_the_planted_layers_are_named_and_repaired(seed: int, faults: int, tmp_path: Path) -> None:
    planted, names = saturating(seed, faults=faults)
    broken = bundle_of(planted, tmp_path / "broken")
    found = predicted(broken, planted)
    assert {each.node for each in found if each.loud} == set(names)
    assert sorted(each.loss_db for each in found) == [each.loss_db for each in found], "the worst first"
    assert predicted(broken, planted, "x86_64+avx512_vnni") == ()
    assert predicted(broken, planted, "aarch64+dotprod") == ()
    exact, lost = sqnr(broken, planted, avx2=False), sqnr(broken, planted, avx2=True)
    assert exact > 25
    assert lost < 15
    patterns = tuple(f"^{name}$" for name in names)
    mended = bundle_of(planted, tmp_path / "mended", reduce_range_nodes=patterns)
    assert predicted(mended, planted) == ()
    assert sqnr(mended, planted, avx2=True) > exact - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_model_names_none(seed: int, tmp_path: Path) -> None:
    planted, _ = saturating(seed, faults=0)
    bundle = bundle_of(planted, tmp_path / "out")
    assert predicted(bundle, planted) == ()
    assert sqnr(bundle, planted, avx2=True) == sqnr(bundle, planted, avx2=False)


def patient(planted: Planted, target: str, *, isa: str = "", **policy: Any) -> Patient:
    net = load_model(planted.model).model
    spec, chosen = find_target(target), Policy(scheme="a8w8", **policy)
    return Patient(
        model=net,
        recipe=recipe_for(spec, chosen),
        policy=chosen,
        target=spec,
        calibration=open_samples(planted.calibration, inputs_of(net), role="calibration"),
        isa=isa,
    )


def diagnosed(planted: Planted, target: str, **options: Any) -> Diagnosis:
    return diagnose_patient(patient(planted, target, **options), threads=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_diagnosis_reduces_those_layers_alone(seed: int) -> None:
    """Full range asked for on AVX2: the cause, the layers, and the repair with what it gives there."""
    planted, names = saturating(seed)
    found = diagnosed(planted, "x86-64-avx2", reduce_range=False)
    assert found.cause == planted.cause
    assert {site.name for site in found.findings[0].sites} == set(names)
    assert found.findings[0].recovered > 0.9
    assert found.sqnr_db < 15
    assert found.best is not None
    assert set(found.best.repair.settings["reduce_range_nodes"]) == {f"^{name}$" for name in names}
    assert found.best.predicted
    assert found.best.gain_db > 12
    assert found.best.integer_share == 1
    assert found.best.repair.lines[0].startswith("reduce_range_nodes = [")
    assert (
        "outputs are those of x86_64+avx2, computed bit for bit as its kernels add: nothing ran on one" in found.notes
    )


def test_a_bundle_for_vnni_is_examined_for_avx2() -> None:
    planted, names = saturating(0)
    assert diagnosed(planted, "x86-64-vnni").cause is None
    found = diagnosed(planted, "x86-64-vnni", isa=AVX2)
    assert found.cause == "kernel saturation"
    assert {site.name for site in found.findings[0].sites} == set(names)


def test_the_target_itself_saturates_nowhere() -> None:
    planted, _ = saturating(0)
    found = diagnosed(planted, "x86-64-avx2")
    assert found.cause is None
    assert found.sqnr_db > 25


def test_a_repaired_model_is_healthy() -> None:
    planted, _ = saturating(1)
    best = diagnosed(planted, "x86-64-avx2", reduce_range=False).best
    assert best is not None
    again = diagnosed(planted, "x86-64-avx2", reduce_range=False, **best.repair.settings)
    assert again.cause is None
    assert again.sqnr_db == pytest.approx(best.sqnr_db, abs=0.01)


def test_from_a_bundle_and_the_name_of_a_target(tmp_path: Path) -> None:
    planted, names = saturating(2)
    bundle = bundle_of(planted, tmp_path / "out")
    found = diagnose(
        bundle, model=planted.model, calibration=planted.calibration, on="x86-64-avx2", threads=1, plots=tmp_path / "p"
    )
    assert {site.name for site in found.findings[0].sites} == set(names)
    words = (
        r"\d+\.\d\d% of the sums of two products exceed 16 bits on x86_64\+avx2, "
        r"which leaves \d+ dB of the result \(computed as its kernels do\)"
    )
    assert all(re.fullmatch(words, site.evidence) for site in found.findings[0].sites)


def test_dynamic_integers_saturate_too(tmp_path: Path) -> None:
    """Zero points known only when it runs; 7 bits where asked, and by default on AVX2."""
    rng = np.random.default_rng(0)
    large = (rng.choice([-1, 1], (64, 16)) * rng.uniform(0.9, 1, (64, 16))).astype(np.float32)
    net = model(
        """net (float[4, 64] x) => (float[4, 8] y) {
            h = MatMul(x, large)
            y = MatMul(h, small)
        }""",
        large=large, small=np.abs(weights(16, 8)) * np.resize([1, -1], (16, 1)).astype(np.float32),
    )  # fmt: skip
    feeds = [{"x": rng.standard_normal((4, 64)).astype(np.float32)} for _ in range(4)]
    planted = Planted(model=net, calibration=feeds, evaluation=feeds, cause=None)

    def compiled(target: str, **options: Any) -> Path:
        folder = tmp_path / "out"
        edgec.compile(net, target=target, output=folder, scheme="d8w8", prove=False, overwrite=True, **options)
        return folder

    full = compiled("x86-64-vnni")
    (found,) = predicted(full, planted)
    assert (found.op, found.loud) == ("MatMulInteger", True)
    assert found.node.startswith("h")
    assert sqnr(full, planted, avx2=True) < 20 < sqnr(full, planted, avx2=False)
    for folder in (compiled("x86-64-vnni", reduce_range_nodes=("^h$",)), compiled("x86-64-avx2")):
        assert predicted(folder, planted) == ()


def test_seven_bits_are_never_left_by_learned_rounding(tmp_path: Path) -> None:
    """Whatever chooses the integers keeps them in the range that was asked for."""
    planted, names = saturating(0, layers=2, faults=1)
    for rounding in ("gptq", "adaround"):
        bundle = bundle_of(planted, tmp_path / "out", rounding=rounding, reduce_range_nodes=(f"^{names[0]}$",))
        largest = {
            name: int(np.abs(value.const_value.numpy().astype(int)).max())
            for name, value in open_subject(bundle).model.graph.initializers.items()
            if value.const_value is not None and value.const_value.dtype == ir.DataType.INT8 and len(value.shape) == 4
        }
        assert len(largest) == 2
        assert sorted(top <= 63 for top in largest.values()) == [False, True], largest


def test_samples_that_are_not_looked_at_cost_nothing() -> None:
    planted, _ = saturating(0)
    net = recipe_model(planted)
    many = open_samples([*planted.calibration, *images(20, seed=9)], inputs_of(net), role="calibration")
    assert predict(net, many, isa=AVX2, most=4) == predict(
        net, open_samples(planted.calibration[:4], inputs_of(net), role="calibration"), isa=AVX2
    )


def recipe_model(planted: Planted) -> ir.Model:
    from edgec.compiler.diagnosing.laboratory import Laboratory

    of = patient(planted, "x86-64-vnni")
    return Laboratory(model=of.model, calibration=of.calibration, threads=1).variant(of.recipe.passes)
