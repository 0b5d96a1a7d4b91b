"""Samples between processes, and sequences through a plain ONNX Runtime session."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tasks.base import Steps, Task

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["judged", "read_samples", "replay", "run_joined", "write_samples"]


def write_samples(task: Task, n: int, file: Path) -> int:
    """Write at most `n` calibration samples to an uncompressed npz, holding one in memory; how many there were.

    Samples of one shape are one array by the input's name, as any tool reads it; others are one array per sample,
    step and input, named `000012.0003.input`.
    """
    samples = task.calibration(n)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        return _write_stacked(samples, archive) if task.uniform else _write_apart(samples, archive)


def _write_stacked(samples: Iterator[Steps], archive: zipfile.ZipFile) -> int:
    """Only the end of the samples tells how many there are, and the array begins with it."""
    with tempfile.TemporaryFile() as body:
        count = 0
        for (feed,) in samples:
            ((name, array),) = feed.items()
            body.write(np.ascontiguousarray(array).tobytes())
            count += 1
        body.seek(0)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            shape = (count, *array.shape[1:])
            np.lib.format.write_array_header_1_0(
                member, {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
            )
            shutil.copyfileobj(body, member)
    return count


def _write_apart(samples: Iterator[Steps], archive: zipfile.ZipFile) -> int:
    count = 0
    for count, steps in enumerate(samples, start=1):
        for number, step in enumerate(steps):
            for name, array in step.items():
                with archive.open(f"{count:06d}.{number:04d}.{name}.npy", "w") as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return count


def read_samples(file: Path) -> list[list[dict[str, np.ndarray]]]:
    """Samples as lists of steps, all in memory; of either form that `write_samples` writes."""
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if not all(name[:6].isdigit() for name in arrays):
        count = len(next(iter(arrays.values())))
        return [[{name: array[i : i + 1] for name, array in arrays.items()}] for i in range(count)]
    samples: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for key, array in arrays.items():
        sample, step, name = key.split(".", 2)
        samples.setdefault(sample, {}).setdefault(step, {})[name] = array
    return [list(steps.values()) for steps in samples.values()]


def replay(
    session: ort.InferenceSession, steps: Steps | list[dict[str, np.ndarray]], task: Task
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Feeds really given and outputs, step by step; carried inputs start at `task.start`, else at zeros."""
    names = [output.name for output in session.get_outputs()]
    state = {
        each.name: task.start.get(
            each.name, np.zeros([d if isinstance(d, int) and d else 1 for d in each.shape], np.float32)
        )
        for each in session.get_inputs()
        if each.name in task.carried
    }
    for step in steps:
        feed = {**step, **state}
        outputs = dict(zip(names, session.run(None, feed), strict=True))
        yield feed, outputs
        state = {name: outputs[output] for name, output in task.carried.items()}


def judged(outputs: Mapping[str, np.ndarray], task: Task) -> dict[str, np.ndarray]:
    """Outputs that answer something: all but the carried ones."""
    carried = set(task.carried.values())
    return {name: array for name, array in outputs.items() if name not in carried}


def run_joined(session: ort.InferenceSession, steps: Steps, task: Task) -> dict[str, np.ndarray]:
    """Judged outputs of all steps, one after the other along axis 0."""
    answers = [judged(outputs, task) for _, outputs in replay(session, steps, task)]
    if len(answers) == 1:
        return answers[0]
    return {name: np.concatenate([np.atleast_1d(answer[name]) for answer in answers]) for name in answers[0]}
