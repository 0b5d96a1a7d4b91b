"""Providers whose backends compile a model offline, for a device that is not here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host.runtime import HostRuntime

__all__ = ["COMPILERS", "compiled_for"]


def _htp(options: Mapping[str, str]) -> HostRuntime:
    from .qnn import htp_compiler

    return htp_compiler(options)


# By provider, what compiles for the device of these provider options.
COMPILERS: dict[str, Callable[[Mapping[str, str]], HostRuntime]] = {"QNNExecutionProvider": _htp}


def compiled_for(provider: str, compatibility: str) -> dict[str, tuple[str, ...]]:
    """What the provider options of a device have to be for what was compiled; empty where that is not said.

    Args:
        provider: Name of the provider.
        compatibility: Its own words, as the compiled model's metadata have them.
    """
    if provider != "QNNExecutionProvider":
        return {}
    from .qnn import htp_chips

    return htp_chips(compatibility)
