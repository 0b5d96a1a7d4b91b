"""Samples of a model whose preprocessing is inside: bytes as the device gives them, or as the model took them before.

Data that were prepared for the model as it was hold the bytes still, normalized: they are turned back where that is
exact to a thousandth of a byte, and refused where it is not. Which of the two a set is, its first sample says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ...errors import OptionError, SamplesError
from ...runtimes.base import TensorInfo
from ..samples import DataSource, ImagePreprocess, Sample, Samples, open_samples
from ..samples.base import State
from ..samples.digest import combine, sample_digest
from .bake import Baking
from .outside import pixels_of
from .spec import BakedInput

__all__ = ["open_baked"]


def open_baked(
    data: DataSource,
    inputs: Sequence[TensorInfo],
    baking: Baking,
    *,
    role: Literal["calibration", "evaluation"],
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    **options: Any,
) -> Samples:
    """Open samples for a baked model; `open_samples` where nothing is baked before an input.

    Args:
        data: As `open_samples` takes them.
        inputs: Every input of the baked model.
        baking: What is baked into it.
        role: What they are for.
        preprocess: How image files become an input, by input name: of an input with baked preprocessing the size
            counts, and its numbers must be the baked ones, or those of bytes.
        **options: As `open_samples` takes them.

    Raises:
        SamplesError: They fit neither form.
        OptionError: `preprocess` says other numbers than what is baked in.
    """
    if not baking.inputs:
        return open_samples(data, inputs, role=role, preprocess=preprocess, **options)
    files = {
        name: _bytes_of(name, said, baking.inputs[name]) if name in baking.inputs else said
        for name, said in (preprocess or {}).items()
    }
    try:
        found = open_samples(data, inputs, role=role, preprocess=files, **options)
        next(iter(found))
    except SamplesError as error:
        before = _before(data, inputs, baking, role, options)
        if before is None:
            raise error from None
        again = {name: value for name, value in options.items() if name not in ("limit", "seed")}
        whole = _FromBefore(before, baking)
        next(iter(whole))
        return open_samples(whole, inputs, role=role, **again)
    return found


def _before(
    data: DataSource, inputs: Sequence[TensorInfo], baking: Baking, role: Any, options: Mapping[str, Any]
) -> Samples | None:
    """The samples as the model took them before; None where they are not that either."""
    infos = tuple(baking.before.get(info.name, info) for info in inputs)
    try:
        found = open_samples(data, infos, role=role, **options)
        next(iter(found))
    except SamplesError:
        return None
    return found


class _FromBefore:
    """Samples in the model's old form, given as bytes."""

    def __init__(self, samples: Samples, baking: Baking) -> None:
        self._samples = samples
        self._baking = baking

    @property
    def origin(self) -> str:
        return self._samples.origin

    @property
    def state(self) -> State:
        return self._samples.state

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            steps = tuple({name: self._back(name, array, sample.id) for name, array in s.items()} for s in sample.steps)
            yield replace(sample, steps=steps)

    def digest(self) -> str:
        return combine([sample_digest(sample) for sample in self])

    def _back(self, name: str, array: np.ndarray, where: str) -> np.ndarray:
        spec = self._baking.inputs.get(name)
        if spec is None:
            return array
        found = pixels_of(array, spec, self._baking.before[name])
        if found is None:
            raise SamplesError(
                f"{where}, input {name!r}",
                "is in the form the model took before its preprocessing was baked in, and no bytes make these values",
                remedy=f"Give it as {spec.dtype} {spec.layout}, or check mean and std: only bytes that were "
                "normalized by them, and not resized after, can be told",
            )
        return found


def _bytes_of(name: str, said: ImagePreprocess, spec: BakedInput) -> ImagePreprocess:
    """How a file becomes the bytes: its size as said, its numbers left to the model."""
    raw = said.dtype == "uint8"
    alike = (
        np.isclose(said.scale, spec.scale, rtol=1e-6)
        and np.allclose(np.broadcast_to(said.mean, 3), np.broadcast_to(spec.mean, 3))
        and np.allclose(np.broadcast_to(said.std, 3), np.broadcast_to(spec.std, 3))
    )
    if not raw and not alike:
        raise OptionError(
            f"inputs.{name}",
            "has another scale, mean or std than what is baked into the model",
            remedy='Say them once: with dtype = "uint8" and scale = 1 files become bytes',
        )
    return replace(
        said, layout=spec.layout, channels=spec.channels, dtype=spec.dtype, scale=1.0, mean=(0.0,), std=(1.0,)
    )
