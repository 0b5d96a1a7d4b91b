"""What a contract can limit: one table of clause kinds, and limits that carry their unit.

The keys of `[contract]` in `edgec.toml`, the flags of the command line, their help and the exit codes
all come from `CLAUSE_KINDS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import ContractError

__all__ = ["BUDGETS", "CLAUSE_KINDS", "ClauseKind", "Limit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClauseKind:
    """One thing a contract can limit.

    Attributes:
        id: Names the clause in verdicts; also its key in `[contract]`.
        flag: Its flag on the command line; "" for a clause that is always there and has no limit to choose.
        exit_code: The exit code when this clause alone is broken.
        direction: `max` when the measured value must not be above the limit, `min` when not below.
        units: Units a limit may be written in; () for a clause that takes none.
        example: A limit, as the user would type it.
        help: One line: what is measured.
    """

    id: str
    flag: str
    exit_code: int
    direction: Literal["max", "min"]
    units: tuple[str, ...]
    example: str
    help: str

    @property
    def key(self) -> str:
        """Its key in `[contract]` of `edgec.toml`."""
        return self.id

    @property
    def option(self) -> str:
        """Its keyword in `Contract.from_flags`: `--max-drop` is `max_drop`."""
        return self.flag.lstrip("-").replace("-", "_")


# Bytes, seconds: limits are compared in these base units.
_SIZES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_SHARES = {"%": 1e-2}
_FACTORS: dict[str, dict[str, float]] = {
    "size": _SIZES,
    "size_ratio": {"x": 1.0, **_SHARES},
    "load_time": _TIMES,
    "p95": _TIMES,
    "latency_ratio": {"x": 1.0, **_SHARES},
    "p95_ratio": {"x": 1.0, **_SHARES},
    "integer_macs": _SHARES,
    "peak_memory": _SIZES,
    "partitions": {"partitions": 1.0, "partition": 1.0},
    "cosine": {"cos": 1.0, **_SHARES},
    "off_provider": {"nodes": 1.0, "node": 1.0},
}

# What a limit may be, in base units; every other one is above 0, but a drop, which may be a gain.
_RANGES: dict[str, tuple[float, float]] = {
    "accuracy_drop": (-math.inf, math.inf),
    "accuracy": (-math.inf, math.inf),  # a metric's own unit may be anything; a share lies in 0..100
    "sqnr": (-math.inf, math.inf),
    "cosine": (-1.0, 1.0),
    "max_error": (0.0, math.inf),
    "integer_macs": (0.0, 1.0),
    "off_provider": (0.0, math.inf),
    "partitions": (1.0, math.inf),
}
_COUNTS = ("off_provider", "partitions")
# Units that are not written, and how the number is: minor releases of ONNX Runtime 1, versions of ONNX.
_UNWRITTEN = {"release": "1.{:g}", "version": "{:g}"}

# fmt: off
_ROWS: tuple[tuple[str, str, int, Literal["max", "min"], str, str, str], ...] = (
    ("accuracy_drop", "--max-drop", 10, "max", "pt % dB abs", "1pt",
     "loss of the task metric against float: points, % of float's value, dB, or abs (the metric's own unit)"),
    ("accuracy", "--min-accuracy", 11, "min", "pt % dB abs", "90%",
     "the bundle's task metric itself; for a metric where lower is better, the most it may be"),
    ("sqnr", "--min-sqnr", 12, "min", "dB", "20dB",
     "signal to quantization noise against float, of the worst output"),
    ("cosine", "--min-cosine", 13, "min", "cos %", "0.999cos",
     "cosine against float, of the worst output"),
    ("max_error", "--max-error", 14, "max", "abs %", "0.05abs",
     "largest error of any element of any output: absolute, or % of that output's largest float magnitude"),
    ("size", "--max-size", 15, "max", "KB MB GB KiB MiB GiB", "5MB",
     "model bytes that ship"),
    ("size_ratio", "--max-size-ratio", 16, "max", "x %", "0.3x",
     "model bytes against float's"),
    ("load_time", "--max-load-time", 17, "max", "us ms s", "200ms",
     "time to open the session"),
    ("p95", "--max-p95", 18, "max", "us ms s", "10ms",
     "95th percentile of one run, one thread"),
    ("latency_ratio", "--max-latency-ratio", 19, "max", "x %", "1.0x",
     "median latency against float's, one thread, interleaved in one run"),
    ("integer_macs", "--min-integer-macs", 20, "min", "%", "90%",
     "share of multiply-accumulates that run in integer kernels"),
    ("off_provider", "--max-off-provider", 21, "max", "nodes node", "0nodes",
     "nodes off the target's first provider, computing with shapes aside; where none is written, nodes on none of its "
     "providers, at most 0"),
    ("finite", "", 22, "max", "", "",
     "no output holds NaN or infinity; always asked"),
    ("golden", "", 23, "max", "", "",
     "the golden inputs give the golden outputs; always asked"),
    ("context", "", 24, "max", "", "",
     "the context binary answers as the model it was made of; asked where there is one"),
    ("ort", "", 25, "max", "", "",
     "model.ort answers as the model it was made of; asked where there is one"),
    ("p95_ratio", "--max-p95-ratio", 26, "max", "x %", "1.0x",
     "95th percentile of one run against float's, one thread, interleaved in one run"),
    ("peak_memory", "--max-peak-memory", 27, "max", "KB MB GB KiB MiB GiB", "64MB",
     "most memory that opening the model and running it adds to a new process, one thread"),
    ("partitions", "--max-partitions", 28, "max", "partitions partition", "1partition",
     "runs of nodes on one provider: 1 where nothing leaves it"),
    ("oldest_onnxruntime", "--min-onnxruntime", 29, "min", "release", "1.20",
     "the oldest ONNX Runtime that must open the bundle and give its golden outputs, on the CPU"),
    ("opset", "--max-opset", 30, "max", "version", "17",
     "the newest operator set of ONNX the bundle may use"),
    ("ir_version", "--max-ir-version", 31, "max", "version", "8",
     "the newest IR version its file may have"),
)
# fmt: on

CLAUSE_KINDS: Mapping[str, ClauseKind] = {
    row[0]: ClauseKind(
        id=row[0],
        flag=row[1],
        exit_code=row[2],
        direction=row[3],
        units=tuple(row[4].split()),
        example=row[5],
        help=row[6],
    )
    for row in _ROWS
}

# Limits that a search can keep by leaving more in float.
BUDGETS = ("accuracy_drop", "accuracy", "sqnr", "cosine", "max_error")

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\s\d]*)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A number with its unit.

    Attributes:
        value: The number as written.
        unit: The unit as written: one of the clause's `units`.
    """

    value: float
    unit: str

    @classmethod
    def parse(cls, text: object, kind: ClauseKind, *, where: str) -> Limit:
        """Read a limit such as `1pt`, `0.3 dB` or `5MB`.

        Args:
            text: What the user wrote.
            kind: The clause it limits.
            where: Names the flag or key in the error.

        Raises:
            ContractError: It is not a number with one of the clause's units.
        """
        remedy = f"Write it like {kind.example!r}; units here: {', '.join(kind.units)}"
        if isinstance(text, Limit):
            text = str(text)
        if kind.units[0] in _UNWRITTEN:
            return cls._parse_version(text, kind, where=where)
        if isinstance(text, (int, float)) and not isinstance(text, bool):
            raise ContractError(where, f"{text!r} has no unit", remedy=remedy)
        match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ContractError(where, f"{text!r} is not a number with a unit", remedy=remedy)
        number, unit = match.groups()
        if not unit:
            raise ContractError(where, f"{text!r} has no unit", remedy=remedy)
        if unit not in kind.units:
            near = next((known for known in kind.units if known.lower() == unit.lower()), None)
            raise ContractError(
                where, f"unit {unit!r} is unknown" + (f", did you mean {near!r}?" if near else ""), remedy=remedy
            )
        limit = cls(value=float(number), unit=unit)
        if problem := limit._out_of_range(kind.id):
            raise ContractError(where, f"{text!r} {problem}", remedy=f"Write it like {kind.example!r}")
        return limit

    @classmethod
    def _parse_version(cls, text: object, kind: ClauseKind, *, where: str) -> Limit:
        """Read a release such as `1.20`, which as a number would be 1.2; or a version such as `17` or 17."""
        unit = kind.units[0]
        pattern, named = (r"1\.(\d+)", "a release of ONNX Runtime") if unit == "release" else (r"(\d+)", "a version")
        given = str(text) if unit == "version" and isinstance(text, int) and not isinstance(text, bool) else text
        match = re.fullmatch(pattern, given.strip()) if isinstance(given, str) else None
        if match is None:
            quoted = ", in quotes" if isinstance(text, float) else ""
            raise ContractError(where, f"{text!r} is not {named}", remedy=f"Write it like {kind.example!r}{quoted}")
        return cls(value=float(match[1]), unit=unit)

    def _out_of_range(self, kind_id: str) -> str:
        """Why no measured value can be on both sides of it; "" where one can."""
        if not math.isfinite(self.value):
            return "is too large a number"
        if kind_id not in _RANGES:
            return "" if self.value > 0 else "is not above 0"
        if kind_id in _COUNTS and not self.value.is_integer():
            return "is no whole number"
        low, high = _RANGES[kind_id]
        if kind_id == "accuracy" and self.unit in ("pt", "%"):
            low, high = 0.0, 100.0
        if low <= self.base(kind_id) <= high:
            return ""
        least, most = (f"{self.from_base(kind_id, each):g}" for each in (low, high))
        return f"is below {least}{self.unit}" if math.isinf(high) else f"is not from {least} to {most}{self.unit}"

    def base(self, kind_id: str) -> float:
        """The value in base units: bytes, seconds, a plain ratio; unchanged for pt, dB and abs."""
        return self.value * _FACTORS.get(kind_id, {}).get(self.unit, 1.0)

    def from_base(self, kind_id: str, value: float) -> float:
        """A measured base-unit value in the unit the user wrote."""
        return value / _FACTORS.get(kind_id, {}).get(self.unit, 1.0)

    def __str__(self) -> str:
        return _UNWRITTEN[self.unit].format(self.value) if self.unit in _UNWRITTEN else f"{self.value:g}{self.unit}"
