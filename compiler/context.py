"""Context binaries: the bundle's model as the target's own backend compiles it, made here for a device elsewhere.

They lie beside the model they were made of and hold its digest: they are keyed by it. Their own bytes have been the
same each time (QAIRT 2.51, one machine, a process of its own each), which nobody promises of another machine.

`manifest.json` says of them, under `context`::

    model          model_ctx.onnx: a session opens it in the stead of model.onnx, with the same provider options
    binaries       what it names; they have to lie beside it
    of             sha256 of the bytes of model.onnx, and of model.onnx.data behind them
    compatibility  the backend's own words on which chips and versions can load it
    made_with      versions of ONNX Runtime and of the backend's SDK: the device's may not be older
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import HostError, OptionError
from ..runtimes.compilers import COMPILERS
from ..targets import find_target, target_names
from ..targets.spec import TargetSpec

if TYPE_CHECKING:
    import onnx

    from ..runtimes.host.runtime import HostRuntime

__all__ = ["CONTEXT", "OF", "compatibility_of", "context_compiler", "make_context", "metadata_of", "model_digest"]

CONTEXT = "model_ctx.onnx"
OF = "edgec.context_of"
_COMPATIBILITY = "ep_compatibility_info."
_MEBIBYTE = 1 << 20


def context_compiler(target: TargetSpec) -> HostRuntime:
    """What compiles for a target's device; it runs here.

    Raises:
        OptionError: The target's provider compiles nothing offline.
        HostError: It does, and what does it is not installed.
    """
    maker = COMPILERS.get(target.providers[0])
    if maker is None:
        others = [name for name in target_names() if find_target(name).providers[0] in COMPILERS]
        raise OptionError(
            "--context",
            f"asks for a context binary, and {target.providers[0]} of target {target.name} makes none",
            remedy=f"Leave it out, or compile for one of {', '.join(others)}",
        )
    found = maker(target.provider_options)
    reason = found.available()
    if reason is not None:
        raise HostError(
            "--context",
            f"needs runtime {found.name!r}, which is not available here: {reason}",
            remedy="Install it, or leave --context out",
        )
    return found


def make_context(model: Path, compiler: HostRuntime) -> dict[str, Any]:
    """Write the context of a bundle's model beside it.

    Args:
        model: The model that ships.
        compiler: What `context_compiler` found.

    Returns:
        What the manifest says of it.

    Raises:
        HostError: The compiler fails.
        ModelError: It compiles nothing of the model.
    """
    import onnx

    made = compiler.compile(model, CONTEXT)
    digest = model_digest(model)
    for name, data in made.files.items():
        (model.parent / name).write_bytes(data.tobytes())
    compiled = onnx.load_model(model.parent / CONTEXT, load_external_data=False)
    onnx.helper.set_model_props(compiled, {**metadata_of(compiled), OF: digest})
    (model.parent / CONTEXT).write_bytes(compiled.SerializeToString(deterministic=True))
    return {
        "model": CONTEXT,
        "binaries": [name for name in made.files if name != CONTEXT],
        "of": digest,
        "compatibility": compatibility_of(compiled, compiler.providers[0]),
        "made_with": {"onnxruntime": made.onnxruntime, "sdk": _sdk(compiled)},
    }


def model_digest(model: Path) -> str:
    """sha256 of a model's bytes, hex; those of its external data follow."""
    digest = hashlib.sha256()
    for file in (model, model.with_name(f"{model.name}.data")):
        if file.is_file():
            with file.open("rb") as stream:
                while piece := stream.read(_MEBIBYTE):
                    digest.update(piece)
    return digest.hexdigest()


def metadata_of(model: onnx.ModelProto) -> Mapping[str, str]:
    """A model's metadata by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


def compatibility_of(model: onnx.ModelProto, provider: str) -> str:
    """What a provider says of who can load what it compiled; "" when it says nothing."""
    return metadata_of(model).get(_COMPATIBILITY + provider, "")


def _sdk(model: onnx.ModelProto) -> str:
    """The version that the EPContext nodes were compiled with."""
    found = [each.s.decode() for node in model.graph.node for each in node.attribute if each.name == "ep_sdk_version"]
    return next(iter(found), "")
