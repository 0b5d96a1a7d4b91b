from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from outlier_layer import OutlierLayer
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on
from weight_only_cell import Cell, Counts, _Applicable, _NotApplicable, cell, kept
from weight_only_forms import CODEBOOK, TABLE, Form, forms
from weight_only_table import judge, model_table

from edgec.compiler.metrics import metric_named
from edgec.compiler.pipeline import run_passes
from edgec.passes.codebook.pack_incoherent import PackIncoherent
from edgec.passes.codebook.round_incoherent import RoundIncoherent
from edgec.passes.weight_only.decide_storage import DecideStorage


def answered(noise_db: float) -> Cell:
    return Cell(value=1.0, noise_db=noise_db, interval=(-0.1, 0.1), size=1_500_000)


def statuses(**found: tuple[int, int | None, str, float]) -> dict[str, str]:
    forms = {
        Form(bits=bits, block=block, method=method, options={}): answered(noise)
        for bits, block, method, noise in found.values()
    }
    return {line.name: line.status for line in judge("m", metric_named("spearman"), forms)}


def test_the_order_of_the_papers_is_asked_for_at_the_widths_of_their_tables() -> None:
    found = statuses(
        a=(4, 32, "nearest", -20.0), b=(4, 32, "GPTQ", -25.0), c=(4, 32, "AWQ", -19.0), d=(2, 32, "AWQ", -5.0),
        e=(2, 32, "nearest", -6.0), f=(8, 32, "nearest", -40.0), g=(8, 32, "GPTQ", -39.0), h=(4, 128, "GPTQ", -1.0),
    )  # fmt: skip
    assert found == {"GPTQ, 4 bits, blocks of 32": "green", "AWQ, 4 bits, blocks of 32": "red"}


@pytest.mark.parametrize(("noise", "status"), [(-9.0, "green"), (-7.0, "red")])
def test_a_codebook_is_set_against_the_best_of_the_scalars(noise: float, status: str) -> None:
    found = statuses(a=(2, 32, "GPTQ", -8.0), b=(2, 128, "nearest", -5.0), c=(2, None, "codebook (E8)", noise))
    assert found == {"codebook, 2 bits": status}


def test_a_layer_answers_its_own_labels() -> None:
    layer = OutlierLayer()
    session = onnxruntime.InferenceSession(str(layer.path))
    (example,) = layer.task.evaluation(1)
    (y,) = session.run(None, dict(example.steps[0]))
    record = layer.task.metric.record({"y": y}, example.label)
    assert layer.task.metric.aggregate(record[None]) < 1e-6
    assert layer.task.metric.aggregate(layer.task.metric.record({"y": 1.1 * y}, example.label)[None]) == pytest.approx(
        0.1
    )
    (first,), (second,) = list(layer.task.calibration(2))
    assert not np.array_equal(first["x"], second["x"])
    assert not np.array_equal(first["x"], example.steps[0]["x"])


def test_every_form_of_the_table_once() -> None:
    """Six scalars at two sizes of blocks, NF4 and two with larger tables, too, and what has no blocks."""
    found = list(forms((8, 4, 3, 2), (32, 128), TABLE))
    assert len(found) == len(set(found)) == 4 * 2 * 6 + 2 + 4 + 2
    assert {form.options["scheme"] for form in found} == {"w8", "w4", "w3", "w2", "nf4", "w2h", "w2e8"}
    assert all(form.options.get("block_size") == form.block for form in found)


def test_a_table_tells_what_is_missing_and_why() -> None:
    found = {
        Form(bits=4, block=32, method="nearest", options={}): answered(-20.04),
        Form(bits=4, block=32, method="rotation, GPTQ", options={}): Cell(problem="has no hidden state"),
        Form(bits=2, block=None, method=CODEBOOK, options={}): Cell(problem="broke", failed=True),
    }
    counts, exact = Counts(samples=3, evaluation=5), Cell(value=2.0, interval=(1.9, 2.1), size=4_000_000)
    assert model_table("m", metric_named("perplexity"), counts, exact, found) == (
        "**m**: perplexity of float 2.0000 [1.9000, 2.1000], 4 MB; 5 evaluation samples, 3 for calibration; "
        "of a form's distance to it, median, ± 0.1\n\n"
        "| bits | block | nearest        | rotation, GPTQ | codebook (E8) | MB  |\n"
        "| ---- | ----- | -------------- | -------------- | ------------- | --- |\n"
        "| 4    | 32    | 1.0000 / -20.0 | n/a            |               | 1.5 |\n"
        "| 2    | none  |                |                | failed        |     |\n\n"
        "codebook (E8): failed: broke\n\n"
        "rotation, GPTQ: not applicable: has no hidden state"
    )


def test_a_cell_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form(bits=4, block=128, method="nearest", options={"scheme": "w4", "block_size": 128})
    counts = Counts(samples=2, evaluation=2)
    assert kept(tmp_path, form, counts) is None
    made = cell("layer", tmp_path, form, counts)
    assert made.value is not None
    assert 0.1 < made.value < 0.2
    monkeypatch.setattr("weight_only_cell._compiled", lambda *_: pytest.fail("compiled again"))
    assert cell("layer", tmp_path, form, counts) == made
    assert kept(tmp_path, form, Counts(samples=2, evaluation=3)) is None


def test_what_failed_is_tried_again_and_what_has_no_place_is_not(tmp_path: Path) -> None:
    counts = Counts(samples=2, evaluation=2)
    rotated = Form(bits=4, block=128, method="rotation, GPTQ", options={"scheme": "w4", "rotate": True})
    made = cell("layer", tmp_path, rotated, counts)
    assert made == Cell(problem="has no hidden state and no heads that can be rotated")
    assert kept(tmp_path, rotated, counts) == made
    wrong = Form(bits=4, block=128, method="nearest", options={"scheme": "w4", "awq": True, "block_size": 1})
    assert cell("layer", tmp_path, wrong, counts).failed
    assert kept(tmp_path, wrong, counts) is None


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (32, None),
        (36, "no matrix takes a codebook; 1 node: sums 36 products, which points of 8 numbers do not divide: its "
             "weight is stored in another form"),
    ],
)  # fmt: skip
def test_a_form_of_none_of_its_codebooks_is_no_cell_of_theirs(columns: int, said: str | None) -> None:
    source = model(f"g (float[N, {columns}] x) => (y) {{ y = MatMul (x, w) }}", w=weights(columns, 64))
    passes = (DecideStorage(bits=2, block_size=0), RoundIncoherent(), PackIncoherent())
    found = None
    try:
        run_passes(source, passes, measure=measure_on([feeds_of(source, sizes={"N": 64})]), observers=(_Applicable(),))
    except _NotApplicable as reason:
        found = str(reason)
    assert found == said
