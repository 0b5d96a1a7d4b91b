"""A place in another process, as a runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...errors import HostError
from ..base import ModelSource, RuntimeFacts, Session, SessionSettings
from .context import CompiledContext, compile_context
from .launch import Launch
from .plugged import check_plugin
from .process import Host
from .session import HostSession

__all__ = ["HostRuntime"]


class HostRuntime:
    """Executes models in a host, which is started by the first `open` and serves all that follow.

    Args:
        name: What the user calls it.
        launch: Tells how the host's interpreter is started; called when it is.
        missing: Tells why it cannot be used here; None when it can.
        providers: Execution providers it is there for, in order.
    """

    def __init__(
        self,
        *,
        name: str,
        launch: Callable[[], Launch],
        missing: Callable[[], str | None],
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
    ) -> None:
        self.name = name
        self.providers = providers
        self._launch = launch
        self._missing = missing
        self._host: Host | None = None
        self._starting = threading.Lock()

    def available(self) -> str | None:
        return self._missing()

    def facts(self) -> RuntimeFacts:
        """Versions of the host's ONNX Runtime, numpy and Python, its machine, and what emulates it.

        Raises:
            HostError: The host cannot be started.
        """
        host = self._running()
        return RuntimeFacts.of(host.hello, host.launch.emulated)

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model in the host.

        Raises:
            HostError: The host cannot be started, fails, or lacks a provider.
            ModelError: Its ONNX Runtime refuses the model.
        """
        return HostSession(self._running(), model, settings, self.providers)

    def compile(self, model: Path, name: str) -> CompiledContext:
        """What its provider makes of a model offline; a session of that provider opens it in its stead.

        Done in a host of its own, which has compiled nothing before: the bytes are then the same each time.

        Raises:
            HostError: The host cannot be started, fails, or has no provider that does that.
            ModelError: Nothing of the model can be compiled.
        """
        host = self.fresh()
        try:
            return compile_context(host, model, name)
        finally:
            host.close()

    def fresh(self, *, sent: bool = False) -> Host:
        """A host of its own, which has done nothing yet; whoever asks for it closes it.

        Args:
            sent: Its source is sent to it even where it sees our files: that of a device, which gives receipts.

        Raises:
            HostError: It cannot be started.
        """
        return self._started(sent=sent)

    def close(self) -> None:
        """End the host; the next `open` starts another."""
        with self._starting:
            if self._host is not None:
                self._host.close()
                self._host = None

    def _running(self) -> Host:
        with self._starting:
            if self._host is None or not self._host.alive:
                self._host = self._started()
            return self._host

    def _started(self, *, sent: bool = False) -> Host:
        reason = self._missing()
        if reason is not None:
            raise HostError(f"runtime {self.name!r}", f"is not available here: {reason}", remedy=_INSTALL)
        launch = self._launch()
        host = Host(self.name, replace(launch, shares_files=False) if sent else launch)
        check_plugin(host, self.providers)
        return host


_INSTALL = "See `edgec runtime list`"
