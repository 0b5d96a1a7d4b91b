"""Starts an installed runtime once, and keeps what it says of itself."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import InstallError
from ..host.plugged import check_plugin
from ..host.process import Host
from .component import onnxruntime_version
from .place import Place

__all__ = ["Probe", "forget", "probe", "read_probe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What a runtime answered.

    Attributes:
        onnxruntime, python: Versions.
        machine: The processor's architecture, as the place sees it.
        emulated: What emulates the processor; "" when it is real.
        of: The components it was asked with, and the ONNX Runtime of this interpreter.
    """

    onnxruntime: str
    python: str
    machine: str
    emulated: str
    of: tuple[str, ...]


def probe(place: Place, home: Path) -> Probe:
    """Start a runtime and write down what it is.

    Raises:
        HostError: It does not start.
        InstallError: It lacks a provider it is there for.
    """
    launch = place.launch()
    host = Host(place.name, launch)
    try:
        hello = host.hello
        check_plugin(host, place.providers)
    finally:
        host.close()
    lacking = [name for name in place.providers if name not in hello["providers"]]
    if lacking:
        raise InstallError(
            f"runtime {place.name!r}",
            f"its ONNX Runtime {hello['onnxruntime']} lacks {', '.join(lacking)}",
            remedy=f"Install it anew: edgec runtime install {place.name} --force",
        )
    found = Probe(
        onnxruntime=str(hello["onnxruntime"]),
        python=str(hello["python"]),
        machine=str(hello["machine"]),
        emulated=launch.emulated,
        of=_of(place),
    )
    file = _file(place, home)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    part.replace(file)
    return found


def read_probe(place: Place, home: Path) -> Probe | None:
    """What a runtime answered when it was installed; None when it was not, or with other components."""
    try:
        values = json.loads(_file(place, home).read_text(encoding="utf-8"))
        found = Probe(**{**values, "of": tuple(values["of"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.of == _of(place) else None


def forget(place: Place, home: Path) -> None:
    """Drop what was written down."""
    with contextlib.suppress(FileNotFoundError):
        _file(place, home).unlink()


def _of(place: Place) -> tuple[str, ...]:
    return (*place.needs, f"onnxruntime {onnxruntime_version()}")


def _file(place: Place, home: Path) -> Path:
    return home / "places" / f"{place.name}.json"
