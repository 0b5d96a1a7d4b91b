"""A receipt as a value: what a device says of one bundle."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ...errors import ReceiptError
from ...runtimes.base import Kernel, Memory
from .envelope import AGAIN

__all__ = ["DeviceFacts", "OutputDistance", "Receipt", "Timings", "read_statement"]

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:edgec:receipt:1"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceFacts:
    """Where it was measured, as the device says.

    Attributes:
        name: What it is called.
        system, machine, processor: Operating system, architecture, what the system calls processor or board.
        cores: Logical processors.
        emulated: What emulates it; "" where it is real.
        language: What ran the script: `Python 3.13.5`.
        library, onnxruntime: ONNX Runtime's package, its version.
        providers: Execution providers of the session, in order.
    """

    name: str
    system: str
    machine: str
    processor: str
    cores: int
    emulated: str
    language: str
    library: str
    onnxruntime: str
    providers: tuple[str, ...]

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.processor, self.machine, self.system)))
        emulated = f", emulated by {self.emulated}" if self.emulated else ""
        return f"{self.name} ({where}{emulated}), {self.library} {self.onnxruntime} in {self.language}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputDistance:
    """One output against the golden one, the worst of its steps; `sqnr_db` is None where it has no number."""

    name: str
    exact: bool
    sqnr_db: float | None
    nonfinite: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """Seconds of every timed run.

    Attributes:
        threads: Intra-op threads.
        warmup: Runs before.
        seconds: One per run; not empty.
        computing: Processor seconds meanwhile; None where they are not known.
    """

    threads: int
    warmup: int
    seconds: tuple[float, ...]
    computing: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What a device signed for.

    Attributes:
        file: Names it in messages.
        key: Fingerprint of the key that signed.
        digest: sha256 of the bundle's manifest there.
        date: When, by the device's clock; UTC.
        nonce: The word it answers; "" where it answers none.
        device: Where.
        steps: Golden steps replayed.
        golden: How far each output was.
        adapters: The same with each adapter active, as far as it was run.
        load_seconds: To open the session.
        timings: How long runs took.
        memory: What the model took of a new process; None where the system does not tell.
        kernels: Where each node ran, operands left out.
        evidence: What shows it.
    """

    file: str
    key: str
    digest: str
    date: datetime.datetime
    nonce: str
    device: DeviceFacts
    steps: int
    golden: tuple[OutputDistance, ...]
    adapters: Mapping[str, tuple[OutputDistance, ...]]
    load_seconds: float
    timings: Timings
    memory: Memory | None
    kernels: tuple[Kernel, ...]
    evidence: str

    def __str__(self) -> str:
        return f"{self.file}: {self.device}, of {self.date:%Y-%m-%d %H:%M} UTC, key {self.key}"


def read_statement(file: str, key: str, body: bytes) -> Receipt:
    """The receipt that a statement is.

    Args:
        file: Names it in messages.
        key: Fingerprint of the key that signed it.
        body: Its bytes.

    Raises:
        ReceiptError: It is a statement of another kind, or lacks something.
    """
    try:
        values = json.loads(body, parse_constant=_no_number)
        if (values["_type"], values["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError(f"it is {values['predicateType']!r}, not {PREDICATE!r}")
        return _receipt(file, key, values)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ReceiptError(str(file), f"is no receipt that this edgec reads: {problem}", remedy=AGAIN) from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _receipt(file: str, key: str, values: Mapping[str, Any]) -> Receipt:
    (subject,) = values["subject"]
    said = values["predicate"]
    latency, memory, placement = said["latency"], said["memory"], said["placement"]
    taken = tuple(1e-9 * int(each) for each in latency["ns"])
    load = 1e-9 * int(said["load_ns"])
    if not taken or min(taken) <= 0 or load <= 0 or not said["golden"]["outputs"]:
        raise ValueError("it was not run")
    computing = latency["computing_ns"]
    return Receipt(
        file=file,
        key=key,
        digest=str(subject["digest"]["sha256"]),
        date=datetime.datetime.strptime(said["date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC),
        nonce=str(said["nonce"]),
        device=_device(said["device"], said["runtime"]),
        steps=int(said["golden"]["steps"]),
        golden=tuple(_distance(each) for each in said["golden"]["outputs"]),
        adapters={
            str(name): tuple(_distance(each) for each in outputs)
            for name, outputs in said["golden"].get("adapters", {}).items()
        },
        load_seconds=load,
        timings=Timings(
            threads=int(latency["threads"]),
            warmup=int(latency["warmup"]),
            seconds=taken,
            computing=None if computing is None else 1e-9 * int(computing),
        ),
        memory=None if memory is None else Memory(**{name: int(memory[name]) for name in ("before", "peak", "runs")}),
        kernels=tuple(_kernel(each) for each in placement["nodes"]),
        evidence=str(placement["evidence"]),
    )


def _device(device: Mapping[str, Any], runtime: Mapping[str, Any]) -> DeviceFacts:
    return DeviceFacts(
        **{name: str(device[name]) for name in ("name", "system", "machine", "processor", "emulated")},
        **{name: str(runtime[name]) for name in ("language", "library", "onnxruntime")},
        cores=int(device["cores"]),
        providers=tuple(str(name) for name in runtime["providers"]),
    )


def _distance(values: Mapping[str, Any]) -> OutputDistance:
    apart = None if values["sqnr_db"] is None else float(values["sqnr_db"])
    if apart is not None and not math.isfinite(apart):
        raise ValueError(f"sqnr_db {apart} is no number")
    return OutputDistance(
        name=str(values["name"]),
        exact=values["exact"] is True,
        sqnr_db=apart,
        nonfinite=int(values["nonfinite"]),
    )


def _kernel(values: Mapping[str, Any]) -> Kernel:
    named = {"name": str(values["name"]), "op_type": str(values["op"]), "provider": str(values["provider"])}
    return Kernel(**named, inputs=(), outputs=(), macs=None, integer=False)
