"""Samples from Python: `module:function`, `file.py:function`, a callable, or an iterable.

An item is one sample:

- a dict of feeds by input name, batch axis included; a key `label` or `labels` that is no input holds the label
- a list of such dicts: a sequence, carried inputs left out
- a tuple `(feeds, label)` with feeds in either form
- a `Sample`

Samples are read more than once, so a callable is called again for every pass, and an iterable must begin anew.
"""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from ...errors import EdgecError, SamplesError
from ...runtimes.base import TensorInfo
from .base import Feeds, Sample
from .names import label_name
from .view import pick

__all__ = ["PythonReader", "find_object"]

_ITEM = "Give a dict of feeds, a list of them for a sequence, or a tuple of feeds and label"


class PythonReader:
    """Reads samples that Python code yields.

    Args:
        source: A callable that returns an iterable, or an iterable.
        origin: Names it; that of `find_object`, or found from the object.

    Raises:
        SamplesError: It is neither, or can be read only once.
    """

    def __init__(self, source: object, inputs: Sequence[TensorInfo], origin: str = "") -> None:
        self._origin = origin or _name(source)
        self._inputs = tuple(inputs)
        self._source = source
        self._count: int | None = None
        if isinstance(source, Mapping):
            raise SamplesError(
                self._origin,
                "is a mapping, not an iterable of samples",
                remedy="Give a list of feeds, one for each sample",
            )
        if not callable(source):
            if not isinstance(source, Iterable):
                raise SamplesError(
                    self._origin,
                    "is neither callable nor iterable",
                    remedy="Give a function that yields feeds, or a list of feeds",
                )
            if isinstance(source, Iterator):
                raise _one_shot(self._origin)
            self._count = len(source) if isinstance(source, Sequence) else None
            if self._count == 0:
                raise SamplesError(self._origin, "holds no samples", remedy="Give at least one sample")

    @property
    def origin(self) -> str:
        return self._origin

    def count(self) -> int:
        if self._count is None:
            for _ in self._pass():
                pass
        return self._count or 0

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        return pick(self._pass(), wanted)

    def _pass(self) -> Iterator[Sample]:
        items = self._begin()
        number = 0
        while True:
            where = f"{self._origin}[{number}]"
            try:
                item = next(items)
            except StopIteration:
                break
            except EdgecError:
                raise
            except Exception as error:  # the user's own code may raise anything
                raise _raised(where, error) from error
            yield self._sample(item, where)
            number += 1
        if number == 0 or self._count not in (None, number):
            before = "" if self._count is None else f", {self._count} in the pass before"
            raise SamplesError(
                self._origin,
                f"gave {number or 'no'} samples{before}",
                remedy="Give the same samples in every pass, at least one",
            )
        self._count = number

    def _begin(self) -> Iterator[object]:
        try:
            found = self._source() if callable(self._source) else self._source
            if isinstance(found, Iterable) and not isinstance(found, str | bytes | Mapping):
                return iter(found)
        except EdgecError:
            raise
        except Exception as error:  # the user's own code may raise anything
            raise _raised(self._origin, error) from error
        raise SamplesError(self._origin, f"gave {type(found).__name__}, not an iterable of samples", remedy=_ITEM)

    def _sample(self, item: object, where: str) -> Sample:
        if isinstance(item, Sample):
            return item
        label: object = None
        if isinstance(item, tuple):
            if len(item) != 2 or isinstance(item[1], Mapping):
                raise SamplesError(where, f"is a tuple of {len(item)}, not of feeds and label", remedy=_ITEM)
            item, label = item
        if isinstance(item, Mapping):
            key = label_name([str(name) for name in item], self._inputs, where)
            if key is not None:
                if label is not None:
                    raise SamplesError(where, f"has a label and a feed {key!r}", remedy="Keep one of them")
                label, item = item[key], {name: feed for name, feed in item.items() if name != key}
            steps: Sequence[object] = (item,)
        elif isinstance(item, list):
            steps = item
        else:
            raise SamplesError(where, f"is {type(item).__name__}, not feeds", remedy=_ITEM)
        feeds = tuple(_feeds(step, where if len(steps) == 1 else f"{where}, step {t}") for t, step in enumerate(steps))
        return Sample(id=where, steps=feeds, label=None if label is None else _array(label, f"{where}, label"))


def find_object(name: str) -> object:
    """The object that `module:attribute` or `file.py:attribute` names; modules are found from the working folder too.

    Raises:
        SamplesError: The module or attribute is missing, or importing it fails.
    """
    place, _, attribute = name.rpartition(":")
    try:
        module = _module_of_file(Path(place)) if place.endswith(".py") else _module(place)
    except EdgecError:
        raise
    except Exception as error:  # the user's own code may raise anything
        missing = isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}.")
        if missing:
            raise SamplesError(
                name,
                f"there is no module {place!r}",
                remedy="Run where the module is, install it, or give `path/to/file.py:function`",
            ) from error
        raise _raised(name, error) from error
    try:
        return operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise SamplesError(
            name, f"{place!r} has no {attribute!r}", remedy="Give the name of a function that yields feeds"
        ) from error


def _module(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:  # kept, as `python -m` would: the function may import its neighbours when it runs
        sys.path.insert(0, folder)
    return importlib.import_module(name)


def _module_of_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise SamplesError(str(file), "does not exist", remedy="Give `path/to/file.py:function`")
    folder = str(file.absolute().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # A name of its own, so that a file `test.py` or `data.py` hides no module.
    spec = importlib.util.spec_from_file_location(f"_edgec_samples_{file.stem}", file.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _feeds(step: object, where: str) -> Feeds:
    if not isinstance(step, Mapping):
        raise SamplesError(where, f"is {type(step).__name__}, not a dict of feeds", remedy=_ITEM)
    return {str(name): _array(feed, f"{where}, input {name!r}") for name, feed in step.items()}


def _array(value: object, where: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except Exception as error:  # any foreign array type may refuse in its own way
        raise SamplesError(
            where, f"is {type(value).__name__}, not an array: {error}", remedy="Give numpy arrays"
        ) from error


def _name(source: object) -> str:
    if callable(source):
        name = getattr(source, "__qualname__", type(source).__qualname__)
        return f"{getattr(source, '__module__', None) or type(source).__module__}:{name}"
    return type(source).__name__


def _one_shot(origin: str) -> SamplesError:
    return SamplesError(
        origin,
        "is an iterator, which can be read only once; samples are read several times",
        remedy="Give a list, or the function that makes it",
    )


def _raised(where: str, error: Exception) -> SamplesError:
    return SamplesError(where, f"raised {type(error).__name__}: {error}", remedy="Mend the code that gives the samples")
