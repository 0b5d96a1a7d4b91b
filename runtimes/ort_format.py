"""Write a model in the ORT format, which minimal builds of ONNX Runtime read, and say which kernels these need.

As `onnxruntime.tools.convert_onnx_models_to_ort` does (1.31.1): a session on the CPU provider saves what it has
optimized. NCHWc convolutions, whose blocks have the width of the registers of the machine that converts, are left out
for every device: they run on x86-64 alone, and the file would depend on the machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from .base import SessionSettings
from .ort_fusions import without_broken_fusions
from .ort_graph import OrtNode, ort_nodes, saved_fusions
from .ort_order import in_order
from .ort_session import PROVIDER, ort_message
from .required_operators import required_operators
from .runner import options

__all__ = ["ABSENT", "MOST_BYTES", "REPLAY", "WITHOUT", "SavedOrt", "required_of", "save_ort_format"]

MOST_BYTES = (1 << 31) - 1  # FLATBUFFERS_MAX_BUFFER_SIZE: offsets have 32 bits
REPLAY = "session.enable_saved_runtime_optimizations"
WITHOUT = "optimization.disable_specified_optimizers"  # names after semicolons
ABSENT = ("NchwcTransformer",)
_FORMAT = {"session.save_model_format": "ORT"}
_WIDENED = b"InsertedPrecisionFreeCast_"  # what insert_cast_transformer.cc names its float32 values
_LEAVE = "Leave --ort out: full packages of ONNX Runtime read model.onnx"


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedOrt:
    """How a file in ORT format was made.

    Attributes:
        entries: Config entries of the session that made it.
        unfused: MatMuls that no session can fuse; see `ort_fusions`.
    """

    entries: dict[str, str]
    unfused: int


def save_ort_format(model: Path, to: Path, *, later: bool, signed: bool) -> SavedOrt:
    """Convert a model file; the same model gives the same bytes, whatever its name.

    Args:
        model: An ONNX file, its external data beside it.
        to: The file to write; weights lie inside.
        later: Keep back what would fuse Q/DQ, and save it beside the graph: a provider that compiles takes what it
            knows first, and the rest is fused as a session opens (`REPLAY`); without that option it computes in float.
            Else all is fused now.
        signed: The device's kernels multiply int8 activations: they are not made uint8, as x86-64 wants them.

    Returns:
        How it was made.

    Raises:
        ModelError: ONNX Runtime refuses the model, cannot write it, or writes float32 for its float16.
    """
    entries = {**_FORMAT, "session.qdqisint8allowed": "1" if signed else "0"}
    if later:
        entries["optimization.minimal_build_optimizations"] = "save"
    try:
        data = _saved(model, entries, ABSENT)
    except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
        raise ModelError(
            model.name,
            f"ONNX Runtime cannot write it in ORT format: {ort_message(error)}",
            remedy=_LEAVE,
        ) from error
    if _WIDENED in data:
        raise ModelError(
            model.name,
            "computes in float16, for which the CPU provider that writes ORT format has no kernels: it makes float32 "
            "of it, with Casts around every node",
            affects="The device would compute in float32",
            remedy=_LEAVE,
        )
    data, unfused = without_broken_fusions(data)
    with to.open("wb") as stream:
        stream.writelines(in_order(data))
    return SavedOrt(entries=entries, unfused=unfused)


def required_of(file: Path, config: Mapping[str, str], about: str, *, arm64: bool) -> str:
    """What a reduced build of ONNX Runtime has to keep to open a file in ORT format: `required_operators`' text.

    That is every node of the file, and every one of the graph that a session here makes of it as it opens it: style
    runtime is fused then. A provider that compiles leaves some of these to the CPU, fused or not. What any build from
    `--minimal_build extended` on may add between the two, Transposes and the like, ONNX Runtime keeps of its own accord
    (core/optimizer/layout_transformation/layout_transformation_potentially_added_ops.h, 1.31.1).

    Args:
        file: In ORT format.
        config: The config entries that it is opened with.
        about: What the first line says, as a comment.
        arm64: The device's processor is one: with SME, float convolutions become others as a session opens, which it
            does not do here (core/optimizer/nhwc_transformer.cc; 1.31.1 on an emulated processor, 2026-11).

    Raises:
        ModelError: No session opens it.
    """
    try:
        opened = _saved(file, {**config, **_FORMAT}, ())
    except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
        raise ModelError(
            file.name,
            f"ONNX Runtime cannot open what it wrote: {ort_message(error)}",
            affects="No device could",
            remedy=_LEAVE,
        ) from error
    data = file.read_bytes()
    nodes = [*ort_nodes(data), *ort_nodes(opened)]
    added = {*saved_fusions(data)}  # one that was made in the stead of another here may stay on the device
    if arm64 and any(node.op in ("Conv", "FusedConv") and node.inputs[0] == "float" for node in nodes):
        added.add(("com.microsoft", "NhwcFusedConv", 1))
    for domain, op, since in added - {(node.domain, node.op, node.since) for node in nodes}:
        nodes.append(OrtNode(domain=domain, op=op, since=since, inputs=(None,), outputs=(None,)))
    return required_operators(nodes, about)


def _saved(model: Path, config: Mapping[str, str], without: tuple[str, ...]) -> bytes:
    """The graph of a session, in the format that its config says.

    Raises:
        Exception: What ONNX Runtime raises.
    """
    import onnxruntime

    made = options(**SessionSettings(threads=1, config=config).options())
    with tempfile.TemporaryDirectory(prefix="edgec-ort-") as folder:
        written = Path(folder) / "model.ort"
        made.optimized_model_filepath = str(written)
        onnxruntime.InferenceSession(
            str(model), made, providers=[PROVIDER], disabled_optimizers=list(without), enable_fallback=0
        )
        return written.read_bytes()
