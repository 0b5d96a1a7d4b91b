from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from edgec.compiler.metrics import metric_named
from edgec.compiler.metrics.metric import stack
from edgec.errors import SamplesError

MASKS = arrays(np.int64, (3, 4), elements=st.sampled_from([0, 1, 2, 255, -1]))


def miou(pairs, name: str = "miou") -> float:
    metric = metric_named(name)
    return metric.aggregate(stack([metric.record({"y": y}, label) for y, label in pairs]))


def scores(chosen: np.ndarray, classes: int = 3) -> np.ndarray:
    return np.moveaxis(np.eye(classes)[chosen], -1, 0)[None]


def test_miou_by_hand():
    chosen, label = np.array([[0, 0, 1, 2]]), np.array([[0, 1, 1, 255]])
    # class 0: 1 of 2; class 1: 1 of 2; class 2 is in no label
    assert miou([(scores(chosen), label)]) == 0.5
    assert miou([(scores(chosen), np.array([[0, 1, 1, 0]]))]) == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_pixels_are_counted_over_all_samples():
    right, wrong = np.zeros((1, 9), np.int64), np.ones((1, 1), np.int64)
    assert miou([(scores(right), right), (scores(wrong), wrong - 1)]) == 0.9


@given(pairs=st.lists(st.tuples(arrays(np.int64, (3, 4), elements=st.integers(0, 2)), MASKS), min_size=1, max_size=4))
def test_miou_is_that_of_sets_of_pixels(pairs):
    each = []
    for kind in range(3):
        truth = {
            (i, *at)
            for i, (_, label) in enumerate(pairs)
            for at in np.argwhere(label == kind).tolist()
            for at in [tuple(at)]
        }
        found = {(i, *at) for i, (y, label) in enumerate(pairs)
                 for at in map(tuple, np.argwhere((y == kind) & (label >= 0) & (label != 255)).tolist())}  # fmt: skip
        if truth:
            each.append(len(truth & found) / len(truth | found))
    value = miou([(scores(y), label) for y, label in pairs])
    assert value == pytest.approx(np.mean(each)) if each else np.isnan(value)


def test_the_ignored_label_is_chosen():
    label = np.array([[0, 1]])
    assert miou([(scores(np.array([[0, 2]])), label)], "miou,ignore=1") == 1.0


def test_masks_of_another_size_meet_the_nearest_pixel():
    chosen = np.random.default_rng(0).integers(0, 3, (5, 7))
    larger = np.asarray(Image.fromarray(chosen.astype(np.uint8)).resize((23, 16), Image.Resampling.NEAREST))
    assert miou([(scores(chosen), larger)]) == 1.0


def test_an_output_of_indices_is_taken_as_it_is():
    chosen = np.array([[[0, 1, 1]]], np.int32)
    assert miou([(chosen, np.array([[0, 1, 0]], np.uint8))]) == 0.5


@pytest.mark.parametrize(
    ("y", "label", "message"),
    [
        (
            np.zeros((1, 3, 2, 2)),
            np.zeros((2, 2)),
            "label: has shape (2, 2) beside an output of shape (1, 3, 2, 2); miou needs a mask of integer classes "
            "(h, w). Give labels of that shape, another metric, or name the output it looks at.",
        ),
        (
            np.zeros((1, 1, 2, 2)),
            np.zeros((2, 2), np.uint8),
            "label: has shape (2, 2) beside an output of shape (2, 2); miou needs class scores (1, C, H, W) or integer "
            "classes (1, H, W). Give labels of that shape, another metric, or name the output it looks at.",
        ),
        (
            np.zeros((1, 3, 2, 2)),
            np.full((2, 2), 3, np.uint8),
            "label: has class 3, the output has 3 classes. "
            "Map the labels to the model's classes, or mark those pixels with 255.",
        ),
    ],
)
def test_what_does_not_fit(y, label, message):
    with pytest.raises(SamplesError) as caught:
        metric_named("miou").record({"y": y}, label)
    assert str(caught.value) == message
