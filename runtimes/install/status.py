"""Which runtimes there are, which can be used here, and what mends the others."""

from __future__ import annotations

from dataclasses import dataclass

from .. import RUNTIMES
from ..places import places
from .component import components, onnxruntime_version
from .home import home
from .place import Place
from .probe import read_probe
from .record import read_record

__all__ = ["Status", "status", "statuses"]

# Packages that carry the library, in whichever form a place has it.
_CARRIERS = (
    "onnxruntime",
    "python3-onnxruntime",
    "onnxruntime-web",
    "onnxruntime-node",
    "onnxruntime-openvino",
    "onnxruntime-gpu",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """One runtime on this machine.

    Attributes:
        name: What the user calls it.
        about: What it is.
        reason: Why it cannot be used; None when it can.
        command: What mends that; "" when nothing does, or nothing need.
        onnxruntime: Version; "" where it is not installed.
        emulated: What emulates the processor; "" when it is real or not installed.
        providers: Execution providers it is there for, in order.
        started: Whether it was started once since it was installed.
        bytes: Of its components on disk, those shared with others included; what they will be where they are not.
        fetched_bytes: What installing it would download, about.
    """

    name: str
    about: str
    reason: str | None
    command: str
    onnxruntime: str
    emulated: str
    providers: tuple[str, ...]
    started: bool
    bytes: int
    fetched_bytes: int


def statuses() -> tuple[Status, ...]:
    """Every runtime that has a name."""
    known = places()
    return tuple(status(known[name]) if name in known else _own(name) for name in RUNTIMES)


def status(place: Place) -> Status:
    """What there is of a runtime that is installed."""
    folder, facts = home(), components()
    reason = place.missing()
    records = {name: read_record(folder / name) for name in place.needs}
    found = (record.version(carrier) for record in records.values() if record for carrier in _CARRIERS)
    carried = [version for version in found if version]
    return Status(
        name=place.name,
        about=place.about,
        reason=reason,
        command=f"edgec runtime install {place.name}" if reason and place.unready() is None else "",
        onnxruntime="" if reason else carried[0] if carried else onnxruntime_version(),
        emulated="" if reason else place.launch().emulated,
        providers=place.providers,
        started=reason is None and read_probe(place, folder) is not None,
        bytes=sum(record.bytes if record else facts[name].kept_bytes for name, record in records.items()),
        fetched_bytes=sum(facts[name].fetched_bytes for name, record in records.items() if record is None),
    )


def _own(name: str) -> Status:
    """The runtime of this process, which came with edgec."""
    place = RUNTIMES[name]()
    return Status(
        name=name,
        about="the ONNX Runtime of this interpreter, in this process",
        reason=place.available(),
        command="",
        onnxruntime=onnxruntime_version(),
        emulated="",
        providers=place.providers,
        started=True,
        bytes=0,
        fetched_bytes=0,
    )
