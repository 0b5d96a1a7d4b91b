"""A decoder whose cache stays where it is: one piece of memory per layer, bound as past and as present.

`GroupQueryAttention` then writes the new tokens' keys and values in place, and a step copies no cache (ONNX Runtime
1.31.1; 264 µs for 393 µs of an attention over 1000 tokens, see `compiler/sources/decoder/build.py` for the graph).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..errors import HostError, ModelError
from .base import Runtime, Session, SessionSettings
from .large_pages import large_pages
from .ort import OrtSession

__all__ = ["CachedDecoder", "open_decoder"]

_IDS, _MASK, _LOGITS = "input_ids", "attention_mask", "logits"
# Tokens of a prompt that are fed at once: their logits are in memory, and what each attends to in each of its heads.
_CHUNK, _SCORES = 512, 1 << 19
# Memory of an open model, by what its files hold: weights as kernels read them, and as they are stored.
_PREPARED = 2.5
# What is set while a decoder is opened holds for the whole process.
_ONE_AT_A_TIME = Lock()


def open_decoder(there: Runtime, model: Path, settings: SessionSettings) -> Session:
    """Open a model to decode with it, token by token.

    Its weights lie in large pages (`large_pages.py`).

    Memory is taken piece by piece: every step is longer than the one before it, and ONNX Runtime plans one block anew
    for each length that it meets for the first time (125 M weights in 4 bits: 0.5 ms of 4.5 a token, 1.31.1).

    Attention keeps all scores of a step, which is faster than going through the cache in tiles for so few rows (12
    heads; one row, 64, 256 and 900 tokens: 10 µs for 14, 28 for 41, 76 for 131; 512 rows: 19 ms for 22).

    Args:
        there: What opens it.
        model: Its file, the weights beside it.
        settings: How it is opened otherwise.

    Raises:
        ModelError: It is refused.
    """
    beside = sum(file.stat().st_size for file in model.parent.glob("*") if file.is_file())
    with _ONE_AT_A_TIME, large_pages(int(_PREPARED * beside)), _set("ORT_GQA_DISABLE_FLASH_ATTENTION", "1"):
        return there.open(model, replace(settings, patterns=False))


@contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment in the block, where the user has not."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


class CachedDecoder:
    """Feeds tokens to an open decoder and remembers them in its cache.

    Args:
        session: Of this process; inputs and outputs as onnxruntime-genai calls them.
        capacity: Most tokens, prompt and answer.

    Raises:
        HostError: The session is another process's.
        ModelError: The model is no decoder with a cache.
    """

    def __init__(self, session: Session, capacity: int) -> None:
        if not isinstance(session, OrtSession):
            raise HostError("--prompt", "is answered in this process only", remedy="Run it with --on onnxruntime-cpu")
        self._session = session
        self._capacity = capacity
        self._length = 0
        self._mask = np.ones((1, capacity), np.int64)
        self._binding = session.binding()
        self._vocabulary = self._bind()
        # A step of one token reads and writes the same memory every time.
        self._token, self._answer = np.zeros((1, 1), np.int64), np.zeros((1, 1, self._vocabulary), np.float32)
        self._single = False

    @property
    def capacity(self) -> int:
        """Most tokens."""
        return self._capacity

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return self._length

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        """Append tokens; float32 (vocabulary,), the logits of what comes next.

        Raises:
            ModelError: The cache is full, or a kernel fails.
        """
        if not tokens or self._length + len(tokens) > self._capacity:
            raise ModelError(
                "the cache",
                f"holds {self._length} of {self._capacity} tokens, {len(tokens)} more were given",
                remedy="Give at least one token, and no more than there is room for",
            )
        logits = np.zeros(0, np.float32)
        most = max(1, min(_CHUNK, _SCORES // self._capacity))
        for at in range(0, len(tokens), most):
            logits = self._run(np.asarray([tokens[at : at + most]], np.int64))
        return logits

    def forget(self) -> None:
        """Begin anew: what is in the cache is written over."""
        self._length = 0

    def _run(self, ids: np.ndarray) -> np.ndarray:
        single = ids.shape[1] == 1
        answer = self._answer if single else np.zeros((1, ids.shape[1], self._vocabulary), np.float32)
        if single:
            self._token[:] = ids
            ids = self._token
        if not (single and self._single):
            self._binding.bind_ortvalue_input(_IDS, _in_place(ids))
            self._binding.bind_ortvalue_output(_LOGITS, _in_place(answer))
            self._single = single
        total = self._length + ids.shape[1]
        self._binding.bind_ortvalue_input(_MASK, _in_place(self._mask[:, :total]))
        self._session.run_bound(self._binding)
        self._length = total
        found: np.ndarray = answer[0, -1].copy()
        return found

    def _bind(self) -> int:
        """Bind every cache as input and output; how many tokens there are to choose from."""
        outputs = {info.name: info for info in self._session.outputs}
        for info in self._session.inputs:
            if info.name in (_IDS, _MASK):
                continue
            present = info.name.replace("past_key_values", "present")
            if present == info.name or present not in outputs or len(info.shape) != 4:
                raise ModelError(
                    f"input {info.name!r}",
                    "is not the cache of a decoder: no output carries it on",
                    remedy="Give a bundle whose inputs are input_ids, attention_mask and past_key_values.0.key …",
                )
            heads, size = info.shape[1], info.shape[3]
            assert isinstance(heads, int)
            assert isinstance(size, int)
            cache = _in_place(np.zeros((1, heads, self._capacity, size), info.dtype))
            self._binding.bind_ortvalue_input(info.name, cache)
            self._binding.bind_ortvalue_output(present, cache)
        logits = outputs.get(_LOGITS)
        width = None if logits is None or logits.dtype != np.float32 else logits.shape[-1]
        if not isinstance(width, int):
            raise ModelError(
                "the model",
                f"has no output {_LOGITS!r} of float32 whose last dimension is known",
                remedy="Give the bundle of a decoder",
            )
        return width


def _in_place(array: np.ndarray) -> Any:
    """An `onnxruntime.OrtValue` over an array's own memory."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(array)
