"""Metrics of sequences: CTC exact match and SI-SNR."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgec.compiler.metrics import metric_named
from edgec.compiler.metrics.ctc import collapse
from edgec.errors import ContractError, SamplesError


def one_hot(path: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[path]


# --- CTC ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "label", "right"),
    [
        ([3, 0, 0, 3, 0, 1, 3], [0, 0, 1], 1),  # a blank parts a repeat
        ([0, 0, 0, 1], [0, 1], 1),
        ([0, 0, 0, 1], [0, 0, 1], 0),
        ([3, 3], [], 1),
        ([2, 1], [2, 1, -1, -1], 1),
        ([2, 1], [2], 0),
        ([2], [2, 1], 0),
    ],
)
def test_ctc_reads_the_best_path(path, label, right):
    y, label = one_hot(path, 4), np.array(label, np.int64)
    assert metric_named("ctc").record({"y": y[None]}, label).tolist() == [right]
    assert metric_named("ctc").record({"y": y[:, None]}, label).tolist() == [right]
    assert metric_named("ctc,axis=0").record({"y": y.T[None]}, label).tolist() == [right]


def test_the_blank_is_chosen():
    y = one_hot([0, 1, 0, 1, 3], 4)[None]
    assert metric_named("ctc,blank=0").record({"y": y}, np.array([1, 1, 3])).tolist() == [1]
    assert metric_named("ctc,blank=-4").record({"y": y}, np.array([1, 1, 3])).tolist() == [1]
    assert metric_named("ctc").record({"y": y}, np.array([1, 1, 3])).tolist() == [0]


def test_ctc_with_nan_is_never_right():
    y = one_hot([0, 1], 4)
    y[1, 3] = np.nan
    assert metric_named("ctc").record({"y": y}, np.array([0])).tolist() == [0]


@given(path=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_collapse_is_groupby_less_blanks(path):
    assert collapse(np.array(path), 3).tolist() == [each for each, _ in itertools.groupby(path) if each != 3]


@pytest.mark.parametrize(
    ("name", "y", "label", "message"),
    [
        (
            "ctc",
            np.zeros((2, 3, 4)),
            np.array([1]),
            "label: has shape (1,) beside an output of shape (2, 3, 4); ctc needs integer labels and an output of "
            "columns × classes. Give labels of that shape, another metric, or name the output it looks at.",
        ),
        ("ctc,blank=4", np.zeros((3, 4)), np.array([1]), "metric 'ctc': blank 4 is not one of 4 classes. "
         "Give the class of the blank."),
        ("ctc,axis=2", np.zeros((3, 4)), np.array([1]), "metric 'ctc': axis 2 is not one of 2. Give axis 0 or 1."),
        (
            "si-snr",
            np.zeros(3),
            np.zeros(4),
            "label: has shape (4,) beside an output of shape (3,); si-snr needs a waveform of the output's size. "
            "Give labels of that shape, another metric, or name the output it looks at.",
        ),
        ("si-snr", np.ones(4), np.full(4, 7.0), "label: is silent or not finite; si-snr needs a waveform. "
         "Leave this sample out, or correct its label."),
    ],
)  # fmt: skip
def test_what_does_not_fit(name, y, label, message):
    with pytest.raises((SamplesError, ContractError)) as caught:
        metric_named(name).record({"y": y}, label)
    assert str(caught.value) == message


# --- SI-SNR -------------------------------------------------------------------------------------------------------

WAVES = arrays(np.float64, 16, elements=st.floats(-1, 1).map(lambda x: round(x, 6)))


def si_snr(y: np.ndarray, label: np.ndarray) -> float:
    return metric_named("si-snr").record({"y": y}, label).item()


def test_si_snr_by_hand():
    s = np.array([1.0, -1.0, 1.0, -1.0])
    noise = np.array([1.0, 1.0, -1.0, -1.0])  # of mean 0 and at right angles to s
    assert si_snr(s + 0.1 * noise, s) == pytest.approx(20.0)
    assert si_snr(-5 * (s + 0.1 * noise) + 3, s + 9) == pytest.approx(20.0)
    assert si_snr(s.reshape(2, 2), s) == 100.0
    assert si_snr(noise, s) == -100.0
    assert si_snr(np.zeros(4), s) == -100.0
    assert si_snr(np.array([1.0, np.nan, 1.0, -1.0]), s) == -100.0


@given(x=WAVES, s=WAVES, gain=st.sampled_from([-3.0, 0.25, 8.0]), offset=st.floats(-2, 2))
def test_si_snr_ignores_loudness_and_offset(x, s, gain, offset):
    if np.ptp(s) < 1e-3 or np.ptp(x) < 1e-3:
        return
    assert si_snr(gain * x + offset, s) == pytest.approx(si_snr(x, s), abs=1e-4)


@given(x=WAVES, s=WAVES)
def test_si_snr_is_the_angle_between_the_waves(x, s):
    if np.ptp(s) < 1e-3 or np.ptp(x) < 1e-3:
        return
    cosine = np.corrcoef(x, s)[0, 1]
    if 1e-4 < abs(cosine) < 1 - 1e-6:
        assert si_snr(x, s) == pytest.approx(10 * np.log10(cosine**2 / (1 - cosine**2)), abs=1e-3)
