"""A model that is open in a host."""

from __future__ import annotations

import contextlib
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import HostError
from ..base import Feeds, Latency, ModelSource, Placement, SessionSettings, TensorInfo
from ..feeds import check_feeds, tensor_info
from ..placement import placement_of
from ..runner import Evidence
from ..timing import latency_of, run_seconds
from .process import Host
from .refusal import refusal
from .source import source_of

__all__ = ["HostSession"]


class HostSession:
    """A session with a number, in a host.

    Args:
        host: Where.
        model: What to open.
        settings: How.
        providers: Execution providers, in order; all of them must be there.

    Raises:
        HostError: The host failed, or lacks a provider.
        ModelError: Its ONNX Runtime refuses the model.
    """

    def __init__(self, host: Host, model: ModelSource, settings: SessionSettings, providers: tuple[str, ...]) -> None:
        self._host = host
        self._settings = settings
        self._providers = providers
        self._again = model if host.launch.plugin is not None and host.launch.plugin.tells else None
        self._where = str(model) if isinstance(model, Path) else "model"
        request: dict[str, Any] = {
            "do": "open",
            "providers": list(providers),
            "settings": settings.options(),
        }
        plugin = host.launch.plugin
        if plugin is not None:
            request["plugin"] = plugin.request(settings.threads)
        more, arrays = source_of(model, shares_files=host.launch.shares_files)
        header, _ = self._ask({**request, **more}, arrays, f"open {self._where}")
        self._number = header["session"]
        self._free = weakref.finalize(self, host.forget, self._number)  # when nobody closes it
        self._load_seconds = float(header["seconds"])
        self._inputs = tuple(tensor_info(*each) for each in header["inputs"])
        self._outputs = tuple(tensor_info(*each) for each in header["outputs"])

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
        return self._settings.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """Outputs by name.

        Raises:
            SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
            ModelError: A kernel fails.
            HostError: The host fails.
        """
        checked = check_feeds(feeds, self._inputs)
        return self._ask({"do": "run", "session": self._number}, checked, "run")[1]

    def run_seconds(self, feeds: Feeds) -> float:
        """Seconds one run takes in the host, the way there and back left out."""
        header, _ = self._ask({"do": "run", "session": self._number, "outputs": False}, dict(feeds), "run")
        return float(header["seconds"])

    def placement(self, feeds: Feeds) -> Placement:
        if self._again is not None:
            return self._told(self._again, feeds)
        checked = check_feeds(feeds, self._inputs)
        header, arrays = self._ask({"do": "profile", "session": self._number}, checked, "profile")
        graphs: dict[str, Any] = {
            name: arrays[name].tobytes() if name in arrays else None for name in ("graph", "placed")
        }
        seen = {name: header[name] for name in Evidence._fields if name in header}
        return placement_of(Evidence(**seen, **graphs))

    def _told(self, model: ModelSource, feeds: Feeds) -> Placement:
        """Placement in a host whose provider's library prints what it executes, from its start on."""
        with contextlib.closing(Host(self._host.name, self._host.launch.telling())) as host:
            return HostSession(host, model, self._settings, self._providers).placement(feeds)

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        checked = check_feeds(feeds, self._inputs)
        return latency_of(run_seconds([self], checked, runs)[0], self.threads)

    def close(self) -> None:
        """Free the session; a host that has ended has freed it already."""
        if self._free.detach() is not None and self._host.alive:
            with contextlib.suppress(HostError):  # it has ended meanwhile
                self._ask({"do": "close", "session": self._number}, {}, "close")

    def _ask(
        self, request: dict[str, Any], arrays: dict[str, np.ndarray], what: str
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        header, found = self._host.ask(request, arrays, what=what)
        if "error" in header:
            raise refusal(self._host, self._where, header["error"], header["message"], what)
        return header, found
