"""How far an output is from float's, in the terms its reader cares about, without labels.

=========== ===================================================== ============================================
kind        recognised by                                         measured
=========== ===================================================== ============================================
`scores`    one axis is a distribution over classes (or its       regret: how much less probable, by float's
            logits): float is sure of itself, or it sums to 1     own account, the class chosen is; divergence:
                                                                  KL(float ‖ candidate), in nats
`tokens`    the same for each position of a sequence: rank 3, or  as `scores`
            a sample of several steps
`map`       the same for many pixels: rank 4; or one channel of   as `scores`, of two classes where there is one
            values in 0..1, the chance of a mask                  channel
`image`     rank 4, 1, 3 or 4 channels, as large as an input      SQNR
`field`     values decoded one by one (boxes, spectra): rank 3    SQNR
            or more
`values`    all others (embeddings)                               SQNR
=========== ===================================================== ============================================

Where the float model's probabilities are calibrated, regret is the top-1 accuracy that will be lost, and the
divergence what a language model's cross entropy will rise by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

__all__ = ["Fidelity", "Form", "fidelity", "form_of"]

Kind: TypeAlias = Literal["scores", "tokens", "map", "image", "field", "values"]

# float chooses one class of many with at least this mean probability; noise over many classes does not.
_SURE = 0.3
# Fewer positions in a sample are no map of pixels.
_MAP = 16
# A mask is as good as its few pixels: all count for so many of the rarer class at most. Text that PP-OCRv4 finds on
# 0.16 % of the pixels keeps 0.97 of its area (intersection over union) at 0.00003 nats a pixel, and 0.80 at 0.002.
_PER_RARE = 32.0
# Of one step: large outputs are neighbours that say much the same.
_POSITIONS, _ELEMENTS = 1 << 12, 1 << 17


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What an output is.

    Attributes:
        kind: See above.
        axis: The axis of classes, for `scores`, `tokens` and `map`.
        normalized: Probabilities already, not logits.
        binary: Of one class, and the other is what is left to 1.
    """

    kind: Kind
    axis: int = -1
    normalized: bool = False
    binary: bool = False

    @property
    def has_classes(self) -> bool:
        """Whether an axis of it is classes."""
        return self.kind in ("scores", "tokens", "map")

    @property
    def identical(self) -> Fidelity:
        """The fidelity of float itself."""
        if not self.has_classes:
            return Fidelity(kind=self.kind, noise=0.0)
        return Fidelity(kind=self.kind, noise=0.0, regret=0.0, divergence=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """How far an output is from float's over all samples.

    Attributes:
        kind: What the output is.
        noise: Σ (x - y)² / Σ x²; infinite where the candidate is not finite.
        regret: Probability given away by choosing another class, mean over positions; None without classes.
        divergence: KL(float ‖ candidate) in nats, mean over positions; None without classes.
    """

    kind: Kind
    noise: float
    regret: float | None = None
    divergence: float | None = None

    @property
    def sqnr_db(self) -> float:
        """Signal to noise in dB; infinite when identical."""
        if self.noise == 0:
            return math.inf
        return -10 * math.log10(self.noise) if math.isfinite(self.noise) else -math.inf


def form_of(references: Sequence[np.ndarray], input_shapes: Sequence[tuple[int, ...]], *, steps: bool = False) -> Form:
    """Tell what an output is from what float answers.

    Args:
        references: float's answers, one array per step.
        input_shapes: Shapes of the feeds.
        steps: Whether samples have several steps.
    """
    first = references[0]
    plain = Form(kind="field" if first.ndim > 2 else "values")
    if first.dtype.kind != "f" or not all(x.size and np.isfinite(x).all() for x in references):
        return plain
    if _is_image(first.shape, input_shapes):
        return Form(kind="image")
    for axis in _class_axes(first.shape):
        rows = np.concatenate([_rows(x, axis) for x in references])
        normalized = bool(rows.min() >= 0 and np.allclose(rows.sum(1), 1, atol=1e-3))
        p = rows if normalized else _softmax(rows)
        if normalized or p.max(1).mean() >= _SURE + 1 / rows.shape[1]:
            several = steps or (first.ndim == 3 and first.size > first.shape[axis])
            kind: Kind = "map" if _is_map(first.shape) else "tokens" if several else "scores"
            return Form(kind=kind, axis=axis, normalized=normalized)
    channel = _mask_axis(first.shape)
    if channel is not None and all(x.min() >= 0 and x.max() <= 1 for x in references):
        return Form(kind="map", axis=channel, normalized=True, binary=True)
    return plain


def fidelity(form: Form, references: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> Fidelity:
    """Compare a candidate's answers with float's, step by step.

    Args:
        form: What the output is.
        references: float's answers, one array per step.
        answers: The candidate's, of the same shapes.
    """
    signal = noise = regret = divergence = positions = rare = 0.0
    for x, y in zip(references, answers, strict=True):
        if x.dtype.kind != "f":
            noise += float(np.count_nonzero(x != y))
            signal += float(x.size)
            continue
        if not np.isfinite(y[np.isfinite(x)]).all():
            return Fidelity(kind=form.kind, noise=math.inf, regret=1.0 if form.has_classes else None)
        a, b = (_thinned(each.reshape(-1), _ELEMENTS).astype(np.float64) for each in (x, y))
        known = np.isfinite(a)
        signal += float(np.square(a[known]).sum())
        noise += float(np.square(a[known] - b[known]).sum())
        if form.has_classes:
            given_away, apart = _scores(form, x, y)
            regret, divergence = regret + float(given_away.sum()), divergence + float(apart.sum())
            positions += len(apart)
            rare += _rarer(form, x)
    ratio = noise / signal if signal else (math.inf if noise else 0.0)
    if not form.has_classes:
        return Fidelity(kind=form.kind, noise=ratio)
    if form.binary and rare:
        positions = min(positions, _PER_RARE * rare)
    return Fidelity(kind=form.kind, noise=ratio, regret=regret / positions, divergence=divergence / positions)


def _scores(form: Form, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regret and divergence of each position."""
    a, b = (_rows(each, form.axis) for each in (x, y))
    if form.binary:
        a, b = (np.concatenate([each, 1 - each], axis=1) for each in (a, np.clip(b, 0, 1)))
    p, q = (a, b) if form.normalized else (_softmax(a), _softmax(b))
    chosen = np.take_along_axis(p, q.argmax(1)[:, None], 1)[:, 0]
    tiny = 1e-9
    apart = (p * (np.log(np.maximum(p, tiny)) - np.log(np.maximum(q, tiny)))).sum(1)
    return p.max(1) - chosen, np.maximum(apart, 0.0)


def _rarer(form: Form, x: np.ndarray) -> float:
    """How many positions of a mask are of the rarer class, by float's account; 0 for what is no mask."""
    if not form.binary:
        return 0.0
    chance = _rows(x, form.axis)
    return float(min(chance.sum(), (1 - chance).sum()))


def _is_image(shape: tuple[int, ...], inputs: Sequence[tuple[int, ...]]) -> bool:
    """Whether a value is a picture of at least the size of a picture that went in."""
    if len(shape) != 4 or shape[1] not in (1, 3, 4):
        return False
    return any(
        len(each) == 4 and each[1] == shape[1] and shape[2] >= each[2] and shape[3] >= each[3] for each in inputs
    )


def _is_map(shape: tuple[int, ...]) -> bool:
    """Whether there is a class for each of many pixels; [N, classes, 1, 1] is a class for each image."""
    return len(shape) == 4 and shape[2] * shape[3] >= _MAP


def _mask_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the one channel of a picture, first or last; None for what is no such picture."""
    for axis, sides in ((1, shape[2:]), (3, shape[1:3])):
        if len(shape) == 4 and shape[axis] == 1 and min(sides) > 1 and math.prod(sides) >= _MAP:
            return axis
    return None


def _class_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes that may be classes, the likeliest first."""
    match len(shape):
        case 2:
            axes: tuple[int, ...] = (1,)
        case 3:
            axes = (2, 1) if shape[2] >= shape[1] else (1, 2)
        case 4:
            axes = (1, 3)
        case _:
            axes = ()
    return tuple(axis for axis in axes if shape[axis] > 1)


def _rows(x: np.ndarray, axis: int) -> np.ndarray:
    """(positions, classes), float64."""
    return _thinned(np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]), _POSITIONS).astype(np.float64)


def _thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """At most about `most` rows, evenly spread; an odd stride does not fall in step with rows of even length."""
    return rows[:: max(1, len(rows) // most) | 1]


def _softmax(rows: np.ndarray) -> np.ndarray:
    e = np.exp(rows - rows.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))
