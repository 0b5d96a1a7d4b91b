"""A Whisper checkpoint: two graphs of one folder, `whisper#encoder` and `whisper#decoder`, and what joins them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....errors import ModelError
from ..built import Built
from ..decoder.genai import GENAI_CONFIG
from ..encoder_decoder.config import EncoderDecoderConfig, Part
from ..encoder_decoder.decode import build_decoder
from ..encoder_decoder.encode import build_encoder
from ..encoder_decoder.genai import AUDIO_CONFIG, Spectrogram, audio_config, encoder_decoder_genai
from .reading import ConfigReader, read_json, token_ids
from .shards import Shards, shards_of

__all__ = ["WHISPER", "encoder_decoder_config", "joining_files", "read_speech"]

WHISPER = "whisper"
_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"
_OTHER = "Export it to ONNX with the code that defines it, and give the .onnx file"
# The head is the table of embeddings, stored again by some.
_TIED = ("proj_out.weight",)


def read_speech(
    folder: Path, origin: str, part: Part | None, *, said: Mapping[str, Any], generation: Mapping[str, Any]
) -> Built:
    """Build one part of a checkpoint.

    Args:
        folder: The checkpoint.
        origin: How messages call it.
        part: Which.
        said: Its `config.json`.
        generation: Its `generation_config.json`; empty where there is none.

    Raises:
        ModelError: No part is named, or the checkpoint cannot be built.
    """
    if part is None:
        named = str(Path(origin))  # `whisper/` is `whisper`
        raise ModelError(
            origin,
            "has an encoder and a decoder, which are two models",
            remedy=f"Name one: {named}#encoder or {named}#decoder; `edgec compile {named}` makes both",
        )
    config = encoder_decoder_config(said, generation, f"{origin}/{_CONFIG}")
    files = shards_of(folder, origin)
    weights = Shards(files, origin)
    models = {"encoder": build_encoder(config, weights, origin=origin)}
    models["decoder"] = build_decoder(config, weights, origin=origin)
    weights.check_all_used(_TIED, (), origin, WHISPER)  # of both parts, whichever is asked for
    return Built(model=models[part], files=tuple(file.resolve() for file in (folder / _CONFIG, *files)), part=part)


def joining_files(
    folder: Path, origin: str, *, said: Mapping[str, Any], generation: Mapping[str, Any]
) -> dict[str, bytes]:
    """What onnxruntime-genai reads of the two, by name.

    Raises:
        ModelError: The checkpoint is incomplete.
    """
    config = encoder_decoder_config(said, generation, f"{origin}/{_CONFIG}")
    return {
        GENAI_CONFIG: encoder_decoder_genai(config),
        AUDIO_CONFIG: audio_config(_spectrogram(folder, origin, config)),
    }


def encoder_decoder_config(said: Mapping[str, Any], generation: Mapping[str, Any], where: str) -> EncoderDecoderConfig:
    """The configuration of a checkpoint, defaults as transformers 4.57 and 5 have them.

    Args:
        said: Its `config.json`.
        generation: Its `generation_config.json`; empty where there is none.
        where: How messages call `config.json`.

    Raises:
        ModelError: It cannot be built, or is incomplete.
    """
    read = ConfigReader(said, where)
    activation = said.get("activation_function", "gelu")
    if activation != "gelu":
        raise ModelError(where, f"has the activation {activation!r}; built is gelu", remedy=_OTHER)
    tokens = {**said, **{name: value for name, value in generation.items() if value is not None}}

    def token(key: str) -> int | None:
        return next(iter(token_ids(tokens, key, where)), None)

    try:
        return EncoderDecoderConfig(
            mels=read.whole("num_mel_bins"),
            frames=read.whole("max_source_positions"),
            context=read.whole("max_target_positions"),
            vocabulary=read.whole("vocab_size"),
            hidden=read.whole("d_model"),
            encoder_layers=read.whole("encoder_layers"),
            decoder_layers=read.whole("decoder_layers"),
            encoder_heads=read.whole("encoder_attention_heads"),
            decoder_heads=read.whole("decoder_attention_heads"),
            encoder_intermediate=read.whole("encoder_ffn_dim"),
            decoder_intermediate=read.whole("decoder_ffn_dim"),
            scaled=read.switch("scale_embedding", False),
            bos=token("bos_token_id"),
            pad=token("pad_token_id"),
            start=token("decoder_start_token_id"),
            eos=token_ids(tokens, "eos_token_id", where),
        )
    except ValueError as error:
        raise ModelError(where, f"describes no model that runs: {error}", remedy=_OTHER) from error


def _spectrogram(folder: Path, origin: str, config: EncoderDecoderConfig) -> Spectrogram:
    """How sound becomes features: as the checkpoint says, else as Whisper was trained."""
    file = folder / _PREPROCESSOR
    where = f"{origin}/{_PREPROCESSOR}"
    read = ConfigReader(read_json(file, where) if file.is_file() else {}, where)
    return Spectrogram(
        seconds=read.whole("chunk_length", 30),
        window=read.whole("n_fft", 400),
        hop=read.whole("hop_length", 160),
        mels=config.mels,
    )
