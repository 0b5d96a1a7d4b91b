"""Write a model in the ORT format, which builds of ONNX Runtime without the ONNX one read (minimal builds).

As `onnxruntime.tools.convert_onnx_models_to_ort` does (1.31.1): a session on the CPU provider saves what it has
optimized. NCHWc convolutions, whose blocks have the width of the registers of the machine that converts, are left out
for every device: they run on x86-64 alone, and the file would depend on the machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import ModelError
from .base import SessionSettings
from .ort_order import in_order
from .ort_session import PROVIDER, ort_message
from .runner import options

__all__ = ["ABSENT", "MOST_BYTES", "REPLAY", "WITHOUT", "save_ort_format"]

MOST_BYTES = (1 << 31) - 1  # FLATBUFFERS_MAX_BUFFER_SIZE: offsets have 32 bits
REPLAY = "session.enable_saved_runtime_optimizations"
WITHOUT = "optimization.disable_specified_optimizers"  # names after semicolons
ABSENT = ("NchwcTransformer",)
_WIDENED = b"InsertedPrecisionFreeCast_"  # what insert_cast_transformer.cc names its float32 values
_LEAVE = "Leave --ort out: full packages of ONNX Runtime read model.onnx"


def save_ort_format(model: Path, to: Path, *, later: bool, signed: bool) -> dict[str, str]:
    """Convert a model file; the same model gives the same bytes, whatever its name.

    Args:
        model: An ONNX file, its external data beside it.
        to: The file to write; weights lie inside.
        later: Keep back what would fuse Q/DQ, and save it beside the graph: a provider that compiles takes what it
            knows first, and the rest is fused as a session opens (`REPLAY`); without that option it computes in float.
            Else all is fused now.
        signed: The device's kernels multiply int8 activations: they are not made uint8, as x86-64 wants them.

    Returns:
        The session's config entries that made it.

    Raises:
        ModelError: ONNX Runtime refuses the model, cannot write it, or writes float32 for its float16.
    """
    import onnxruntime

    entries = {"session.save_model_format": "ORT", "session.qdqisint8allowed": "1" if signed else "0"}
    if later:
        entries["optimization.minimal_build_optimizations"] = "save"
    made = options(**SessionSettings(threads=1, config=entries).options())
    with tempfile.TemporaryDirectory(prefix="edgec-ort-") as folder:
        written = Path(folder) / "model.ort"
        made.optimized_model_filepath = str(written)
        try:
            onnxruntime.InferenceSession(
                str(model), made, providers=[PROVIDER], disabled_optimizers=list(ABSENT), enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise ModelError(
                model.name,
                f"ONNX Runtime cannot write it in ORT format: {ort_message(error)}",
                remedy=_LEAVE,
            ) from error
        data = written.read_bytes()
    if _WIDENED in data:
        raise ModelError(
            model.name,
            "computes in float16, for which the CPU provider that writes ORT format has no kernels: it makes float32 "
            "of it, with Casts around every node",
            affects="The device would compute in float32",
            remedy=_LEAVE,
        )
    with to.open("wb") as stream:
        stream.writelines(in_order(data))
    return entries
