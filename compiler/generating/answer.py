"""Open a decoder's bundle for a prompt: its tokenizer, its cache as long as is needed, what ends an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...errors import BundleError, OptionError
from ...runtimes.base import Session
from ...runtimes.cached_decoder import CachedDecoder
from ..sources.decoder.genai import GENAI_CONFIG
from .generate import Generation
from .sampling import Sampling
from .tokenizer import TOKENIZER, Tokenizer

__all__ = ["Answer", "answer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer that is being told.

    Attributes:
        generation: Gives its tokens.
        tokenizer: Makes text of them.
    """

    generation: Generation
    tokenizer: Tokenizer


def answer(bundle: Bundle, session: Session, prompt: str, *, most: int, sampling: Sampling, seed: int) -> Answer:
    """Begin an answer to a prompt.

    Args:
        bundle: Of a decoder, with `genai_config.json` and `tokenizer.json`.
        session: The bundle, open in this process.
        prompt: Text.
        most: Tokens to answer with; fewer where the context ends.
        sampling: How a token is chosen.
        seed: Seeds the draws.

    Raises:
        BundleError: It is not the bundle of a decoder, or has no tokenizer.
        OptionError: The prompt is empty, or as long as the context.
        HostError: The session is another process's.
    """
    config = _config(bundle)
    tokenizer = Tokenizer(_file(bundle, TOKENIZER).read_bytes(), str(bundle.path / TOKENIZER))
    tokens, context = tokenizer.encode(prompt), int(config["context_length"])
    if not 0 < len(tokens) < context:
        raise OptionError(
            "--prompt",
            f"is {len(tokens)} tokens; the context has room for {context}, answer included",
            remedy="Give a shorter one" if tokens else "Give some text",
        )
    eos = config.get("eos_token_id", [])
    generation = Generation(
        steps=CachedDecoder(session, min(context, len(tokens) + most)),
        prompt=tokens,
        most=most,
        ends=frozenset(eos if isinstance(eos, list) else [eos]),
        sampling=sampling,
        seed=seed,
    )
    return Answer(generation=generation, tokenizer=tokenizer)


def _config(bundle: Bundle) -> dict[str, Any]:
    file = _file(bundle, GENAI_CONFIG)
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["model"]
    except (ValueError, KeyError) as error:
        raise BundleError(str(file), f"cannot be read: {error}", remedy="Compile the bundle again") from error
    return values


def _file(bundle: Bundle, name: str) -> Path:
    file = bundle.path / name
    if not file.is_file():
        raise BundleError(
            str(bundle.path),
            f"answers no prompt: it has no {name}",
            remedy="Compile the folder of a checkpoint with its tokenizer",
        )
    return file
