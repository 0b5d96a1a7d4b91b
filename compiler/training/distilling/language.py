"""Language models by their inputs and outputs: tokens in, logits of the next token out, with or without a cache.

1. Whole sequences: one input, tokens (batch, tokens), looked up in a table; the first output of three axes is logits
   (batch, tokens, vocabulary), its vocabulary that of the table.
2. Decoders with a cache, as ONNX Runtime calls them: `input_ids`, `attention_mask`, `past_key_values.0.key`…
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ....passes.edit import is_op
from ....runtimes.base import Session, TensorInfo
from ...samples.decoders import IDS, MASK, decoder_state, is_decoder
from ...signature import inputs_of, outputs_of

__all__ = ["Language", "language_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """How a language model is called.

    Attributes:
        ids: The input that takes tokens.
        dtype: Of tokens.
        logits: The output.
        vocabulary: Tokens there are.
        past: Inputs that bring a cache, and the outputs that carry it on.
        caches: Those inputs.
    """

    ids: str
    dtype: np.dtype
    logits: str
    vocabulary: int
    past: Mapping[str, str]
    caches: tuple[TensorInfo, ...]

    def feeds(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """What the model is fed of whole texts.

        Args:
            ids: (texts, tokens).
        """
        feeds = {self.ids: ids.astype(self.dtype)}
        if self.past:
            feeds[MASK] = np.ones(ids.shape, np.int64)
        for cache in self.caches:
            dims = [dim if isinstance(dim, int) else len(ids) * (axis == 0) for axis, dim in enumerate(cache.shape)]
            feeds[cache.name] = np.zeros(dims, cache.dtype)
        return feeds

    def reader(self, session: Session, texts: int) -> Reader:
        """What reads texts token by token.

        Args:
            session: Of the model.
            texts: How many at once.
        """
        return Reader(self, session, texts)


class Reader:
    """Texts that grow, and the logits of what comes next.

    Args:
        language: How the model is called.
        session: Runs it.
        texts: How many there are.
    """

    def __init__(self, language: Language, session: Session, texts: int) -> None:
        self._language = language
        self._session = session
        self._ids = np.zeros((texts, 0), np.int64)
        self._caches: dict[str, np.ndarray] = {}

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Append a token to every text, (texts,); logits of the next ones, (texts, vocabulary)."""
        language = self._language
        self._ids = np.concatenate([self._ids, tokens.astype(np.int64)[:, None]], axis=1)
        feeds = language.feeds(self._ids)
        if self._caches:
            feeds |= {language.ids: self._ids[:, -1:].astype(language.dtype), **self._caches}
        found = self._session.run(feeds)
        self._caches = {name: found[output] for name, output in language.past.items()}
        logits: np.ndarray = found[language.logits][:, -1]
        return logits


def language_of(model: ir.Model) -> Language | None:
    """How a language model is called; None where a model is none."""
    inputs, outputs = inputs_of(model), outputs_of(model)
    if is_decoder(inputs):
        past = dict(decoder_state(inputs, outputs).carried)
        ids = next(info for info in inputs if info.name == IDS)
        caches = tuple(info for info in inputs if info.name in past)
        if not past:
            return None
    elif len(inputs) == 1 and inputs[0].dtype.kind == "i" and len(inputs[0].shape) == 2:
        past, ids, caches = {}, inputs[0], ()
    else:
        return None
    logits = next((info for info in outputs if info.dtype.kind == "f" and len(info.shape) == 3), None)
    if logits is None or not isinstance(logits.shape[-1], int):
        return None
    if any(isinstance(dim, int) for dim in (*ids.shape, *logits.shape[:2])):  # texts of one length alone
        return None
    if not past and not _is_vocabulary(model, ids.name, logits.shape[-1]):
        return None
    return Language(
        ids=ids.name, dtype=ids.dtype, logits=logits.name, vocabulary=logits.shape[-1], past=past, caches=caches
    )


def _is_vocabulary(model: ir.Model, ids: str, size: int) -> bool:
    """Whether what is answered for every token may be a token: the table they are looked up in has about as many rows.

    An encoder answers features, a tagger classes.
    """
    following = [value for value in model.graph.inputs if value.name == ids]
    for value in following:
        for node, index in value.uses():
            table = node.inputs[0]
            if is_op(node, "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity") and index == 0:
                following.append(node.outputs[0])
            elif is_op(node, "Gather") and index == 1 and table is not None and table.const_value is not None:
                rows = table.const_value.shape.numpy()[0]  # more than tokens, where it was filled up
                return size <= rows < 2 * size
    return False
