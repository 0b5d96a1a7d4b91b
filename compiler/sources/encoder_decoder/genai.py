"""What onnxruntime-genai reads beside the two: where they are, how inputs are called, how sound is heard.

Keys of onnxruntime-genai 0.18 (written alike by its model builder for Whisper).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .config import EncoderDecoderConfig
from .decode import CROSS_PAST, IDS, LOGITS, PAST, PRESENT
from .encode import CROSS_PRESENT, FEATURES, STATES

__all__ = ["AUDIO_CONFIG", "Spectrogram", "audio_config", "encoder_decoder_genai"]

AUDIO_CONFIG = "audio_processor_config.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrogram:
    """How sound becomes features.

    Attributes:
        seconds: Of sound that is heard at once.
        window: Samples of a Fourier transform.
        hop: Samples from one to the next.
        mels: Channels.
    """

    seconds: int
    window: int
    hop: int
    mels: int


def encoder_decoder_genai(config: EncoderDecoderConfig) -> bytes:
    """The text of `genai_config.json`."""

    def names(pattern: str, prefix: str) -> dict[str, str]:
        return {prefix.format(kind): pattern.format(kind, "%d") for kind in ("key", "value")}

    eos: Any = config.eos[0] if len(config.eos) == 1 else list(config.eos)
    pad = config.pad if config.pad is not None else (config.eos[0] if config.eos else 0)
    options = {"session_options": {"log_id": "onnxruntime-genai", "provider_options": []}}
    decoder = {
        **options,
        "filename": "decoder/model.onnx",
        **_sizes(config, config.decoder_heads, config.decoder_layers),
        "inputs": {
            "input_ids": IDS,
            **names(PAST, "past_{}_names"),
            **names(CROSS_PAST, "cross_past_{}_names"),
        },
        "outputs": {"logits": LOGITS, **names(PRESENT, "present_{}_names")},
    }
    encoder = {
        **options,
        "filename": "encoder/model.onnx",
        **_sizes(config, config.encoder_heads, config.encoder_layers),
        "inputs": {"audio_features": FEATURES},
        "outputs": {"encoder_hidden_states": STATES, **names(CROSS_PRESENT, "cross_present_{}_names")},
    }
    model = {
        "type": "whisper",
        **({} if config.bos is None else {"bos_token_id": config.bos}),
        **({"eos_token_id": eos} if config.eos else {}),
        "pad_token_id": pad,
        **({} if config.start is None else {"decoder_start_token_id": config.start}),
        "context_length": config.context,
        "vocab_size": config.vocabulary,
        "encoder": encoder,
        "decoder": decoder,
    }
    search = {"max_length": config.context, "past_present_share_buffer": False, "do_sample": False, "num_beams": 1}
    return (json.dumps({"model": model, "search": search}, indent=2) + "\n").encode()


def audio_config(spectrogram: Spectrogram) -> bytes:
    """The text of `audio_processor_config.json`: decode, transform, log of the mel bands."""
    steps: tuple[tuple[str, str, dict[str, int]], ...] = (
        ("audio_decoder", "AudioDecoder", {}),
        (
            "STFT",
            "STFTNorm",
            {"n_fft": spectrogram.window, "frame_length": spectrogram.window, "hop_length": spectrogram.hop},
        ),
        (
            "log_mel_spectrogram",
            "LogMelSpectrum",
            {
                "chunk_size": spectrogram.seconds,
                "hop_length": spectrogram.hop,
                "n_fft": spectrogram.window,
                "n_mel": spectrogram.mels,
            },
        ),
    )
    sequence = [
        {"operation": {"name": name, "type": kind, **({"attrs": attributes} if attributes else {})}}
        for name, kind, attributes in steps
    ]
    return (json.dumps({"feature_extraction": {"sequence": sequence}}, indent=2) + "\n").encode()


def _sizes(config: EncoderDecoderConfig, heads: int, layers: int) -> dict[str, int]:
    return {
        "head_size": config.hidden // heads,
        "hidden_size": config.hidden,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": heads,
    }
