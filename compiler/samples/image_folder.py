"""A folder of images, subfolders included, in the order of their paths; one image is one sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Sample, State
from .check import needed, quoted
from .decode import image_value, need_pillow
from .images import ImagePreprocess, suggestion
from .labels import read_labels
from .layout import steps_of

__all__ = ["IMAGE_SUFFIXES", "ImageReader"]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


class ImageReader:
    """Reads samples from a folder of images.

    Labels stand in `labels.csv` (`file,label`), inside the folder or beside it.

    Raises:
        SamplesError: The model has more inputs than one, or nothing says how images become the input.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        inputs: Sequence[TensorInfo],
        state: State,
        preprocess: Mapping[str, ImagePreprocess],
    ) -> None:
        wanted = needed(inputs, state)
        if len(wanted) != 1:
            raise SamplesError(
                str(folder),
                f"a folder of images feeds one input, the model has {len(wanted)}: {quoted([i.name for i in wanted])}",
                remedy="Give an .npz, or a folder with an .npz for each sample",
            )
        self._info = wanted[0]
        if self._info.name not in preprocess:
            raise SamplesError(
                str(folder),
                f"nothing says how an image becomes the input {self._info.name!r}",
                remedy=suggestion(self._info),
            )
        self._preprocess = preprocess[self._info.name]
        self._open = need_pillow(str(folder))
        self._folder = folder
        self._files = tuple(files)
        self._sequence = bool(state.carried)
        self._labels = read_labels(folder, files)

    @property
    def origin(self) -> str:
        return self._folder.as_posix()

    def count(self) -> int:
        return len(self._files)

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        for index in range(len(self._files)) if wanted is None else wanted:
            name = self._files[index]
            where = f"{self._folder.name}/{name}"
            value = image_value(self._open, self._folder / name, self._preprocess, where)
            steps = steps_of({self._info.name: value}, (self._info,), sequence=self._sequence, where=where)
            yield Sample(id=where, steps=steps, label=self._labels.get(name))
