"""`model.ort`: the bundle's model in the ORT format, for apps whose ONNX Runtime reads no other.

Full packages (onnxruntime-android, onnxruntime-objc) read `model.onnx`; minimal builds, which an app makes to be small,
read this one alone. `manifest.json` says of it, under `ort`::

    model            model.ort: a session opens it in the stead of model.onnx; weights lie inside
    of               sha256 of the bytes of model.onnx, and of model.onnx.data behind them
    style            fixed: fused for the CPU. runtime: for providers that compile, NNAPI and CoreML, which take what
                     they know first; what is left to the CPU is fused as the session opens
    session_options  to open it with, beside those of model.onnx: style runtime is not fused without
    unfused          MatMuls that style runtime leaves in float where they are the CPU's: no session can fuse them
    required         the kernels that it needs, in the file that ONNX Runtime's build.py takes
    made_by          the converting session's config entries
    made_with        version of ONNX Runtime: the device's may not be older

Every build reads the format, a full one with fewer kernels too. So what is required is said of this file alone: how
model.onnx is fused is decided where it is opened, and what that takes is not known here.

There is none for XNNPACK: fused, its convolutions run on the CPU's provider; with Q/DQ kept apart ONNX Runtime fails as
it opens ("Schema was not found for fused node", com.ms.internal.nhwc; kws_dscnn on 1.21, 2026-11).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ModelError, OptionError
from ..runtimes.ort_format import MOST_BYTES, REPLAY, required_of, save_ort_format
from ..runtimes.ort_session import PROVIDER
from ..targets.spec import TargetSpec
from .context import model_digest

__all__ = ["ORT", "REQUIRED", "check_ort_scheme", "check_ort_target", "make_ort"]

ORT = "model.ort"
REQUIRED = "required_operators_and_types.config"  # as ONNX Runtime's own converter names it
_STYLES = {PROVIDER: "fixed", "NnapiExecutionProvider": "runtime", "CoreMLExecutionProvider": "runtime"}
_ARM64 = ("aarch64", "arm64")
_SIGNED = ("aarch64", "arm")
_FULL = "full packages of ONNX Runtime read model.onnx"


def check_ort_target(target: TargetSpec) -> None:
    """Refuse a target whose provider runs no model in ORT format.

    Raises:
        OptionError: Of that provider no style is known to run on it.
    """
    if target.providers[0] not in _STYLES:
        raise OptionError(
            "--ort",
            f"has no form that is known to run on {target.providers[0]} of target {target.name}",
            remedy=f"Leave it out: {_FULL}. It is made for {', '.join(_STYLES)}",
        )


def check_ort_scheme(scheme: str) -> None:
    """Refuse, before any work, what `make_ort` would refuse behind it.

    Raises:
        OptionError: The scheme is fp16.
    """
    if scheme == "fp16":
        raise OptionError(
            "--ort",
            "cannot hold scheme fp16: ONNX Runtime writes ORT format with its CPU provider, which makes float32 of it",
            remedy=f"Leave it out: {_FULL}",
        )


def make_ort(model: Path, target: TargetSpec) -> dict[str, Any]:
    """Write a bundle's model beside it in the ORT format, and what a build that runs it has to keep.

    Args:
        model: The model that ships.
        target: Whose providers and processor it is for.

    Returns:
        What the manifest says of it.

    Raises:
        ModelError: It is too large for the format, or ONNX Runtime cannot convert it, or open what it made of it.
    """
    import onnxruntime

    bytes_ = sum(file.stat().st_size for file in (model, model.with_name(f"{model.name}.data")) if file.is_file())
    if bytes_ > MOST_BYTES:
        raise ModelError(
            model.name,
            f"has {bytes_} bytes, and ORT format holds at most {MOST_BYTES}",
            remedy="Leave --ort out, or make the weights smaller",
        )
    later = _STYLES[target.providers[0]] == "runtime"
    file, config = model.with_name(ORT), {REPLAY: "1"} if later else {}
    saved = save_ort_format(model, file, later=later, signed=target.isa.startswith(_SIGNED))
    about = f"What {ORT} needs of ONNX Runtime, as {onnxruntime.__version__} opens it: build.py --include_ops_by_config"
    required = required_of(file, config, about, arm64=target.isa.startswith(_ARM64))
    file.with_name(REQUIRED).write_text(required, encoding="utf-8", newline="\n")
    return {
        "model": ORT,
        "of": model_digest(model),
        "style": _STYLES[target.providers[0]],
        "session_options": config,
        "required": REQUIRED,
        "unfused": saved.unfused,
        "made_by": saved.entries,
        "made_with": {"onnxruntime": onnxruntime.__version__},
    }
