"""What a task is: samples for one model, read lazily from the folder of real models and data, and its metric.

That folder is `EDGEC_ZOO`, by default `../shared/zoo` beside the repository; preprocessing is that of its `ZOO.md`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["Example", "Steps", "Task", "arrays", "every", "load", "zoo_folder"]

Steps: TypeAlias = tuple[Mapping[str, np.ndarray], ...]


def zoo_folder() -> Path:
    """The folder of real models and data, absolute.

    Raises:
        SystemExit: It is not there; the message says how to name it.
    """
    beside = Path(__file__).resolve().parents[4] / "shared" / "zoo"
    folder = Path(os.environ.get("EDGEC_ZOO") or beside).resolve()
    if not (folder / "models").is_dir():
        raise SystemExit(f"{folder}: no models here; set EDGEC_ZOO to the folder that holds models/ and data/")
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One evaluation sample.

    Attributes:
        steps: Feeds of each step, batch of one, carried inputs left out.
        label: What the metric sets beside the outputs.
    """

    steps: Steps
    label: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a model is asked to do. Families override what they read and the metric they are judged by.

    Attributes:
        carried: Outputs fed back from step to step, `{input: output}`.
        start: Their values at step 0 where those are not zeros.
        batch: Examples run together, where the model takes a batch and its outputs are rows of it.
        uniform: All samples are one step of the same shapes.
    """

    carried: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, np.ndarray] = field(default_factory=dict)
    batch: int = 1
    uniform: bool = True

    @property
    def metric(self) -> Metric:
        """What the model is judged by."""
        raise NotImplementedError

    def calibration(self, n: int) -> Iterator[Steps]:
        """At most `n` samples of the calibration split, spread evenly over it."""
        raise NotImplementedError

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        """The first `n` samples of the evaluation split; all of them when None."""
        raise NotImplementedError


def load(file: str) -> dict[str, np.ndarray]:
    """The arrays of `data/<file>.npz`."""
    with np.load(zoo_folder() / "data" / f"{file}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def arrays(file: str, *names: str) -> tuple[np.ndarray, ...]:
    """Some of the arrays of `data/<file>.npz`."""
    with np.load(zoo_folder() / "data" / f"{file}.npz", allow_pickle=False) as archive:
        return tuple(archive[name] for name in names)


def every(n: int, total: int) -> list[int]:
    """At most `n` of `total` indices, spread evenly."""
    return [int(i) for i in np.linspace(0, total - 1, min(n, total))]
