"""Whether a plugin's provider works at all: a Relu says so before a model is blamed."""

from __future__ import annotations

from ...errors import HostError, ModelError
from ..base import SessionSettings
from .process import Host
from .session import HostSession

__all__ = ["check_plugin"]

_RELU = """<ir_version: 8, opset_import: ["": 17]>
g (float[16] x) => (float[16] y) { y = Relu(x) }"""


def check_plugin(host: Host, providers: tuple[str, ...]) -> None:
    """Open what every provider takes; a backend that is not there, or an option that is wrong, takes nothing.

    Args:
        host: What runs the plugin, or none.
        providers: Execution providers of its sessions.

    Raises:
        HostError: The provider takes not even that. The host is ended.
    """
    plugin = host.launch.plugin
    if plugin is None:
        return
    import onnx

    relu = onnx.parser.parse_model(_RELU).SerializeToString()
    try:
        HostSession(host, relu, SessionSettings(), providers).close()
    except HostError:
        host.close()
        raise
    except ModelError as error:
        host.close()
        options = ", ".join(f"{name} {value}" for name, value in plugin.options.items()) or "no options"
        raise HostError(
            f"runtime {host.name!r}",
            f"its {plugin.provider} does not work: not even a Relu runs there ({options}): {error.problem}",
            remedy=host.launch.mend or f"Install it anew: edgec runtime install {host.name} --force",
        ) from error
