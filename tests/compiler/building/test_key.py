"""The key of a bundle changes with everything the bundle follows from, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.building import key
from edgec.compiler.building.job import jobs_of, request_of_job
from edgec.compiler.building.key import Uncacheable, bundle_key
from edgec.compiler.contract import Contract
from edgec.compiler.metrics import metric_named
from edgec.compiler.request import CompileRequest
from edgec.compiler.samples.base import State
from edgec.targets.policy import Policy


def request_of(project: Path) -> CompileRequest:
    return request_of_job(jobs_of([project], project.parent / "build")[0])


def test_it_does_not_depend_on_where_files_lie(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project.parent, tmp_path / "elsewhere")
    assert bundle_key(request_of(project)) == bundle_key(request_of(tmp_path / "elsewhere" / "edgec.toml"))


def test_nor_on_how_it_is_compiled(project: Path) -> None:
    request = request_of(project)
    other = replace(request, threads=1, max_memory=10**9, output=Path("elsewhere"), cache=False, overwrite=False)
    assert bundle_key(other) == bundle_key(request)


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, target="arm64"),
        lambda request: replace(request, policy=Policy(scheme="w8")),
        lambda request: replace(request, seed=1),
        lambda request: replace(request, samples=3),
        lambda request: replace(request, shapes={"image": (1, 3, 8, 8)}),
        lambda request: replace(request, contract=Contract.from_table({"sqnr": "6dB"}, where="")),
        lambda request: replace(request, metric=metric_named("top5")),
        lambda request: replace(request, metric=metric_named("top1")),
        lambda request: replace(request, evaluation=None),
        lambda request: replace(request, prove=False),
        lambda request: replace(request, state=State(carried={"a": "b"})),
        lambda request: replace(request, state=State(carried={"a": "b"}, start={"a": np.zeros(3)})),
        lambda request: replace(request, state=State(carried={"a": "b"}, start={"a": np.ones(3)})),
    ],
)
def test_everything_said_counts(project: Path, change: Callable[[CompileRequest], CompileRequest]) -> None:
    request = request_of(project)
    keys = {bundle_key(change(request)), bundle_key(request)}
    assert len(keys) == 2


def test_the_output_that_a_metric_looks_at_counts(project: Path) -> None:
    request = request_of(project)
    asked = [replace(request, metric=metric_named("top1", output)) for output in (None, "logits", "other")]
    assert len({bundle_key(each) for each in asked}) == 3


def test_arrays_count_by_their_elements(project: Path) -> None:
    """Text of an array leaves most of its elements out."""
    keys = set()
    for place in (0, 2500, 4999):
        start = np.zeros(5000, np.float32)
        start[place] = 1
        keys.add(bundle_key(replace(request_of(project), state=State(carried={"a": "b"}, start={"a": start}))))
    assert len(keys) == 3


@pytest.mark.parametrize("name", ["model.onnx", "calib.npz", "eval.npz"])
def test_every_byte_of_the_files_counts(project: Path, name: str) -> None:
    before = bundle_key(request_of(project))
    file = project.parent / name
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    if name == "model.onnx":  # its last byte is in the operator set's number
        raw[-1] ^= 1
        file.write_bytes(raw + b"\x1a\x00")  # an empty domain, twice the same model to ONNX
    assert bundle_key(request_of(project)) != before


def test_samples_in_a_folder(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    np.save(folder / "0.npy", np.zeros(3))
    request = replace(request_of(project), calibration=str(folder))
    before = bundle_key(request)
    np.save(folder / "1.npy", np.zeros(3))
    assert bundle_key(request) != before


@pytest.mark.parametrize("source", ["data:feeds", [{"image": np.zeros(3)}]])
def test_samples_of_code_have_no_key(project: Path, source: object) -> None:
    with pytest.raises(Uncacheable, match="are made by code"):
        bundle_key(replace(request_of(project), calibration=source))  # type: ignore[arg-type]


def test_samples_that_are_missing_are_not_called_code(project: Path) -> None:
    with pytest.raises(Uncacheable, match=r"^the samples of none\.npz are not there$"):
        bundle_key(replace(request_of(project), calibration="none.npz"))


def test_a_metric_of_code_has_no_key(project: Path) -> None:
    metric = replace(metric_named("top1"), name="mine:score")
    with pytest.raises(Uncacheable, match=r"^metric 'mine:score' is code$"):
        bundle_key(replace(request_of(project), metric=metric))


def test_a_place_that_is_installed_changes_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: set[str] = set()

    class Place:
        def __init__(self, name: str) -> None:
            self.name = name

        def available(self) -> str | None:
            return None if self.name in here else "it is not installed"

    monkeypatch.setattr(key, "runtime", Place)
    plain, older = request_of(project), Contract.from_table({"oldest_onnxruntime": "1.20"}, where="t")
    asked = replace(plain, contract=older)
    without = bundle_key(plain), bundle_key(asked)
    here.add("onnxruntime-1.20")
    assert (bundle_key(plain) == without[0], bundle_key(asked) == without[1]) == (True, False)
    here.add("onnxruntime-cpu")
    assert bundle_key(plain) != without[0]
