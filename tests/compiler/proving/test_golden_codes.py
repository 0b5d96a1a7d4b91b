from __future__ import annotations

import numpy as np
import pytest

from edgec.compiler.proving.golden import replay_golden
from edgec.compiler.samples.base import State
from edgec.runtimes.base import TensorInfo

X = {"x": np.zeros((1, 64), np.float32)}
CODES = np.random.default_rng(0).integers(-127, 128, (1, 64)).astype(np.int8)
NEAR = CODES ^ (np.arange(64) % 4 == 0).astype(np.int8)


class Answers:
    """A session that answers one array."""

    def __init__(self, answer: np.ndarray) -> None:
        self._answer = answer
        self.inputs = (TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1, 64)),)

    def run(self, feeds: object) -> dict[str, np.ndarray]:
        return {"y": self._answer}


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [(CODES, True), (NEAR, True), (CODES[:, ::-1].copy(), False)],
    ids=["the same", "some a step off", "another"],
)
def test_an_embedding_in_bytes_may_be_a_step_off(answer: np.ndarray, agrees: bool) -> None:
    assert replay_golden(Answers(answer), [X], [{"y": CODES}], State()).agrees == agrees  # type: ignore[arg-type]
