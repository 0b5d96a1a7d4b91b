"""Run a bundle as its users do: a plain session with the manifest's options, where its target's runtime is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..bundle import Bundle
from ..errors import BundleError, HostError
from ..runtimes import runtime
from ..runtimes.adapters import adapted
from ..runtimes.base import Session, SessionSettings
from ..runtimes.cached_decoder import open_decoder
from .proving.context import check_context
from .proving.ort_format import check_ort, ort_options
from .proving.places import IN_PROCESS, Place, place_for, place_on

__all__ = ["OpenBundle", "open_bundle", "opened", "run_bundle"]


@dataclass(frozen=True, slots=True)
class OpenBundle:
    """A bundle opened once.

    Attributes:
        bundle: Which.
        session: Without an adapter.
    """

    bundle: Bundle
    session: Session
    _with: dict[str, Session] = field(default_factory=dict)

    def run(self, feeds: Mapping[str, np.ndarray], adapter: str | None = None) -> dict[str, np.ndarray]:
        """Outputs by name for one set of feeds.

        Args:
            feeds: Arrays by input.
            adapter: The adapter that is active in this run; its file is read the first time it is.

        Raises:
            SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
            BundleError: There is no such adapter.
            HostError: The session is another process's, where no adapter can be switched on.
        """
        return self.using(adapter).run(feeds)

    def using(self, adapter: str | None) -> Session:
        """The session with an adapter active, or without one; all share weights and kernels."""
        if adapter is None:
            return self.session
        if adapter not in self._with:
            self._with[adapter] = adapted(self.session, self.bundle.adapter(adapter))
        return self._with[adapter]


def run_bundle(bundle: Bundle, feeds: Mapping[str, np.ndarray], adapter: str | None = None) -> dict[str, np.ndarray]:
    """Outputs by name for one set of feeds.

    Raises:
        SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
        BundleError: There is no such adapter.
        HostError: The runtime of the bundle's target is not here, or fails.
    """
    with open_bundle(bundle) as opened_once:
        return opened_once.run(feeds, adapter)


@contextmanager
def open_bundle(bundle: Bundle, *, threads: int = 0) -> Iterator[OpenBundle]:
    """A bundle opened once, closed with the block.

    Raises:
        HostError: The runtime of the bundle's target is not here, or fails.
        ModelError: It refuses the model.
    """
    with opened(bundle, threads=threads) as session:
        yield OpenBundle(bundle, session)


@contextmanager
def opened(
    bundle: Bundle,
    *,
    on: str | None = None,
    context: bool = False,
    ort: bool = False,
    threads: int = 0,
    decoding: bool = False,
) -> Iterator[Session]:
    """A session of a bundle, closed with the block.

    Args:
        bundle: What runs.
        on: The place, as `prove` takes it; None takes this process for a target of its ONNX Runtime, whatever the
            processor, and an installed runtime for any other target: never this process in its stead.
        context: Load the context binary in the model's stead.
        ort: Load the model in ORT format in its stead.
        threads: Intra-op threads; 0 is the runtime's choice.
        decoding: It answers a prompt.

    Raises:
        TargetError: There is no such place.
        HostError: It is not here, or it cannot load the context.
        BundleError: There is no context, no model in ORT format, or it is not the model's.
        ModelError: The place refuses the model.
    """
    place = _place(bundle) if on is None else place_on(on, bundle)
    model = _context(bundle, place) if context else _ort(bundle) if ort else bundle.model
    config = ort_options(bundle) if ort else dict(bundle.manifest["session_options"])
    settings = SessionSettings(threads=threads, config=config)
    with place.open() as there:
        begun = open_decoder(there, model, settings) if decoding else there.open(model, settings)
        with closing(begun) as session:
            yield session


def _place(bundle: Bundle) -> Place:
    target = bundle.manifest["target"]
    if target["runtime"] == IN_PROCESS:
        return Place(runtime=runtime(IN_PROCESS))
    place = place_for(target)
    if not place.elsewhere:
        raise HostError(
            str(bundle.path),
            f"runs where its target's runtime is, which is not here: {place.unexecuted}",
            remedy=f"Name another place, say --on {IN_PROCESS}",
        )
    return place


def _context(bundle: Bundle, place: Place) -> Path:
    file = check_context(bundle)
    if file is None:
        raise BundleError(
            str(bundle.path), "has no context binary", remedy="Compile it with --context, or run it without"
        )
    if place.unexecuted:
        raise HostError(
            f"runtime {place.runtime.name!r}",
            f"loads no context of this bundle: {place.unexecuted}",
            remedy="Run it on a place of its target, or without --context",
        )
    return file


def _ort(bundle: Bundle) -> Path:
    file = check_ort(bundle)
    if file is None:
        raise BundleError(
            str(bundle.path), "has no model in ORT format", remedy="Compile it with --ort, or run it without"
        )
    return file
