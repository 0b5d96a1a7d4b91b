"""Parts of a set of samples: drawn, split, compared. Every choice is seeded and keeps the order of the data."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ...errors import OptionError, SamplesError
from .base import Samples
from .digest import SampleDigest, sample_digest
from .view import SamplesReader, View

__all__ = ["draw", "limited", "overlap", "split", "view_of"]

logger = logging.getLogger(__name__)


def draw(count: int, size: int, seed: int) -> list[int]:
    """`size` of `count` indices without replacement, ascending."""
    return [int(index) for index in np.sort(np.random.default_rng(seed).choice(count, size, replace=False))]


def limited(view: View, limit: int | None, seed: int) -> View:
    """At most `limit` samples, drawn with `seed`; where there are fewer, all, which is logged."""
    if limit is None:
        return view
    if limit < 1:
        raise OptionError("--samples", f"{limit} is not a positive number", remedy="Give at least 1")
    count = len(view)
    if count <= limit:
        if count < limit:
            logger.warning("%s: %d samples were asked for, there are %d: all are used", view.origin, limit, count)
        return view
    return view.choose(draw(count, limit, seed), view.origin)


def split(samples: Samples, *, held_out: float = 0.5, seed: int = 0) -> tuple[Samples, Samples]:
    """Split samples into a part to keep and a part to hold out.

    Args:
        samples: At least two.
        held_out: Share to hold out, in (0, 1); each part gets one sample at least.
        seed: Seeds the draw.

    Returns:
        Kept and held out, each in the order of `samples`, reading from it.

    Raises:
        SamplesError: There is only one sample.
    """
    if not 0 < held_out < 1:
        raise OptionError("held_out", f"{held_out} does not lie between 0 and 1", remedy="Give a share such as 0.5")
    count = len(samples)
    if count < 2:
        raise SamplesError(
            samples.origin,
            "holds one sample, which cannot be split into calibration and evaluation",
            remedy="Give more samples, or separate evaluation samples",
        )
    size = min(max(round(count * held_out), 1), count - 1)
    out = draw(count, size, seed)
    chosen = set(out)
    kept = [index for index in range(count) if index not in chosen]
    view = view_of(samples)
    return (
        view.choose(kept, f"{samples.origin} ({len(kept)} of {count}, seed {seed})"),
        view.choose(out, f"{samples.origin} (the other {size} of {count}, seed {seed})"),
    )


def overlap(a: Samples, b: Samples) -> int:
    """Samples of `b` whose feeds are also a sample of `a`; labels do not matter."""
    seen = {digest.feeds for digest in _digests(a)}
    return sum(digest.feeds in seen for digest in _digests(b))


def view_of(samples: Samples) -> View:
    """The samples as a view, of which some can be chosen."""
    return samples if isinstance(samples, View) else View(SamplesReader(samples), None, samples.state)


def _digests(samples: Samples) -> Sequence[SampleDigest]:
    return samples.digests() if isinstance(samples, View) else [sample_digest(sample) for sample in samples]
