"""State carried from step to step: what is fed, from where it starts, what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import Feeds, Sample, State, open_samples, replay, start_state
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


INPUTS = (tensor("x", 1, 2), tensor("h", 1, 2))
STATE = State(carried={"h": "h_next"})
STEPS = Sample(id="s", steps=tuple({"x": np.full((1, 2), i, np.float32)} for i in (1, 2, 3)))


def accumulate(feeds: Feeds) -> Mapping[str, np.ndarray]:
    return {"y": feeds["x"] * 10, "h_next": feeds["h"] + feeds["x"]}


def test_outputs_are_fed_back() -> None:
    steps = list(replay(accumulate, STEPS, INPUTS, STATE))
    assert [feeds["h"][0, 0] for feeds, _ in steps] == [0, 1, 3]
    assert [outputs["h_next"][0, 0] for _, outputs in steps] == [1, 3, 6]
    assert [outputs["y"][0, 0] for _, outputs in steps] == [10, 20, 30]
    assert set(steps[0][0]) == {"x", "h"}


def test_each_replay_begins_anew_from_the_start_given() -> None:
    state = State(carried={"h": "h_next"}, start={"h": np.full((1, 2), 5.0)})
    for _ in range(2):
        steps = list(replay(accumulate, STEPS, INPUTS, state))
        assert [feeds["h"][0, 0] for feeds, _ in steps] == [5, 6, 8]
        assert steps[0][0]["h"].dtype == np.float32


def test_without_state_there_is_one_run() -> None:
    sample = Sample(id="s", steps=({"x": np.ones((1, 2), np.float32)},))
    ((feeds, outputs),) = replay(lambda feeds: {"y": feeds["x"] + 1}, sample, INPUTS[:1], State())
    assert list(feeds) == ["x"]
    assert outputs["y"].tolist() == [[2, 2]]


def test_a_cache_that_grows_from_nothing() -> None:
    inputs = (tensor("x", 1, 2), tensor("past", 5, 1, "P", 4))
    state = State(carried={"past": "present"}, start={"past": np.zeros((5, 1, 0, 4), np.float32)})

    def grow(feeds: Feeds) -> Mapping[str, np.ndarray]:
        return {"present": np.concatenate([feeds["past"], np.ones((5, 1, 1, 4), np.float32)], axis=2)}

    (sample,) = open_samples([list(STEPS.steps)], inputs, role="calibration", state=state)
    assert [feeds["past"].shape[2] for feeds, _ in replay(grow, sample, inputs, state)] == [0, 1, 2]


def test_start_is_zeros_with_unknown_dimensions_one() -> None:
    inputs = (tensor("h", "N", None, 3, dtype="float16"), tensor("x", 1))
    start = start_state(inputs, State(carried={"h": "y"}))
    assert list(start) == ["h"]
    np.testing.assert_array_equal(start["h"], np.zeros((1, 1, 3), np.float16), strict=True)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            {"h_nxt": np.zeros((1, 2), np.float32)},
            "s, step 0, state 'h': 'h_next' is not an output of the model, did you mean 'h_nxt'? "
            "The model's outputs are 'h_nxt'.",
        ),
        (
            {"h_next": np.zeros((1, 3), np.float32)},
            "s, step 0, state 'h': output 'h_next' is float32 [1, 3] where float32 [1, 2] is needed. "
            "Carry a value of the same dtype and shape.",
        ),
        (
            {"h_next": np.zeros((1, 2), np.float16)},
            "s, step 0, state 'h': output 'h_next' is float16 [1, 2] where float32 [1, 2] is needed. "
            "Carry a value of the same dtype and shape.",
        ),
    ],
)
def test_outputs_that_cannot_be_carried(outputs, message) -> None:
    with pytest.raises(SamplesError) as error:
        list(replay(lambda _: outputs, STEPS, INPUTS, STATE))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            State(carried={"hh": "y"}),
            "state 'hh': is not an input of the model, did you mean 'h'? The model's inputs are 'x', 'h'.",
        ),
        (
            State(carried={"h": "y"}, start={"x": np.zeros((1, 2))}),
            "state start 'x': is not carried. Say which output feeds it back, or leave it out.",
        ),
        (
            State(carried={"h": "y"}, start={"h": np.zeros((1, 3))}),
            "state start 'h': it is float32 [1, 3] where float32 [1, 2] is needed. "
            "Carry a value of the same dtype and shape.",
        ),
        (
            State(carried={"h": "y"}, start={"h": np.array([["a", "b"]])}),
            "state start 'h': is <U1, the model takes float32. "
            "Preprocess the samples as the model was trained and save them as float32.",
        ),
    ],
)
def test_state_is_checked_when_samples_are_opened(state, message) -> None:
    with pytest.raises(SamplesError) as error:
        open_samples([list(STEPS.steps)], INPUTS, role="calibration", state=state)
    assert str(error.value) == message


@pytest.mark.zoo
def test_a_streaming_model(zoo: Path, tmp_path: Path) -> None:
    """GTCRN enhances a clip frame by frame as it does when the caller carries the caches by hand."""
    import onnxruntime as ort

    file = zoo / "models" / "gtcrn_stream" / "model.onnx"
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs = [tensor(node.name, *node.shape) for node in session.get_inputs()]
    carried = dict(zip([i.name for i in inputs[1:]], [o.name for o in session.get_outputs()[1:]], strict=True))
    clip = np.load(zoo / "data" / "speech_enh.npz")["calib_mix"][:2] / 32768
    frames = np.lib.stride_tricks.sliding_window_view(clip, 512, axis=1)[:, ::256][:, :20] * np.sqrt(np.hanning(512))
    spectrum = np.fft.rfft(frames)  # [samples, steps, 257]
    mix = np.stack([spectrum.real, spectrum.imag], axis=-1)[:, :, :, np.newaxis].astype(np.float32)
    np.savez_compressed(tmp_path / "speech.npz", mix=mix)

    def run(feeds: Feeds) -> dict[str, np.ndarray]:
        names = [node.name for node in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))

    state = State(carried=carried)
    samples = open_samples(tmp_path / "speech.npz", inputs, role="evaluation", state=state)
    assert len(samples) == 2
    for sample, expected in zip(samples, mix, strict=True):
        caches = {info.name: np.zeros(info.shape, np.float32) for info in inputs[1:]}
        assert len(sample.steps) == 20
        for t, (feeds, outputs) in enumerate(replay(run, sample, inputs, state)):
            np.testing.assert_array_equal(feeds["mix"][0], expected[t])
            by_hand = run({"mix": expected[t : t + 1], **caches})
            np.testing.assert_array_equal(outputs["enh"], by_hand["enh"])
            caches = {name: by_hand[output] for name, output in carried.items()}


@pytest.mark.zoo
def test_a_growing_cache(zoo: Path) -> None:
    """A language model with an empty cache at the start answers token by token as it does to the whole sentence."""
    import onnxruntime as ort

    def session(name: str) -> ort.InferenceSession:
        return ort.InferenceSession(zoo / "models" / name / "model.onnx", providers=["CPUExecutionProvider"])

    stepwise, whole = session("stories260k_kv"), session("stories260k")
    kinds = {"tensor(int64)": "int64", "tensor(float)": "float32"}
    inputs = [tensor(node.name, *node.shape, dtype=kinds[node.type]) for node in stepwise.get_inputs()]
    empty = np.zeros((5, 1, 0, 4, 8), np.float32)
    state = State(
        carried={"past_k": "present_k", "past_v": "present_v"}, start={"past_k": empty, "past_v": empty.copy()}
    )
    tokens = np.load(zoo / "data" / "stories260k.npz")["eval"][0, :12].astype(np.int64)
    data = [[{"token": np.array([[token]]), "pos": np.array([t])} for t, token in enumerate(tokens)]]
    (sample,) = open_samples(data, inputs, role="evaluation", state=state)

    def run(feeds: Feeds) -> dict[str, np.ndarray]:
        names = [node.name for node in stepwise.get_outputs()]
        return dict(zip(names, stepwise.run(names, dict(feeds)), strict=True))

    logits = np.concatenate([outputs["logits"] for _, outputs in replay(run, sample, inputs, state)])
    expected = whole.run(None, {whole.get_inputs()[0].name: tokens[np.newaxis]})[0][0]
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_what_is_empty_starts_in_the_type_that_is_needed() -> None:
    empty = State(carried={"past": "present"}, start={"past": np.zeros((1, 2, 0, 4), np.float32)})
    (start,) = start_state((tensor("past", "B", 2, "P", 4, dtype="int8"),), empty).values()
    assert (start.dtype, start.shape) == (np.int8, (1, 2, 0, 4))

    full = State(carried={"past": "present"}, start={"past": np.zeros((1, 2, 1, 4), np.float32)})
    with pytest.raises(SamplesError) as raised:
        start_state((tensor("past", "B", 2, "P", 4, dtype="int8"),), full)
    assert str(raised.value) == (
        "state start 'past': is float32, the model takes int8. Preprocess the samples as the model was trained and "
        "save them as int8."
    )
