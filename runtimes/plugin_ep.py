"""An execution provider in a library of its own, which ONNX Runtime loads when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

__all__ = ["NONE", "Options", "Plugin", "built_in"]

# Provider options by provider, as a manifest has them.
Options: TypeAlias = Mapping[str, Mapping[str, str]]
NONE: Options = MappingProxyType({})
# Providers that are part of a build and compute otherwise without their options.
_OF_A_BUILD = ("TensorrtExecutionProvider",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A provider's library, and how its sessions are opened.

    Attributes:
        provider: Name of the provider.
        module: Python module that knows where the library is: its `get_library_path()` says so. "" where the
            provider is part of that build of ONNX Runtime.
        options: Provider options of every session.
        graphs: Provider options that make its backend write the graphs it runs, as JSON, one file per partition;
            `{folder}` stands for where.
        of_threads: Further options, by the number of threads, where ONNX Runtime's own number does not reach it.
        beside: Further providers of that build, which take what it leaves before the CPU's does.
        tells: Variables that have its library print what it executes. A run then takes longer: placement is seen in a
            process of its own (`telling`).
        prints: It was told to.
    """

    provider: str
    module: str
    options: Mapping[str, str]
    graphs: Mapping[str, str] = field(default_factory=dict)
    of_threads: Callable[[int], Mapping[str, str]] | None = None
    beside: tuple[str, ...] = ()
    tells: Mapping[str, str] = field(default_factory=dict)
    prints: bool = False

    def environment(self) -> dict[str, str]:
        """What tells the runner to load the library when it starts."""
        if not self.module:
            return {}
        return {"EDGEC_PLUGIN": json.dumps({"provider": self.provider, "module": self.module})}

    def telling(self) -> Plugin:
        """The same in a process whose variables `tells` holds."""
        return replace(self, tells={}, prints=True)

    def request(self, threads: int) -> dict[str, Any]:
        """What tells the runner how to open a session with it.

        Args:
            threads: Of the session; 0 leaves the choice to the provider.
        """
        more = {} if self.of_threads is None else self.of_threads(threads)
        options = {**self.options, **more}
        return {
            "provider": self.provider,
            "options": options,
            "beside": list(self.beside),
            "graphs": dict(self.graphs),
            "prints": self.prints,
        }


def built_in(providers: Sequence[str], options: Options) -> Plugin | None:
    """How another interpreter, whose build has the first provider, opens sessions; None where it needs no options.

    Args:
        providers: Of its sessions, in order; the CPU's last.
        options: What the target gives them.
    """
    if providers[0] not in _OF_A_BUILD or not options.get(providers[0]):
        return None
    return Plugin(provider=providers[0], module="", options=options[providers[0]], beside=tuple(providers[1:-1]))
