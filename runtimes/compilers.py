"""Providers whose backends compile a model offline, for a device that is not here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host.runtime import HostRuntime

__all__ = ["COMPILERS"]


def _htp(options: Mapping[str, str]) -> HostRuntime:
    from .qnn import htp_compiler

    return htp_compiler(options)


# By provider, what compiles for the device of these provider options.
COMPILERS: dict[str, Callable[[Mapping[str, str]], HostRuntime]] = {"QNNExecutionProvider": _htp}
