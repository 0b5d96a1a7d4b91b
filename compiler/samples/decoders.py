"""Decoders with a cache, known by their signature: what the cache starts from, and feeds made of tokens alone.

The signature is that of onnxruntime-genai: `input_ids`, `attention_mask`, `past_key_values.0.key`…, answered by
`present.0.key`…. A sample is a row of tokens; all of it is one step with an empty cache, and where it has no labels
the next tokens are: T tokens are T - 1 fed and T - 1 to be told, as perplexity counts them.

A decoder that listens to an encoder has `input_ids`, `past_key_self_0`…, answered by `present_key_self_0`…, and what
the encoder knows, `past_key_cross_0`…, which every step of a sample is fed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Feeds, Sample, Samples, State
from .sequence import start_state
from .view import Reader

__all__ = ["IDS", "MASK", "Afresh", "TokenReader", "decoder_state", "golden_steps", "is_decoder", "is_listener"]

IDS = "input_ids"
MASK = "attention_mask"
_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
_SELF, _CROSS = (re.compile(rf"past_(key|value)_{which}_(\d+)") for which in ("self", "cross"))
# Of the golden sample: tokens of the first step, and of all.
_PROMPT = 16
_STEPS = 8


def is_decoder(inputs: Sequence[TensorInfo]) -> bool:
    """Whether these are the inputs of a decoder with a cache."""
    names = {info.name for info in inputs}
    rest = names - {IDS, MASK}
    return {IDS, MASK} < names and all(_PAST.fullmatch(name) for name in rest)


def is_listener(inputs: Sequence[TensorInfo]) -> bool:
    """Whether these are the inputs of a decoder that listens to an encoder, with a cache of its own."""
    names = {info.name for info in inputs}
    caches = names - {IDS}
    listens = any(_CROSS.fullmatch(name) for name in caches) and any(_SELF.fullmatch(name) for name in caches)
    return IDS in names and listens and all(_CROSS.fullmatch(name) or _SELF.fullmatch(name) for name in caches)


def decoder_state(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> State:
    """The cache as state, started empty; nothing where the model is no decoder."""
    names = {info.name for info in outputs}
    past = _PAST if is_decoder(inputs) else _SELF if is_listener(inputs) else None
    if past is None:
        return State()
    carried = {info.name: _present(info).name for info in inputs if past.fullmatch(info.name)}
    if not all(output in names for output in carried.values()):
        return State()
    start = {}
    for info in inputs:
        if info.name in carried:
            # (batch, heads, tokens, size): one row, no tokens.
            dims = [dim if isinstance(dim, int) else 1 - (axis == 2) for axis, dim in enumerate(info.shape)]
            start[info.name] = np.zeros(dims, info.dtype)
    return State(carried=carried, start=start)


def golden_steps(sample: Sample, inputs: Sequence[TensorInfo]) -> Sample:
    """A decoder's sample as its users run it: a prompt at once, then token by token."""
    dtype = next(info.dtype for info in inputs if info.name == IDS)
    heard = {name: value[:1] for name, value in sample.feeds.items() if _CROSS.fullmatch(name)}
    ids = np.asarray(sample.feeds[IDS])[:1] if IDS in sample.feeds else np.zeros((1, 0), dtype)
    if ids.shape[1] < _STEPS + 1:
        ids = np.arange(2 * _STEPS, dtype=dtype)[None]
    ids = ids[:, : _PROMPT + _STEPS - 1]
    first = ids.shape[1] - _STEPS + 1
    steps = []
    for end in range(first, ids.shape[1] + 1):
        new = ids[:, end - (first if end == first else 1) : end]
        steps.append({IDS: new, **heard} if heard else _feeds(new, end))
    return Sample(id=sample.id, steps=tuple(steps))


class TokenReader:
    """Makes feeds of a decoder from rows of tokens.

    Args:
        reader: Gives `input_ids`, and labels where there are any.
        inputs: Every input of the model.
        state: The cache; carried inputs are left out.
    """

    def __init__(self, reader: Reader, inputs: Sequence[TensorInfo], state: State) -> None:
        self._reader = reader
        rest = [info for info in inputs if info.name not in (IDS, MASK, *state.carried)]
        self._empty = start_state(rest, decoder_state(inputs, [_present(info) for info in rest]))

    @property
    def origin(self) -> str:
        return self._reader.origin

    def count(self) -> int:
        return self._reader.count()

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        for sample in self._reader.read(wanted):
            ids, label = np.asarray(sample.feeds[IDS]), sample.label
            if ids.size and ids.min() < 0:
                raise SamplesError(
                    sample.id,
                    f"holds {ids.min()}, which is no token: those are numbers from 0",
                    remedy="Give rows of tokens, with nothing that fills them up",
                )
            if label is None:
                if ids.shape[-1] < 2:
                    raise SamplesError(
                        sample.id,
                        f"has {ids.shape[-1]} tokens, and a next one is to be told",
                        remedy="Give rows of at least 2 tokens",
                    )
                ids, label = ids[:, :-1], ids[0, 1:]
            yield Sample(id=sample.id, steps=({**_feeds(ids, ids.shape[1]), **self._empty},), label=label)


class Afresh:
    """Samples of one step each, whose state is fed from its start: nothing is carried, and the graph may be cut."""

    def __init__(self, samples: Samples, inputs: Sequence[TensorInfo]) -> None:
        self._samples = samples
        self._start = start_state(inputs, samples.state)

    @property
    def origin(self) -> str:
        return self._samples.origin

    @property
    def state(self) -> State:
        return State()

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            yield Sample(id=sample.id, steps=({**sample.feeds, **self._start},), label=sample.label)

    def digest(self) -> str:
        return self._samples.digest()


def _feeds(ids: np.ndarray, total: int) -> Feeds:
    """Tokens, and a mask of all there are so far."""
    return {IDS: ids, MASK: np.ones((ids.shape[0], total), np.int64)}


def _present(info: TensorInfo) -> TensorInfo:
    name = info.name.replace("past_key_values", "present").replace("past_", "present_")
    return TensorInfo(name=name, dtype=info.dtype, shape=info.shape)
