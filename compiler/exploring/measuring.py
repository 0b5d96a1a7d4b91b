"""What is measured of all points in one place at the end; the same points are not measured twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import OutputError
from ..progress import Progress
from ..proving.machine import Machine
from ..write_whole import write_whole
from .budget import Apart, measure_apart
from .limits import MEASURED, limits
from .point import Measured, Point
from .timing import Times, time_together

__all__ = ["Together", "Timer", "measure_together"]

Timer: TypeAlias = Callable[[Sequence[Point], Progress], Times]
_FILE = "measured.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """Times and memory of all points.

    Attributes:
        times: Seconds of one run.
        apart: By point, where the contract or an objective asks for it.
    """

    times: Times = field(default_factory=Times)
    apart: Mapping[str, Apart] = field(default_factory=dict)

    def memory(self) -> dict[str, Measured]:
        """Bytes by point, where they are known."""
        return {name: Measured.exact(each.memory) for name, each in self.apart.items() if each.memory is not None}


def measure_together(
    points: Sequence[Point],
    by: Sequence[str],
    folder: Path,
    *,
    progress: Progress,
    timer: Timer | None = None,
    anew: bool = False,
) -> Together:
    """Measure what the objectives and the contract ask for, one point after the other.

    Args:
        points: At least one.
        by: Names of objectives.
        folder: Where it is kept: the same points on the same machine are not measured again.
        progress: Who watches.
        timer: Times them in the stead of `time_together`; then nothing is kept.
        anew: Measure again.

    Raises:
        ModelError: A bundle cannot be opened.
        HostError: The place fails.
        OutputError: It cannot be kept.
    """
    file = folder / _FILE
    known = {} if anew or timer is not None else _read(file)
    asked = limits(points[0].candidate.request.contract, MEASURED)
    times, apart = Times(), dict[str, Apart]()
    if "latency" in by:
        key = _key(points)
        times = known.get(key) or (timer or time_together)(points, progress)
        known[key] = times
    if "memory" in by or asked.clauses:
        key = _key(points, "memory" in by, asked.to_json())
        apart = known.get(key) or _apart(points, progress, memory="memory" in by)
        known[key] = apart
    if timer is None:
        _write(file, known)
    return Together(times=times, apart=apart)


def _apart(points: Sequence[Point], progress: Progress, *, memory: bool) -> dict[str, Apart]:
    found = {}
    with progress.stage("limits", len(points)) as advance:
        for point in points:
            found[point.name] = measure_apart(point, progress, memory=memory)
            advance(1)
    return found


def _key(points: Sequence[Point], *asked: object) -> str:
    """What numbers follow from, apart from the moment; times where nothing else is said to be asked."""
    said = [[(point.name, point.key) for point in points], Machine.here().to_json(), *asked]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _write(file: Path, known: Mapping[str, Times | dict[str, Apart]]) -> None:
    values = {
        key: {"times": asdict(found)}
        if isinstance(found, Times)
        else {"apart": {name: asdict(each) for name, each in found.items()}}
        for key, found in known.items()
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(values, indent=1) + "\n")
    except OSError as error:
        raise OutputError(str(file), f"cannot be written: {error.strerror}", remedy="Give another -o") from error


def _read(file: Path) -> dict[str, Any]:
    """What was measured before, by its key; nothing where the file is not what was written."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return {
            key: _times(each["times"]) if "times" in each else _aparts(each["apart"]) for key, each in values.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _times(values: Mapping[str, Any]) -> Times:
    return Times(seconds={name: Measured(**each) for name, each in values["seconds"].items()}, why=values["why"])


def _aparts(values: Mapping[str, Any]) -> dict[str, Apart]:
    return {name: Apart(**each) for name, each in values.items()}
