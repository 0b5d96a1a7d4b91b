"""What a step of a lesson is fed: some texts, or some samples, drawn anew for every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ....errors import SamplesError
from ...samples.base import Sample, Samples
from ...samples.batch import stack
from .language import Language

__all__ = ["Draw", "of_samples", "of_texts"]

# Feeds of a step; the same for the same step.
Draw = Callable[[int], Mapping[str, Tensor]]


def of_texts(texts: np.ndarray, language: Language, *, batch: int, seed: int) -> Draw:
    """Some texts at a time.

    Args:
        texts: Tokens, (texts, length).
        language: How the model is called.
        batch: Texts of a step.
        seed: Of what is drawn.
    """

    def draw(step: int) -> Mapping[str, Tensor]:
        return _tensors(language.feeds(texts[_chosen(len(texts), batch, seed, step)]))

    return draw


def of_samples(samples: Samples, *, batch: int, stacked: bool, seed: int) -> Draw:
    """Some samples at a time; they are held in memory.

    Args:
        samples: Read once.
        batch: Samples of a step.
        stacked: Whether the model takes several at once; else a step is one.
        seed: Of what is drawn.

    Raises:
        SamplesError: There are none, or one has several steps.
    """
    held = list(samples)
    if not held:
        raise SamplesError(samples.origin, "holds no sample", remedy="Give at least one to learn from")
    for each in held:
        if len(each.steps) > 1 or samples.state.carried:
            raise SamplesError(
                each.id,
                f"has {len(each.steps)} steps and a state, which are not learned from",
                remedy="Give samples of one step, with nothing carried",
            )
    alike: dict[tuple[object, ...], list[Sample]] = {}
    for each in held:
        alike.setdefault(tuple((name, x.shape) for name, x in sorted(each.feeds.items())), []).append(each)
    groups = list(alike.values())
    shares = np.cumsum([len(group) for group in groups])

    def draw(step: int) -> Mapping[str, Tensor]:
        generator = np.random.default_rng([seed, step])
        group = groups[int(np.searchsorted(shares, generator.integers(shares[-1]), side="right"))]
        chosen = generator.permutation(len(group))[: batch if stacked else 1]
        return _tensors(stack([group[k] for k in chosen]))

    return draw


def _chosen(count: int, batch: int, seed: int, step: int) -> np.ndarray:
    """Rows of a step: every row once before any comes again."""
    each = max(count // batch, 1)
    order = np.random.default_rng([seed, step // each]).permutation(count)
    return order[(step % each) * batch :][:batch]


def _tensors(feeds: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(x)) for name, x in feeds.items()}
