from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from outlier_layer import OutlierLayer
from weight_only import Answers, Form, judge

from edgec.compiler.metrics import metric_named


def answered(noise_db: float) -> Answers:
    return Answers(value=1.0, outputs=np.zeros(1), noise_db=noise_db, size=1, seconds=0.0)


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
