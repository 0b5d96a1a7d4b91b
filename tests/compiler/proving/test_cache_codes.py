"""A cache in int8 beside one in float: what is compared, what is fed, what may differ on another machine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edgec.compiler.proving.golden import replay_golden
from edgec.compiler.samples.base import State
from edgec.runtimes.base import Feeds, Latency, Placement, TensorInfo
from edgec.runtimes.recast import Recast

STATE = State(carried={"past": "present"})


class Session:
    """Answers what it was told, and remembers what it was fed."""

    load_seconds = 0.0
    threads = 1

    def __init__(self, dtype: str, answers: Mapping[str, np.ndarray]) -> None:
        self.inputs = (
            TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1, 2)),
            TensorInfo(name="past", dtype=np.dtype(dtype), shape=(1, "n")),
        )
        self.outputs: tuple[TensorInfo, ...] = ()
        self.answers = dict(answers)
        self.fed: list[Feeds] = []

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        self.fed.append(feeds)
        return self.answers

    def run_seconds(self, feeds: Feeds) -> float:
        self.fed.append(feeds)
        return 1.0

    def placement(self, feeds: Feeds) -> Placement:
        raise NotImplementedError

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        raise NotImplementedError

    def close(self) -> None:
        self.fed.clear()


def test_a_session_is_fed_the_empty_cache_it_takes() -> None:
    session = Session("float32", {})
    feeds = {"x": np.ones((1, 2), np.float32), "past": np.zeros((1, 0), np.int8)}

    assert Recast(session).run_seconds(feeds) == 1.0
    assert Recast(session).run(feeds) == {}

    assert [fed["past"].dtype for fed in session.fed] == [np.float32, np.float32]
    assert all(fed["x"] is feeds["x"] for fed in session.fed)


def test_what_is_in_a_cache_is_not_cast() -> None:
    session = Session("float32", {})
    Recast(session).run({"x": np.ones((1, 2), np.float32), "past": np.ones((1, 3), np.int8)})
    assert session.fed[0]["past"].dtype == np.int8


@pytest.mark.parametrize(("off", "agrees"), [(0, True), (1, True), (30, False)])
def test_codes_a_step_off_are_noise(off: int, agrees: bool) -> None:
    codes = np.array([[100, -90, 80, 127] * 40], np.int8)
    found = codes.copy()
    found[0, 0] -= off
    wanted = {"y": np.ones((1, 2), np.float32), "present": codes}
    session = Session("int8", {"y": wanted["y"], "present": found})
    feeds = {"x": np.ones((1, 2), np.float32), "past": np.zeros((1, 0), np.int8)}

    proof = replay_golden(session, [feeds], [wanted], STATE)

    assert proof.agrees is agrees
    assert proof.exact is (off == 0)


def test_other_integers_must_be_equal() -> None:
    wanted = {"classes": np.array([[7, 3]]), "present": np.zeros((1, 1), np.int8)}
    session = Session("int8", {"classes": np.array([[7, 4]]), "present": wanted["present"]})
    feeds = {"x": np.ones((1, 2), np.float32), "past": np.zeros((1, 0), np.int8)}

    assert not replay_golden(session, [feeds], [wanted], STATE).agrees
