"""Causes one by one: evidence, acquittal, and the experiment; against numbers worked out here."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.planted import Planted, conv, healthy, images

from edgec.compiler.coverage import outside, shift, window
from edgec.compiler.diagnose import diagnose_patient
from edgec.compiler.diagnosing.case import Case, robust_ratio
from edgec.compiler.diagnosing.causes import CAUSES
from edgec.compiler.diagnosing.causes.bias_overflow import BiasOverflow
from edgec.compiler.diagnosing.causes.outlier import Outlier
from edgec.compiler.diagnosing.causes.scale_clash import ScaleClash
from edgec.compiler.diagnosing.finding import Diagnosis
from edgec.compiler.diagnosing.laboratory import Laboratory
from edgec.compiler.diagnosing.patient import Patient
from edgec.compiler.diagnosing.portrait import Portrait, portraits, quantile
from edgec.compiler.diagnosing.saturated import saturates
from edgec.compiler.load import load_model
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.passes.observe.statistics import Histogram
from edgec.passes.quantize.params import from_range
from edgec.passes.spec import QuantSpec
from edgec.targets import find_target
from edgec.targets.pipeline import recipe_for
from edgec.targets.policy import Policy

A8 = QuantSpec(dtype="uint8", symmetric=False)


def examined(net: ir.Model, samples: list[Any], **policy: Any) -> Diagnosis:
    return diagnose_patient(patient(net, samples, **policy), threads=1)


def patient(net: ir.Model, samples: list[Any], **policy: Any) -> Patient:
    loaded = load_model(net).model
    spec, chosen = find_target("x86-64-vnni"), Policy(scheme="a8w8", **policy)
    return Patient(
        model=loaded,
        recipe=recipe_for(spec, chosen),
        policy=chosen,
        target=spec,
        calibration=open_samples(samples, inputs_of(loaded), role="calibration"),
    )


def case_of(net: ir.Model, samples: list[Any], **policy: Any) -> Case:
    of = patient(net, samples, **policy)
    laboratory = Laboratory(model=of.model, calibration=of.calibration, threads=1)
    decided = laboratory.decided(of.recipe.passes)
    return Case(
        laboratory=laboratory,
        target=of.target,
        policy=of.policy,
        passes=of.recipe.passes,
        isa=of.target.isa,
        decided=decided,
        portraits=portraits(laboratory, of.recipe.passes, decided),
    )


def chain(w2: np.ndarray, b2: np.ndarray, seed: int) -> ir.Model:
    rng = np.random.default_rng(seed)
    (w1, b1), (w3, b3) = conv(rng, 16, 4), conv(rng, 8, 16)
    return model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] y) {
            c1 = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
            r1 = Relu(c1)
            c2 = Conv <pads = [1, 1, 1, 1]> (r1, w2, b2)
            r2 = Relu(c2)
            y = Conv <pads = [1, 1, 1, 1]> (r2, w3, b3)
        }""",
        w1=w1, b1=b1, w2=w2, b2=b2, w3=w3, b3=b3,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_weight_spread(seed: int) -> None:
    """One column of a weight is far larger, and what it reads is far smaller."""
    rng = np.random.default_rng(seed)
    w2, b2 = conv(rng, 16, 16)
    channel, factor = int(rng.integers(16)), float(rng.uniform(60, 200))
    w2[:, channel] *= factor
    net = chain(w2, b2, seed)
    for name in ("w1", "b1"):
        array = net.graph.initializers[name].const_value.numpy().copy()
        array[channel] /= factor
        net.graph.initializers[name].const_value = ir.tensor(array, name=name)
    found = examined(net, images(16, seed=seed))
    assert found.cause == "weight spread"
    site = found.findings[0].sites[0]
    assert (site.name, site.nodes) == ("w2", ("c2",))
    assert site.evidence.startswith(f"input channel {channel} is ")
    assert found.best is not None
    assert found.best.repair.keeps_integers
    assert found.best.gain_db > 10


def test_single_elements_set_a_scale() -> None:
    rng = np.random.default_rng(0)
    samples = images(8, seed=0)
    assert Outlier().sites(case_of(chain(*conv(rng, 16, 16), 0), samples)) == []
    samples[3]["x"][0, 1, 4, 4] = 300.0
    sites = Outlier().sites(case_of(chain(*conv(rng, 16, 16), 0), samples, calibration_method="minmax"))
    assert "x" in {site.name for site in sites}
    assert any("half of all elements lie within" in site.evidence for site in sites)


def test_bias_overflow_has_evidence() -> None:
    rng = np.random.default_rng(0)
    w2, b2 = conv(rng, 16, 16)
    assert BiasOverflow().sites(case_of(chain(w2, b2, 0), images(4, seed=0))) == []
    w2[5] *= 1e-3
    b2[5] = 1000.0
    (site,) = BiasOverflow().sites(case_of(chain(w2, b2, 0), images(4, seed=0)))
    assert (site.name, site.nodes) == ("w2", ("c2",))
    assert site.evidence.startswith("bias 1e+03 of channel 5 raised the weights' scale ")


def test_a_clash_at_an_add() -> None:
    """The branch is 100 times smaller than what it is added to, and read where the large one cancels."""
    rng = np.random.default_rng(0)
    (wa, ba), (wb, bb) = conv(rng, 8, 4), conv(rng, 8, 4)
    net = model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] y) {
            a = Conv <pads = [1, 1, 1, 1]> (x, wa, ba)
            b = Conv <pads = [1, 1, 1, 1]> (x, wb, bb)
            sum = Add(a, b)
            y = Conv (sum, w)
        }""",
        wa=wa * 100, ba=ba, wb=wb, bb=bb, w=weights(8, 8, 1, 1),
    )  # fmt: skip
    (site,) = ScaleClash().sites(case_of(net, images(8, seed=0)))
    assert site.name == "sum"
    assert "under one scale" in site.evidence


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_healthy_model_has_no_evidence_of_note(cause: Any) -> None:
    planted: Planted = healthy(5)
    assert not list(cause.sites(case_of(planted.model, planted.calibration)))
    assert cause.meaning


@pytest.mark.parametrize(
    ("isa", "answer"), [("x86_64+avx2", True), ("x86_64+vnni", False), ("aarch64", False), ("aarch64+dotprod", False)]
)
def test_whose_kernels_saturate(isa: str, answer: bool) -> None:
    assert saturates(isa) is answer


def test_a_ratio_is_robust_to_dead_channels() -> None:
    assert robust_ratio(np.asarray([0, 0, 1, 1, 1, 50.0])) == (50.0, 0.25)
    assert robust_ratio(np.zeros(4)) == (1.0, 1.0)


def histogram(edges: list[float], counts: list[int]) -> Histogram:
    return Histogram(edges=np.asarray(edges, np.float64), counts=np.asarray(counts, np.int64))


def portrait(seen: Histogram) -> Portrait:
    low, high = float(seen.edges[0]), float(seen.edges[-1])
    return Portrait(
        name="v",
        params=from_range(A8, np.asarray(low), np.asarray(high)),
        low=low,
        high=high,
        axis=None,
        lows=np.asarray(low),
        highs=np.asarray(high),
        histogram=seen,
    )


def test_shares_outside_and_quantiles() -> None:
    seen = histogram([-4, -2, 0, 2, 4], [1, 2, 6, 1])
    assert outside(seen, -2.5, 1.9) == 0.1, "a bin counts when it lies wholly outside"
    assert outside(seen, -1.9, 1.9) == pytest.approx(0.2)
    assert quantile(seen, 0.8) == 2
    assert quantile(seen, 0.95) == 4
    low, high = window(from_range(A8, np.asarray(-1.0), np.asarray(1.55)))
    assert (low, high) == pytest.approx((-1.005, 1.555))


def test_the_shift_is_that_of_kolmogorov_and_smirnov() -> None:
    one, two = portrait(histogram([0, 1, 2], [5, 5])), portrait(histogram([0, 1, 2], [9, 1]))
    assert shift(one.histogram, one.histogram) == 0
    assert shift(one.histogram, two.histogram) == pytest.approx(0.4)
    assert shift(one.histogram, histogram([3, 4], [7])) == 1
