"""ONNX Runtime's CPU provider, in this process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ..errors import EdgecError, ModelError, SamplesError
from .base import Feeds, Latency, ModelSource, Placement, Session, SessionSettings, TensorInfo
from .ort_session import PROVIDER, ort_message, session_options, start_session
from .timing import latency_of, run_seconds

__all__ = ["OrtCpu", "OrtSession"]

_DTYPES: Mapping[str, np.dtype] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(bfloat16)": np.dtype(ml_dtypes.bfloat16),
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(string)": np.dtype(np.object_),
    **{
        f"tensor({sign}int{bits})": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
    },
}  # fmt: skip


class OrtCpu:
    """Executes models with ONNX Runtime's CPU provider and plain session options."""

    name = "onnxruntime-cpu"

    def available(self) -> str | None:
        try:
            import onnxruntime
        except ImportError as error:
            return f"onnxruntime cannot be imported: {error}"
        return None if PROVIDER in onnxruntime.get_available_providers() else f"this onnxruntime has no {PROVIDER}"

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model file, its bytes, or its graph with the weights beside it.

        Raises:
            ModelError: ONNX Runtime refuses the model.
        """
        return OrtSession(model, settings)


class OrtSession:
    """An open `onnxruntime.InferenceSession`."""

    def __init__(self, model: ModelSource, settings: SessionSettings) -> None:
        self._model = model
        self._settings = settings
        self._where = str(model) if isinstance(model, Path) else "model"
        started = time.perf_counter()
        try:
            self._session, self._weights = start_session(model, session_options(settings))
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise self._refused(error) from error
        self._load_seconds = time.perf_counter() - started
        self._inputs = tuple(_info(value) for value in self._session.get_inputs())
        self._outputs = tuple(_info(value) for value in self._session.get_outputs())
        self._names = [value.name for value in self._outputs]

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._outputs

    @property
    def load_seconds(self) -> float:
        return self._load_seconds

    @property
    def threads(self) -> int:
        """Intra-op threads it was opened with; 0 is ONNX Runtime's choice."""
        return self._settings.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """Outputs by name.

        Raises:
            SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
            ModelError: A kernel fails.
        """
        checked = check_feeds(feeds, self._inputs)
        return dict(zip(self._names, self._guarded(checked), strict=True))

    def run_seconds(self, feeds: Feeds) -> float:
        """Seconds one run takes, from arrays in to arrays out; feeds are taken as they are."""
        raw: Any = self._session
        started = time.perf_counter()
        raw.run(None, feeds)
        return time.perf_counter() - started

    def placement(self, feeds: Feeds) -> Placement:
        from .placement import placement

        return placement(self._model, self._settings, check_feeds(feeds, self._inputs), where=self._where)

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        checked = check_feeds(feeds, self._inputs)
        self._guarded(checked)
        return latency_of(run_seconds([self], checked, runs)[0], self.threads)

    def close(self) -> None:
        """Free the session; it cannot be used afterwards."""
        del self._session

    def _guarded(self, feeds: Feeds) -> list[Any]:
        try:
            found: list[Any] = self._session.run(None, feeds)
        except Exception as error:
            raise ModelError(
                self._where,
                f"ONNX Runtime fails when running it: {ort_message(error)}",
                remedy="Check the feeds against the model's inputs; if they are right, the model cannot run here",
            ) from error
        return found

    def _refused(self, error: Exception) -> EdgecError:
        if isinstance(self._model, Path) and not self._model.is_file():
            return ModelError(self._where, "no such file", remedy="Check the path")
        return ModelError(
            self._where,
            f"ONNX Runtime cannot open it: {ort_message(error)}",
            remedy="Check the file with `edgec inspect`, and its opset and operators against this ONNX Runtime",
        )


def check_feeds(feeds: Feeds, inputs: tuple[TensorInfo, ...]) -> dict[str, np.ndarray]:
    """The feeds as contiguous arrays, after a look at names, dtypes and shapes.

    Raises:
        SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
    """
    known = {info.name for info in inputs}
    extra = [name for name in feeds if name not in known]
    missing = [name for name in known if name not in feeds]
    if extra or missing:
        name = (extra or sorted(missing))[0]
        raise SamplesError(
            f"input {name!r}",
            "is not an input of the model" if extra else "has no feed",
            remedy=f"The model's inputs are: {', '.join(info.name for info in inputs)}",
        )
    checked = {}
    for info in inputs:
        array = np.asarray(feeds[info.name])
        if array.dtype != info.dtype and info.dtype != np.object_:
            raise SamplesError(
                f"input {info.name!r}",
                f"has dtype {array.dtype}, the model needs {info.dtype}",
                remedy="Convert the array, or declare its preprocessing",
            )
        fixed = [isinstance(need, int) and need != got for need, got in zip(info.shape, array.shape, strict=False)]
        if len(info.shape) != array.ndim or any(fixed):
            raise SamplesError(
                f"input {info.name!r}",
                f"has shape {list(array.shape)}, the model needs [{', '.join(_dim(d) for d in info.shape)}]",
                remedy="Reshape the array, or declare its preprocessing",
            )
        checked[info.name] = np.ascontiguousarray(array) if array.ndim else array
    return checked


def _info(value: Any) -> TensorInfo:
    shape = tuple(value.shape) if value.shape is not None else ()
    return TensorInfo(name=value.name, dtype=_DTYPES.get(value.type, np.dtype(np.object_)), shape=shape)


def _dim(dim: int | str | None) -> str:
    return "?" if dim is None else str(dim)
