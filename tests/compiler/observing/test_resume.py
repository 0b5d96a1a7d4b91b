"""Interrupted observations go on where they were, for the same model and samples only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler.observe import observe
from edgec.compiler.observing import resume
from edgec.compiler.observing.cache import Entry, ObservationCache, cache_folder
from edgec.compiler.progress import Quiet
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.passes.observe.statistics import Counts, Extremes, Means, Need, Observation, Products
from edgec.runtimes.ort import OrtSession

NEEDS = [
    Need(value=name, statistic=statistic)
    for name in ("t", "y")
    for statistic in (Extremes(), Counts(elements=None), Means(axis=-1), Products())
]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write after every batch."""
    monkeypatch.setattr(resume, "WORTH_KEEPING", 0.0)
    monkeypatch.setattr(resume, "_EVERY", 0.0)
    monkeypatch.setattr(resume, "_RARELY", 0.0)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every run of a session."""
    seen: list[int] = []
    run = OrtSession.run

    def counted(self: OrtSession, feeds):
        seen.append(len(feeds["x"]))
        return run(self, feeds)

    monkeypatch.setattr(OrtSession, "run", counted)
    return seen


def network(scale: float = 1.0) -> ir.Model:
    from edgec.compiler.load import load_model

    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    g (float[1, 5] x) => (float[1, 5] y) <float[1] s = {{{scale}}}> {{ t = Tanh(x) y = Mul(t, s) }}"""
    return load_model(ir.from_onnx_text(text)).model


X = np.random.default_rng(0).standard_normal((12, 1, 5)).astype(np.float32)


def run(
    cache: ObservationCache | None, x: np.ndarray = X, *, stop: int | None = None, scale: float = 1.0
) -> dict[Need, Observation]:
    model = network(scale)

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        for index, each in enumerate(x):
            if stop is not None and index == stop and armed:
                raise KeyboardInterrupt
            yield {"x": each}

    armed = False
    samples = open_samples(feeds, inputs_of(model), role="calibration")
    len(samples)  # counted by reading them once
    armed = True
    return observe(model, NEEDS, samples, threads=1, progress=Quiet(), cache=cache)


def same(left: dict[Need, Observation], right: dict[Need, Observation]) -> bool:
    return list(left) == list(right) and all(
        np.array_equal(getattr(left[need], name), getattr(right[need], name))
        for need in left
        for name in left[need].__slots__
    )


@pytest.mark.usefixtures("eager")
def test_the_rest_is_observed_after_an_interruption(tmp_path: Path, runs: list[int]) -> None:
    whole = run(None)
    cache = ObservationCache(folder=tmp_path)
    runs.clear()
    with pytest.raises(KeyboardInterrupt):
        run(cache, stop=8)
    (file,) = tmp_path.iterdir()
    done = cache.read(file.name.removesuffix(".observed.npz"))
    assert done is not None
    assert (0 < done.samples < 8, done.complete) == (True, False)
    runs.clear()
    assert same(run(cache), whole)
    assert sum(runs) == len(X) - done.samples
    runs.clear()
    assert same(run(cache), whole)
    assert runs == []


@pytest.mark.usefixtures("eager")
def test_other_samples_start_again(tmp_path: Path, runs: list[int]) -> None:
    cache = ObservationCache(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(cache, stop=8)
    other = X[::-1].copy()
    runs.clear()
    assert same(run(cache, other), run(None, other))
    assert sum(runs) == 2 * len(X)


@pytest.mark.usefixtures("eager")
def test_more_samples_go_on_from_fewer(tmp_path: Path, runs: list[int]) -> None:
    cache = ObservationCache(folder=tmp_path)
    run(cache, X[:7])
    runs.clear()
    found = run(cache)
    assert sum(runs) == 5
    assert same(found, run(None))
    runs.clear()
    assert same(run(cache, X[:3]), run(None, X[:3]))
    assert sum(runs) == 6  # fewer than were observed: again, twice


@pytest.mark.usefixtures("eager")
def test_other_weights_of_the_same_names_are_another_model(tmp_path: Path, runs: list[int]) -> None:
    cache = ObservationCache(folder=tmp_path)
    run(cache)
    runs.clear()
    assert same(run(cache, scale=2.0), run(None, scale=2.0))
    assert sum(runs) == 2 * len(X)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("broken", [b"", b"no archive", "cut", "other"])
def test_what_cannot_be_read_is_replaced(tmp_path: Path, runs: list[int], broken: bytes | str) -> None:
    cache = ObservationCache(folder=tmp_path)
    whole = run(cache)
    (file,) = tmp_path.iterdir()
    raw = file.read_bytes()
    if broken == "other":
        key = file.name.removesuffix(".observed.npz")
        cache.write(key, Entry(samples=3, digest="0", complete=False, arrays={"0.Range.low": np.zeros(1)}))
    else:
        file.write_bytes(raw[:-100] if isinstance(broken, str) else broken)
    runs.clear()
    assert same(run(cache), whole)
    assert sum(runs) == len(X)
    assert file.read_bytes() != broken
    runs.clear()
    assert same(run(cache), whole)
    assert runs == []


def test_cheap_observing_writes_nothing(tmp_path: Path) -> None:
    run(ObservationCache(folder=tmp_path / "cache"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("eager")
def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert same(run(ObservationCache(folder=tmp_path / "file" / "cache")), run(None))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("eager")
def test_the_oldest_entries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from edgec.compiler.observing import cache as module

    cache = ObservationCache(folder=tmp_path)
    run(cache)
    (first,) = tmp_path.iterdir()
    os.utime(first, (1, 1))
    monkeypatch.setattr(module, "_KEPT_BYTES", first.stat().st_size + 1)
    run(cache, scale=2.0)
    assert len(list(tmp_path.iterdir())) == 1
    assert not first.exists()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/edgec"),
        ("linux", {"HOME": "/h"}, "/h/.cache/edgec"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/edgec"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/edgec"),
    ],
)
def test_where_systems_keep_caches(monkeypatch, platform: str, variables: dict[str, str], expected: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "HOME" in variables:
        monkeypatch.setattr(Path, "home", lambda: Path(variables["HOME"]))
    assert cache_folder() == Path(expected)
