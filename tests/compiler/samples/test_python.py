"""Samples from Python code: what an item may be, that passes repeat, and every way user code can fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import Sample, State, open_samples
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo

X = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=("N", 2))
H = TensorInfo(name="h", dtype=np.dtype(np.float32), shape=(1, 4))
STATE = State(carried={"h": "h_next"})


def feed(value: float = 0) -> dict[str, np.ndarray]:
    return {"x": np.full((1, 2), value, np.float32)}


def numbered() -> Iterator[object]:
    for i in range(4):
        yield feed(i), i


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


@pytest.mark.parametrize(
    "item",
    [
        (feed(3), 7),
        {**feed(3), "label": 7},
        {**feed(3), "labels": np.array(7)},
        ([feed(3)], 7),
        Sample(id="mine", steps=(feed(3),), label=np.array(7)),
    ],
    ids=["tuple", "label", "labels", "steps", "sample"],
)
def test_forms_of_an_item(item) -> None:
    (sample,) = open_samples([item], [X], role="evaluation")
    np.testing.assert_array_equal(sample.feeds["x"], [[3, 3]])
    assert sample.label is not None
    assert sample.label.item() == 7


def test_a_list_of_feeds_is_a_sequence() -> None:
    (sample,) = open_samples([[feed(1), feed(2)]], [X, H], role="calibration", state=STATE)
    assert [step["x"][0, 0] for step in sample.steps] == [1, 2]
    assert sample.label is None


def test_a_callable_is_called_for_every_pass() -> None:
    calls = []

    def source() -> Iterator[object]:
        calls.append(1)
        return numbered()

    samples = open_samples(source, [X], role="evaluation")
    assert [s.label.item() for s in samples] == [s.label.item() for s in samples] == [0, 1, 2, 3]
    assert len(calls) == 2
    assert len(samples) == 4
    samples.digest()
    assert len(calls) == 2  # neither counting nor hashing reads again
    assert samples.origin.endswith(":test_a_callable_is_called_for_every_pass.<locals>.source")


def test_an_iterable_object_with_a_length() -> None:
    class Data:
        def __iter__(self) -> Iterator[object]:
            return numbered()

    samples = open_samples(Data(), [X], role="evaluation", limit=2, seed=1)
    assert [s.label.item() for s in samples] == [s.label.item() for s in samples]
    assert [s.id for s in samples] == [f"Data[{s.label.item()}]" for s in samples]


def test_module_and_function(here: Path) -> None:
    (here / "feeds_of_mine.py").write_text(
        "import numpy as np\nfrom neighbour import N\n"
        "def calibration():\n    from neighbour import N\n    yield from ({'x': np.zeros((1, 2))} for _ in range(N))\n"
        "ready = [{'x': np.ones((1, 2))}]\n"
    )
    (here / "neighbour.py").write_text("N = 3\n")
    for name in ("feeds_of_mine:calibration", "feeds_of_mine.py:calibration", f"{here}/feeds_of_mine.py:calibration"):
        samples = open_samples(name, [X], role="calibration")
        assert len(samples) == 3
        assert samples.origin == name
    assert len(open_samples("feeds_of_mine:ready", [X], role="calibration")) == 1


CODE = "Mend the code that gives the samples."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "absent:f",
            "absent:f: there is no module 'absent'. "
            "Run where the module is, install it, or give `path/to/file.py:function`.",
        ),
        (
            "package.absent:f",
            "package.absent:f: there is no module 'package.absent'. "
            "Run where the module is, install it, or give `path/to/file.py:function`.",
        ),
        ("absent.py:f", "absent.py: does not exist. Give `path/to/file.py:function`."),
        ("mine:absent", "mine:absent: 'mine' has no 'absent'. Give the name of a function that yields feeds."),
        (
            "mine:five",
            "mine:five: is neither callable nor iterable. Give a function that yields feeds, or a list of feeds.",
        ),
        (
            "broken:f",
            f"broken:f: raised ModuleNotFoundError: No module named 'nothing_here'. {CODE}",
        ),
        (
            "wrong.py:f",
            "wrong.py:f: raised NameError: name 'oops' is not defined. Mend the code that gives the samples.",
        ),
    ],
)
def test_objects_that_cannot_be_found(here: Path, name: str, message: str) -> None:
    (here / "mine.py").write_text("five = 5\n")
    (here / "broken.py").write_text("import nothing_here\n")
    (here / "wrong.py").write_text("oops\n")
    (here / "package").mkdir()
    (here / "package" / "__init__.py").touch()
    with pytest.raises(SamplesError) as error:
        open_samples(name, [X], role="calibration")
    assert str(error.value) == message


ITEM = "Give a dict of feeds, a list of them for a sequence, or a tuple of feeds and label."


def fails_later() -> Iterator[object]:
    yield feed()
    raise ValueError("no more disk")


def fails_at_once() -> Iterator[object]:
    raise ValueError("no disk")


def gives_no_samples() -> list[object]:
    return []


def gives_nothing() -> None:
    return None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            (feed() for _ in range(3)),
            "generator: is an iterator, which can be read only once; samples are read several times. "
            "Give a list, or the function that makes it.",
        ),
        ([], "list: holds no samples. Give at least one sample."),
        (5, "int: is neither callable nor iterable. Give a function that yields feeds, or a list of feeds."),
        (
            feed(),
            "dict: is a mapping, not an iterable of samples. Give a list of feeds, one for each sample.",
        ),
        ([np.zeros((1, 2))], f"list[0]: is ndarray, not feeds. {ITEM}"),
        ([[np.zeros((1, 2))]], f"list[0]: is ndarray, not a dict of feeds. {ITEM}"),
        ([(feed(), feed())], f"list[0]: is a tuple of 2, not of feeds and label. {ITEM}"),
        ([({**feed(), "label": 1}, 1)], "list[0]: has a label and a feed 'label'. Keep one of them."),
        ([[]], "list[0]: has no steps. Give each sample at least one step."),
        (
            fails_later,
            f"{__name__}:fails_later[1]: raised ValueError: no more disk. {CODE}",
        ),
        (fails_at_once, f"{__name__}:fails_at_once: raised ValueError: no disk. {CODE}"),
        (gives_nothing, f"{__name__}:gives_nothing: gave NoneType, not an iterable of samples. {ITEM}"),
        (
            gives_no_samples,
            f"{__name__}:gives_no_samples: gave no samples. Give the same samples in every pass, at least one.",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_refused(data, message) -> None:
    with pytest.raises(SamplesError) as error:
        list(open_samples(data, [X], role="calibration"))
    assert str(error.value) == message


def test_a_function_that_gives_the_same_iterator_twice() -> None:
    once = numbered()

    def source() -> Iterator[object]:
        return once

    source.__qualname__ = "source"
    samples = open_samples(source, [X], role="calibration")
    assert sum(1 for _ in samples) == 4  # list() would ask for the length first, which is a pass
    with pytest.raises(SamplesError) as error:
        list(samples)
    assert str(error.value) == (
        f"{__name__}:source: gave no samples, 4 in the pass before. Give the same samples in every pass, at least one."
    )
