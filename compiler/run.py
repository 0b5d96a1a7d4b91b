"""Run a bundle as its users do: a plain session on this machine, with the options the manifest asks for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..bundle import Bundle
from ..runtimes import runtime
from ..runtimes.base import SessionSettings

__all__ = ["run_bundle"]


def run_bundle(bundle: Bundle, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name for one set of feeds.

    Raises:
        SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
    """
    settings = SessionSettings(config=dict(bundle.manifest["session_options"]))
    session = runtime(str(bundle.manifest["target"]["runtime"])).open(bundle.model, settings)
    try:
        return session.run(feeds)
    finally:
        session.close()
