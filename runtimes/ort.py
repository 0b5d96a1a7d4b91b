"""ONNX Runtime's CPU provider, in this process."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EdgecError, ModelError
from .base import Feeds, Latency, ModelSource, Placement, RuntimeFacts, Session, SessionSettings, TensorInfo
from .feeds import check_feeds, tensor_info
from .ort_session import PROVIDER, evidence_of, ort_message, start_session
from .placement import placement_of
from .timing import latency_of, run_seconds

__all__ = ["OrtCpu", "OrtSession"]


class OrtCpu:
    """Executes models with ONNX Runtime's CPU provider and plain session options."""

    name = "onnxruntime-cpu"
    providers = (PROVIDER,)

    def available(self) -> str | None:
        try:
            import onnxruntime
        except ImportError as error:
            return f"onnxruntime cannot be imported: {error}"
        return None if PROVIDER in onnxruntime.get_available_providers() else f"this onnxruntime has no {PROVIDER}"

    def facts(self) -> RuntimeFacts:
        return RuntimeFacts.here()

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model file, its bytes, or its graph with the weights beside it.

        Raises:
            ModelError: ONNX Runtime refuses the model.
        """
        return OrtSession(model, settings)

    def close(self) -> None:
        """Nothing to end: it is this process."""


class OrtSession:
    """An open `onnxruntime.InferenceSession`."""

    def __init__(self, model: ModelSource, settings: SessionSettings) -> None:
        self._model = model
        self._settings = settings
        self._where = str(model) if isinstance(model, Path) else "model"
        started = time.perf_counter()
        try:
            self._session, self._weights = start_session(model, settings)
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise self._refused(error) from error
        self._load_seconds = time.perf_counter() - started
        self._inputs = tuple(tensor_info(value.name, value.type, value.shape) for value in self._session.get_inputs())
        self._outputs = tuple(tensor_info(value.name, value.type, value.shape) for value in self._session.get_outputs())
        self._names = [value.name for value in self._outputs]
        self._run_options: Any = None

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

    @property
    def overridable(self) -> frozenset[str]:
        """Inputs that have a default value."""
        return frozenset(value.name for value in self._session.get_overridable_initializers())

    def with_options(self, options: Any, *held: Any) -> OrtSession:
        """The same session, run with an `onnxruntime.RunOptions`; `held` lives as long as what is returned."""
        other = copy.copy(self)
        other._run_options = (options, held)
        return other

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
        options = self._options
        started = time.perf_counter()
        raw.run(None, feeds, options)
        return time.perf_counter() - started

    def binding(self) -> Any:
        """A new `onnxruntime.IOBinding`, for callers that keep inputs and outputs where they are."""
        return self._session.io_binding()

    def run_bound(self, binding: Any) -> None:
        """Run with what is bound.

        Raises:
            ModelError: A kernel fails.
        """
        try:
            self._session.run_with_iobinding(binding, self._options)
        except Exception as error:
            raise self._failed(error) from error

    def placement(self, feeds: Feeds) -> Placement:
        checked = check_feeds(feeds, self._inputs)
        try:
            return placement_of(evidence_of(self._model, self._settings, checked))
        except Exception as error:
            raise ModelError(
                self._where,
                f"ONNX Runtime fails when profiling it: {ort_message(error)}",
                remedy="Check that the model runs with these feeds",
            ) from error

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        checked = check_feeds(feeds, self._inputs)
        self._guarded(checked)
        return latency_of(run_seconds([self], checked, runs)[0], self.threads)

    def close(self) -> None:
        """Free the session; it cannot be used afterwards."""
        del self._session

    @property
    def _options(self) -> Any:
        return None if self._run_options is None else self._run_options[0]

    def _guarded(self, feeds: Feeds) -> list[Any]:
        try:
            found: list[Any] = self._session.run(None, feeds, self._options)
        except Exception as error:
            raise self._failed(error) from error
        return found

    def _failed(self, error: Exception) -> ModelError:
        return ModelError(
            self._where,
            f"ONNX Runtime fails when running it: {ort_message(error)}",
            remedy="Check the feeds against the model's inputs; if they are right, the model cannot run here",
        )

    def _refused(self, error: Exception) -> EdgecError:
        if isinstance(self._model, Path) and not self._model.is_file():
            return ModelError(self._where, "no such file", remedy="Check the path")
        return ModelError(
            self._where,
            f"ONNX Runtime cannot open it: {ort_message(error)}",
            remedy="Check the file with `edgec inspect`, and its opset and operators against this ONNX Runtime",
        )
