"""How far answers are from the golden ones: the script's own arithmetic against that of the proofs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from support.receipts import recurrent_bundle

from edgec.bundle import Bundle
from edgec.compiler.proving.golden import replay_golden
from edgec.compiler.samples.base import State
from edgec.runtimes.base import TensorInfo
from edgec.runtimes.compare import compare
from edgec.runtimes.device.golden import replayed, steps_of
from edgec.runtimes.fake import FakeRuntime
from edgec.runtimes.ort import OrtCpu

FLOATS = st.floats(-1e3, 1e3, width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
PAIRS = arrays_of.array_shapes(min_dims=1, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(*[arrays_of.arrays(np.float32, shape, elements=FLOATS)] * 2)
)


def once(golden: np.ndarray, answer: np.ndarray) -> dict[str, object]:
    (found,) = replayed(lambda _: {"y": answer}, [{}], [{"y": golden}], {})
    return found


@given(PAIRS)
@settings(max_examples=150, deadline=None)
def test_the_distance_is_that_of_the_proofs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    golden, answer = pair
    theirs = compare({"y": golden}, {"y": answer})["y"]
    ours = once(golden, answer)
    assert ours["exact"] == theirs.exact
    assert ours["nonfinite"] == np.count_nonzero(~np.isfinite(answer))
    if theirs.exact or theirs.sqnr_db is None or not math.isfinite(theirs.sqnr_db):
        assert ours["sqnr_db"] is None
    else:
        assert ours["sqnr_db"] == pytest.approx(theirs.sqnr_db, abs=1e-6)


@pytest.mark.parametrize(
    ("golden", "answer", "found"),
    [
        (np.array([1, 2]), np.array([1, 2]), (True, None)),
        (np.array([1, 2]), np.array([1, 3]), (False, None)),
        (np.array([3.0, 4.0], np.float32), np.array([3.0, 4.5], np.float32), (False, 20.0)),  # 25 over 0.25
        (np.array([3.0, 4.0], np.float16), np.array([3.0, 4.5], np.float16), (False, 20.0)),
        (np.zeros(2, np.float32), np.ones(2, np.float32), (False, None)),
        (np.ones(2, np.float32), np.ones((2, 1), np.float32), (False, None)),
        (np.array(["a"]), np.array(["b"]), (False, None)),
        (np.array([3, 4], np.int8), np.array([3, 5], np.int8), (False, 10 * math.log10(25))),
        (np.array([-128, 0], np.int8), np.array([127, 0], np.int8), (False, 20 * math.log10(128 / 255))),
        (np.array([3, 4], np.uint8), np.array([3, 5], np.uint8), (False, None)),
    ],
)
def test_distances_by_hand(golden: np.ndarray, answer: np.ndarray, found: tuple[bool, float | None]) -> None:
    got = once(golden, answer)
    assert (got["exact"], got["sqnr_db"]) == (found[0], pytest.approx(found[1]) if found[1] else None)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_what_is_carried_in_integers_may_be_a_step_off(dtype: type) -> None:
    """A cache in integers: noise where it is carried, as where the bundle is proved."""
    golden = [{"h_next": np.array([30, 40], dtype)}] * 2
    off, feeds = {"h_next": np.array([30, 41], dtype)}, [{"h": np.zeros(2, dtype)}] * 2
    (found,) = replayed(lambda _: off, feeds, golden, {"h": "h_next"})
    cache = TensorInfo(name="h", dtype=np.dtype(dtype), shape=(2,))
    session = FakeRuntime(answer=lambda _: off, inputs=(cache,), outputs=()).open(Path("model.onnx"))
    proof = replay_golden(session, feeds, golden, State(carried={"h": "h_next"}))
    assert found["sqnr_db"] == pytest.approx(10 * math.log10(2500)) == proof.sqnr_db
    assert found["exact"] is proof.exact is False


def test_the_worst_step_stands_and_every_odd_element_counts() -> None:
    golden = [np.array([3.0, 4.0], np.float32)] * 3
    answers = iter([golden[0], np.array([3.0, 4.5], np.float32), np.array([3.0, math.inf], np.float32)])
    (found,) = replayed(lambda _: {"y": next(answers)}, [{}] * 3, [{"y": each} for each in golden], {})
    assert found == {"name": "y", "exact": False, "sqnr_db": None, "nonfinite": 1}


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return recurrent_bundle(tmp_path_factory.mktemp("recurrent") / "out")


def test_state_is_carried_as_the_proof_carries_it(recurrent: Bundle) -> None:
    feeds, expected = (steps_of(recurrent.path / "golden" / f"{name}.npz") for name in ("inputs", "outputs"))
    theirs = recurrent.golden()
    assert [sorted(step) for step in feeds] == [["h", "x"]] * 6 == [sorted(step) for step in theirs[0]]
    session = OrtCpu().open(recurrent.model)
    carried = dict(recurrent.manifest["state"])
    shifted = [{**step, "x": step["x"] + np.float32(0.01)} for step in feeds]
    ours = replayed(session.run, shifted, expected, carried)
    proof = replay_golden(session, shifted, expected, State(carried=carried))
    assert min(each["sqnr_db"] for each in ours) == pytest.approx(proof.sqnr_db)
    assert all(each["exact"] for each in replayed(session.run, feeds, expected, carried))
    # What is carried is what the model answered, not what the golden feeds hold.
    lost = [{**step, "h": step["h"] * 0} if index else step for index, step in enumerate(feeds)]
    assert all(each["exact"] for each in replayed(session.run, lost, expected, carried))
    stuck = replayed(session.run, lost, expected, {})
    assert not all(each["exact"] for each in stuck)


def test_arrays_are_read_by_step(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"x@1": np.ones(2), "a@b@0": np.zeros(1), "x@0": np.zeros(2)})
    steps = steps_of(tmp_path / "a.npz")
    assert [sorted(step) for step in steps] == [["a@b", "x"], ["x"]]
