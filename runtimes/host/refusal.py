"""What a host refuses, as the error it amounts to."""

from __future__ import annotations

from ...errors import EdgecError, HostError, ModelError
from ..ort_session import ort_message
from .process import Host

__all__ = ["refusal"]


def refusal(host: Host, where: str, kind: str, message: str, what: str) -> EdgecError:
    """The error that an answer amounts to which is none.

    Args:
        host: Whose answer.
        where: The model.
        kind: What the runner says it is.
        message: The same in ONNX Runtime's words.
        what: Names the request.
    """
    version = f"ONNX Runtime {host.hello['onnxruntime']} of runtime {host.name!r}"
    match kind:
        case "open":
            return ModelError(
                where,
                f"{version} cannot open it: {ort_message(message)}",
                remedy="Compile it for a target of that runtime, which pins the opset it loads",
            )
        case "compile":
            return ModelError(
                where,
                f"{version} cannot compile it: {ort_message(message)}",
                remedy="Compile it for a target of that runtime, or leave --context out",
            )
        case "run":
            return ModelError(
                where,
                f"{version} fails when running it: {ort_message(message)}",
                remedy="Check the feeds against the model's inputs; if they are right, it cannot run there",
            )
        case "provider":
            return HostError(
                f"runtime {host.name!r}",
                f"does not run it where the target asks for: {message}",
                remedy=host.launch.mend or f"Install it anew: edgec runtime install {host.name} --force",
            )
        case "nowhere":
            plugin = host.launch.plugin
            return ModelError(
                where,
                f"{version} gives none of its nodes to {plugin.provider if plugin else 'the provider wanted'}"
                + (f": {message}" if message else ""),
                affects="All of it would run on the CPU",
                remedy="Fix its shapes when you compile it: --shape"
                if message
                else "Compile it for a target of that runtime",
            )
        case "disk":
            return HostError(
                f"runtime {host.name!r}",
                f"cannot write the model to its disk: {message}",
                remedy="Free space in its temporary folder, or set TMPDIR there to another",
            )
    return HostError(f"runtime {host.name!r}", f"refused a request ({what}): {message}", remedy="Report this defect")
