"""Licence plates, read by CTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import Example, Steps, Task, arrays, every

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["ReadPlates"]


@dataclass(frozen=True, kw_only=True)
class ReadPlates(Task):
    """Share of plates read without a mistake."""

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("ctc,axis=0")

    def calibration(self, n: int) -> Iterator[Steps]:
        (plates,) = arrays("lprnet", "calib_x")
        for i in every(n, len(plates)):
            yield _steps(plates[i])

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for plate, label in list(zip(*arrays("lprnet", "eval_x", "eval_y"), strict=True))[:n]:
            yield Example(steps=_steps(plate), label=label)


def _steps(plate: np.ndarray) -> Steps:
    scaled = (plate.astype(np.float32) - 127.5) * 0.0078125
    return ({"image": np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])},)
