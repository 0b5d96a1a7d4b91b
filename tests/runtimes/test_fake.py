from __future__ import annotations

import numpy as np

from edgec.runtimes.base import Runtime, Session, SessionSettings, TensorInfo
from edgec.runtimes.fake import FakeRuntime

INFO = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(2,))


def test_it_answers_what_it_is_told():
    fake = FakeRuntime(answer=lambda feeds: {"y": feeds["x"] * 2}, inputs=(INFO,), outputs=(INFO,), seconds=0.25)
    place: Runtime = fake
    session: Session = place.open(b"", SessionSettings(threads=3))
    np.testing.assert_array_equal(session.run({"x": np.ones(2)})["y"], [2, 2])
    assert session.latency({}, 5).p95 == 0.25
    assert session.latency({}, 5).threads == 3
    assert len(fake.open(b"").calls) == 0  # type: ignore[attr-defined]


def test_it_can_be_missing():
    fake = FakeRuntime(answer=dict, inputs=(), outputs=(), reason="no such device")
    assert fake.available() == "no such device"
