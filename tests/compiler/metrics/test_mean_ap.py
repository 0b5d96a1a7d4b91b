from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.metrics import metric_named
from edgec.compiler.metrics.intervals import metric_intervals
from edgec.compiler.metrics.matching import iou, match, suppress
from edgec.compiler.metrics.mean_ap import COCO
from edgec.compiler.metrics.metric import stack
from edgec.errors import ContractError, SamplesError

SQUARE = np.array([0.0, 0, 10, 10])


def value(name: str, images) -> float:
    metric = metric_named(name)
    records = [metric.record({"boxes": b, "scores": s}, np.asarray(label, float)) for b, s, label in images]
    return metric.aggregate(stack(records))


def by_points(images, threshold: float) -> float:
    """AP over classes at one threshold with fractions, one detection at a time; detections as (box, score, class)."""
    each = []
    for kind in {int(o[0]) for _, objects in images for o in objects}:
        ranked = sorted(
            ((score, i, box) for i, (found, _) in enumerate(images) for box, score, own in found if own == kind),
            key=lambda entry: -entry[0],
        )
        free = {i: [o[1:] for o in objects if o[0] == kind] for i, (_, objects) in enumerate(images)}
        total = sum(len(objects) for objects in free.values())
        hits, curve = 0, []
        for rank, (_, i, box) in enumerate(ranked, start=1):
            best = max(free[i], key=lambda o: overlap(box, o), default=None)
            if best is not None and overlap(box, best) >= threshold:
                free[i].remove(best)
                hits += 1
            curve.append((Fraction(hits, total), Fraction(hits, rank)))
        points = [max((p for r, p in curve if r >= Fraction(k, 100)), default=Fraction(0)) for k in range(101)]
        each.append(sum(points) / 101)
    return float(sum(each) / len(each))


def overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_a_perfect_detector_scores_one():
    label = [[2, 0, 0, 10, 10], [0, 20, 20, 25, 40]]
    boxes = np.array([label[0][1:], label[1][1:]])[None]
    assert value("map", [(boxes, np.array([[[0, 0, 0.9], [0.4, 0, 0]]]), label)]) == pytest.approx(1.0)


def test_average_precision_by_hand():
    # Ranked: hit, miss, hit of two objects; precision 1 up to recall 1/2 (51 points), then 2/3 (50 points).
    boxes = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30]])
    scores = np.array([[0.9], [0.8], [0.7]])
    label = [[0, 0, 0, 10, 10], [0, 20, 20, 30, 30]]
    assert value("map50", [(boxes, scores, label)]) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_thresholds_of_map_are_cocos():
    # IoU of exactly 0.8: met at .5, .55, .6, .65, .7, .75, .8, missed at .85, .9, .95.
    boxes, label = np.array([[0.0, 0, 8, 10]]), [[0, *SQUARE]]
    assert value("map", [(boxes, np.array([[0.9]]), label)]) == pytest.approx(0.7)
    assert value("map50", [(boxes, np.array([[0.9]]), label)]) == pytest.approx(1.0)


def test_objects_nobody_found_and_images_without_objects_count():
    none = (np.zeros((0, 4)), np.zeros((0, 1)))
    found = (SQUARE[None], np.array([[0.9]]))
    assert value("map50", [(*found, [[0, *SQUARE]]), (*none, [[0, *SQUARE]])]) == pytest.approx(51 / 101)
    better = (SQUARE[None], np.array([[0.95]]))
    assert value("map50", [(*found, [[0, *SQUARE]]), (*better, np.zeros((0, 5)))]) == pytest.approx(0.5)
    assert value("map50", [(*none, [[0, *SQUARE]])]) == 0.0
    assert np.isnan(value("map50", [(*found, np.zeros((0, 5)))]))


def test_the_weaker_of_two_boxes_on_one_object_is_suppressed():
    boxes, scores = np.array([SQUARE, SQUARE + 1, SQUARE + 50]), np.array([[0.9], [0.8], [0.7]])
    label = [[0, *SQUARE], [0, *(SQUARE + 50)]]
    assert value("map50", [(boxes, scores, label)]) == pytest.approx(1.0)


CORNERS = st.tuples(st.integers(0, 6), st.integers(0, 6))
BOXES = st.tuples(CORNERS, st.integers(2, 8), st.integers(2, 8)).map(
    lambda b: (b[0][0], b[0][1], b[0][0] + b[1], b[0][1] + b[2])
)
OBJECTS = st.lists(st.tuples(st.integers(0, 1), BOXES).map(lambda o: (o[0], *o[1])), max_size=3)
FOUND = st.lists(st.tuples(BOXES, st.integers(0, 1)), max_size=5)


@settings(max_examples=150, deadline=None)
@given(images=st.lists(st.tuples(FOUND, OBJECTS), min_size=1, max_size=3), data=st.randoms(use_true_random=False))
def test_map_is_that_of_an_independent_count(images, data):
    metric = metric_named("map")
    # All different: how ties are ordered is nobody's promise. All above the floor under which nothing is a detection.
    ranks = [k / 200 for k in range(11, 101)]
    data.shuffle(ranks)
    records, plain = [], []
    for found, objects in images:
        rows = [(np.array(box, float), ranks.pop(), kind) for box, kind in found]
        kept = [rows[i] for i in _survivors(rows)]
        scores = np.zeros((len(rows), 2))
        for row, (_, score, kind) in zip(scores, rows, strict=True):
            row[kind] = score
        boxes = np.array([box for box, _, _ in rows]).reshape(-1, 4)
        records.append(metric.record({"boxes": boxes, "scores": scores}, np.array(objects, float).reshape(-1, 5)))
        plain.append((kept, objects))
    got = metric.aggregate(stack(records))
    if not any(objects for _, objects in images):
        assert np.isnan(got)
    else:
        assert got == pytest.approx(np.mean([by_points(plain, threshold) for threshold in COCO]))


def _survivors(rows) -> list[int]:
    """What class-wise suppression at 0.6 leaves."""
    kept: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: -rows[i][1]):
        if all(rows[j][2] != rows[i][2] or overlap(rows[j][0], rows[i][0]) <= 0.6 for j in kept):
            kept.append(i)
    return kept


@given(a=st.lists(BOXES, min_size=1, max_size=4), b=st.lists(BOXES, min_size=1, max_size=4))
def test_iou_is_that_of_each_pair(a, b):
    expected = [[overlap(x, y) for y in b] for x in a]
    np.testing.assert_allclose(iou(np.array(a, float), np.array(b, float)), expected, atol=1e-12)


def test_boxes_without_area_meet_nothing():
    flat = np.array([[0.0, 0, 0, 10], [10, 10, 0, 0]])
    assert not iou(flat, flat).any()
    assert suppress(flat, 0.5).tolist() == [0, 1]


def test_a_detection_takes_the_next_best_object_when_the_best_is_taken():
    objects = np.array([[0.0, 0, 10, 10], [0, 0, 10, 13]])
    boxes = np.array([[0.0, 0, 10, 11], [0, 0, 10, 10]])
    assert match(boxes, objects, (0.7,)).tolist() == [[True], [True]]
    assert match(boxes, objects, (0.8,)).tolist() == [[True], [False]]


@pytest.mark.parametrize(
    "outputs",
    [
        {"boxes": SQUARE[None, None], "scores": np.array([[[0.1, 0.9]]])},
        {"out_1": np.array([[0.1, 0.9]]), "out_2": SQUARE[None]},
        {"boxes": SQUARE[None], "labels": np.array([1]), "scores": np.array([0.9])},
        {"a_boxes": SQUARE[None, None], "a_classes": np.array([[1.0]]), "a_scores": np.array([[0.9]])},
        {"boxes": SQUARE[None], "logits": np.zeros((1, 4)), "scores": np.array([[0.1, 0.9]])},
    ],
)  # fmt: skip
def test_the_usual_forms_of_detectors_are_read(outputs):
    metric = metric_named("map50")
    record = metric.record(outputs, np.array([[1, *SQUARE]]))
    assert metric.aggregate(record[None]) == pytest.approx(1.0)


def test_records_of_different_lengths_are_resampled_in_pairs():
    metric = metric_named("map50")
    generator = np.random.default_rng(3)
    fine, coarse = [], []
    for _ in range(30):
        label = np.array([[0, *SQUARE], [0, *(SQUARE + 40)]])[: generator.integers(1, 3)]
        n = len(label)
        fine.append(metric.record({"boxes": label[:, 1:], "scores": np.full((n, 1), 0.9)}, label))
        shaken = label[:, 1:] + generator.normal(0, 3, (n, 4))
        coarse.append(metric.record({"boxes": shaken, "scores": generator.uniform(0.1, 1, (n, 1))}, label))
    a, b = stack(fine), stack([*coarse[:-1], np.concatenate([coarse[-1], [0, 0.3, 0, 0, 0.2, 0]])])
    assert a.shape[1] != b.shape[1]
    found = metric_intervals(metric, a, b, resamples=200)
    assert found.reference == pytest.approx((1.0, 1.0))
    assert found.value is not None
    assert found.drop is not None
    drop = metric.drop(metric.aggregate(a), metric.aggregate(b))
    assert found.value[0] < metric.aggregate(b) < found.value[1]
    assert 0 < found.drop[0] < drop < found.drop[1]


@pytest.mark.parametrize(
    ("outputs", "label", "message"),
    [
        (
            {"a": np.zeros((5, 3))},
            np.zeros((0, 5)),
            "metric 'map': finds 0 outputs of boxes (last axis 4) among a. "
            "Give one of them a name with 'box' in it, or a metric of your own as module:function.",
        ),
        (
            {"a": np.zeros((5, 4)), "b": np.zeros((5, 4))},
            np.zeros((0, 5)),
            "metric 'map': finds 2 outputs of boxes (last axis 4) among a, b. "
            "Give one of them a name with 'box' in it, or a metric of your own as module:function.",
        ),
        (
            {"boxes": np.zeros((5, 4)), "scores": np.zeros((6, 2))},
            np.zeros((0, 5)),
            "metric 'map': finds no scores for the 5 boxes of 'boxes'. "
            "Give the model an output of scores with one row per box.",
        ),
        (
            {"boxes": np.zeros((5, 4)), "scores": np.zeros((5, 2))},
            np.zeros((2, 4)),
            "label: has shape (2, 4); map needs rows of class, x1, y1, x2, y2. "
            "Give one row of five numbers for each object.",
        ),
    ],
)
def test_what_is_no_detector(outputs, label, message):
    with pytest.raises((ContractError, SamplesError)) as caught:
        metric_named("map").record(outputs, label)
    assert str(caught.value) == message
