"""Qualcomm's HTP, simulated on x86-64: the QNN provider is a plugin that brings its backends along.

Options are checked here, because the provider checks none: an unknown name, a backend or an architecture that does not
exist are passed over without a word, and without a SoC it computes in fp32 what the device computes in fp16
(onnxruntime-qnn 2.7.0, 2026-11).
"""

from __future__ import annotations

import difflib
import platform
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..errors import HostError
from .host.launch import Launch
from .host.runtime import HostRuntime
from .install.component import components
from .install.home import home
from .install.place import Place
from .plugin_ep import Plugin

__all__ = ["PROVIDER", "htp_chips", "htp_compiler", "htp_plugin", "launch_htp", "qnn_places"]

PROVIDER = "QNNExecutionProvider"
_GLIBC = (2, 35)  # tag of the plugin's wheel
# What an option may be: backends/architectures of QAIRT 2.51 (QnnTypes.h, QnnHtpDevice.h).
_OPTIONS = {
    "backend_type": r"htp",
    "backend_path": r".*\.(?:so|dll)",
    "soc_model": r"[1-9]\d*",
    "htp_arch": r"68|69|73|75|79|81",
    "htp_graph_finalization_optimization_mode": r"[0-3]",
    "offload_graph_io_quantization": r"[01]",
    "vtcm_mb": r"[1-9]\d*",
}
_NEEDED = ("soc_model", "htp_arch")
# Name of the runtime, what people call the chip, Qualcomm's number of it, version of its HTP.
_CHIPS = (
    ("qnn-htp", "Snapdragon 8 Gen 3", 57, 75),
    ("qnn-htp-v73", "Snapdragon X Elite", 60, 73),
    ("qnn-htp-v79", "Snapdragon 8 Elite", 69, 79),
)


def qnn_places() -> tuple[Place, ...]:
    """The HTP of three chips, one component."""
    return tuple(
        Place(
            name=name,
            about=f"Qualcomm's simulator of the HTP of {chip} (v{arch})",
            needs=(_component(),),
            starts=partial(_starts, soc=soc, arch=arch, name=name),
            unfit=_unfit,
            providers=(PROVIDER, "CPUExecutionProvider"),
        )
        for name, chip, soc, arch in _CHIPS
    )


def _starts(home: Path, *, soc: int, arch: int, name: str) -> Launch:
    options = {"backend_type": "htp", "soc_model": str(soc), "htp_arch": str(arch)}
    return launch_htp(home / _component(), options, name=name)


def htp_compiler(options: Mapping[str, str]) -> HostRuntime:
    """What compiles for any chip, simulated here or not: the installed plugin with that chip's options.

    Args:
        options: Provider options of the device.

    Raises:
        HostError: An option is missing, unknown or no value of it.
    """
    place = qnn_places()[0]
    plugin = htp_plugin(options, name=place.name)  # before anything is compiled
    return HostRuntime(
        name=place.name,
        launch=lambda: launch_htp(home() / _component(), plugin.options, name=place.name),
        missing=place.missing,
        providers=place.providers,
    )


def htp_chips(compatibility: str) -> dict[str, tuple[str, ...]]:
    """Provider options that fit a context binary, by name; empty where it does not say.

    Args:
        compatibility: `v2:BACKEND:SDK:API:ARCH,...:SOC,...:VTCM,...:DRIVER`, as onnxruntime-qnn 2.7 writes it
            (qnn_cache_compatibility_info.h); what came before named no chip.
    """
    parts = compatibility.split(":")
    if len(parts) != 8 or parts[0] != "v2":
        return {}
    return {"htp_arch": tuple(parts[4].split(",")), "soc_model": tuple(parts[5].split(","))}


def _component() -> str:
    return next(name for name in components() if name.startswith("qnn-"))


def _unfit() -> str | None:
    """Why the plugin's wheel cannot be loaded on this machine."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"it needs Linux on x86_64, this is {sys.platform} on {platform.machine()}"
    name, version = platform.libc_ver()
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name == "glibc" and found >= _GLIBC:
        return None
    wanted = ".".join(map(str, _GLIBC))
    return f"it needs glibc {wanted} or newer, this is {name or 'another C library'} {version}".strip()


def launch_htp(site: Path, options: Mapping[str, str], *, name: str) -> Launch:
    """Our own interpreter with the plugin, the ONNX Runtime it needs and numpy.

    Args:
        site: Folder they are installed in.
        options: Provider options.
        name: Of the runtime, for errors.

    Raises:
        HostError: An option is missing, unknown or no value of it.
    """
    return Launch(
        command=(sys.executable,),
        site=(site,),
        emulated=f"QAIRT's HTP simulator, soc_model {options.get('soc_model', '')}, v{options.get('htp_arch', '')}",
        plugin=htp_plugin(options, name=name),
    )


def htp_plugin(options: Mapping[str, str], *, name: str = "qnn-htp") -> Plugin:
    """The plugin with checked options.

    Args:
        options: Provider options.
        name: Of the runtime, for errors.

    Raises:
        HostError: An option is missing, unknown or no value of it.
    """
    for option, value in options.items():
        if option not in _OPTIONS:
            near = difflib.get_close_matches(option, _OPTIONS, n=1)
            problem = f"has no provider option {option!r}" + (f", did you mean {near[0]!r}?" if near else "")
            raise _wrong(name, problem)
        if not re.fullmatch(_OPTIONS[option], value):
            raise _wrong(name, f"provider option {option!r} is {value!r}, which is none of its values")
    for option in _NEEDED:
        if option not in options:
            raise _wrong(name, f"lacks provider option {option!r}, without which it computes what no device computes")
    return Plugin(
        provider=PROVIDER,
        module="onnxruntime_qnn",
        options=options,
        graphs={"dump_json_qnn_graph": "1", "json_qnn_graph_dir": "{folder}"},
    )


def _wrong(name: str, problem: str) -> HostError:
    return HostError(f"runtime {name!r}", problem, remedy=f"Known are {', '.join(_OPTIONS)}; see runtimes/qnn.py")
