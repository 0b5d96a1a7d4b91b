"""The contract: the limits the user sets; and the verdict: what was measured against each of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import ContractError
from .clauses import CLAUSE_KINDS, ClauseKind, Limit

__all__ = ["CLAUSE_KINDS", "Clause", "ClauseKind", "ClauseResult", "Contract", "Limit", "Status", "Verdict", "Word"]

Status: TypeAlias = Literal["met", "broken", "inconclusive", "unknown"]
Word: TypeAlias = Literal["proved", "broken", "inconclusive", "checked"]
PROOFS = ("checked", "executed")


_IMPLIED = ("finite", "golden", "off_provider")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """One limit of a contract.

    Attributes:
        id: Its row of `CLAUSE_KINDS`.
        limit: None for `finite` and `golden`.
        implied: It is asked although nobody wrote it.
    """

    id: str
    limit: Limit | None
    implied: bool = False

    def __post_init__(self) -> None:
        if self.id not in CLAUSE_KINDS:
            raise ValueError(f"id: {self.id!r} is not one of {', '.join(CLAUSE_KINDS)}")
        if (self.limit is None) != (not CLAUSE_KINDS[self.id].units):
            raise ValueError(f"limit: clause {self.id!r} needs {'a' if self.limit is None else 'no'} limit")

    @property
    def kind(self) -> ClauseKind:
        """Its row of `CLAUSE_KINDS`."""
        return CLAUSE_KINDS[self.id]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """The limits a bundle must keep.

    Attributes:
        clauses: What the user limited.
        proof: `executed` fails with exit code 3 where the target cannot be executed; `checked` does not.
    """

    clauses: tuple[Clause, ...] = ()
    proof: Literal["checked", "executed"] = "checked"

    def __post_init__(self) -> None:
        ids = [clause.id for clause in self.clauses]
        if len(ids) != len(set(ids)):
            raise ValueError(f"clauses: {ids} names one twice")
        if self.proof not in PROOFS:
            raise ValueError(f"proof: {self.proof!r} is not one of {', '.join(PROOFS)}")

    @property
    def all_clauses(self) -> tuple[Clause, ...]:
        """The user's clauses, and those always asked: finite outputs, golden replay, every node on its provider."""
        given = {clause.id for clause in self.clauses}
        implied = tuple(
            Clause(id=name, limit=Limit(value=0, unit="nodes") if name == "off_provider" else None, implied=True)
            for name in _IMPLIED
            if name not in given
        )
        return (*self.clauses, *implied)

    def clause(self, clause_id: str) -> Clause | None:
        """The clause of that id, if the contract has it."""
        return next((clause for clause in self.all_clauses if clause.id == clause_id), None)

    @property
    def oldest_onnxruntime(self) -> int | None:
        """Minor number of the oldest ONNX Runtime that must open the bundle; None where none is named."""
        clause = self.clause("oldest_onnxruntime")
        return None if clause is None or clause.limit is None else int(clause.limit.value)

    @classmethod
    def from_flags(cls, **flags: str | None) -> Contract:
        """A contract from flags by their keyword: `max_drop="1pt"`, `proof="executed"`. None means not given.

        Raises:
            ContractError: A limit cannot be read, or no flag has that name.
        """
        by_option = {kind.option: kind for kind in CLAUSE_KINDS.values() if kind.flag}
        return cls._read(flags, by_option, lambda name: "--" + name.replace("_", "-"))

    @classmethod
    def from_table(cls, table: Mapping[str, object], *, where: str) -> Contract:
        """A contract from the `[contract]` table of a TOML file: `accuracy_drop = "1pt"`.

        Args:
            table: The parsed table.
            where: Prefix of errors: `edgec.toml: contract`.

        Raises:
            ContractError: A key is unknown or a limit cannot be read.
        """
        by_key = {kind.key: kind for kind in CLAUSE_KINDS.values() if kind.flag}
        return cls._read(table, by_key, lambda name: f"{where}.{name}")

    @classmethod
    def _read(cls, values: Mapping[str, object], kinds: Mapping[str, ClauseKind], where: Any) -> Contract:
        clauses = []
        proof: Any = "checked"
        for name, text in values.items():
            if text is None:
                continue
            if name == "proof":
                if text not in PROOFS:
                    raise ContractError(
                        where(name), f"{text!r} is not one of {', '.join(PROOFS)}", remedy="Choose one of them"
                    )
                proof = text
                continue
            if name not in kinds:
                near = difflib.get_close_matches(name, [*kinds, "proof"], n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ContractError(
                    where(name), f"unknown key{hint}", remedy=f"Keys here: {', '.join([*kinds, 'proof'])}"
                )
            clauses.append(Clause(id=kinds[name].id, limit=Limit.parse(text, kinds[name], where=where(name))))
        return cls(clauses=tuple(clauses), proof=proof)

    def merged(self, over: Contract) -> Contract:
        """A contract in which the clauses of `over` replace those of the same id (flags over file)."""
        given = {clause.id for clause in over.clauses}
        kept = tuple(clause for clause in self.clauses if clause.id not in given)
        executed = "executed" in (self.proof, over.proof)
        return Contract(clauses=(*kept, *over.clauses), proof="executed" if executed else "checked")

    def to_json(self) -> dict[str, object]:
        """The contract as it would stand in `[contract]`."""
        limits: dict[str, object] = {clause.id: str(clause.limit) for clause in self.clauses}
        return {**limits, "proof": self.proof}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClauseResult:
    """One clause against the proof.

    Attributes:
        id: The clause.
        limit: Its limit; None for `finite` and `golden`.
        measured: The measured value in the limit's unit; infinite SQNR means identical (null in JSON);
            None when it could not be measured.
        interval: 95% confidence interval of `measured`, same unit, where there is one.
        n: Samples (or timed runs) it rests on.
        status: `inconclusive`: the limit lies inside the interval. `unknown`: it could not be measured.
        reason: What stands behind it: the worst output, both metric values, the nodes; for `unknown` why,
            and what to do about it.
    """

    id: str
    limit: Limit | None
    measured: float | None
    interval: tuple[float, float] | None = None
    n: int | None = None
    status: Status
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """The result as JSON values."""
        return {
            "id": self.id,
            "limit": None if self.limit is None else str(self.limit),
            "measured": None if self.measured is None or not math.isfinite(self.measured) else self.measured,
            "unit": None if self.limit is None else self.limit.unit,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            "status": self.status,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClauseResult:
        """The result that `to_json` wrote; a measured value without bound is None."""
        limit = None if values["limit"] is None else Limit.parse(values["limit"], CLAUSE_KINDS[values["id"]], where="")
        interval = None if values["interval"] is None else (values["interval"][0], values["interval"][1])
        return cls(
            id=values["id"],
            limit=limit,
            measured=values["measured"],
            interval=interval,
            n=values["n"],
            status=values["status"],
            reason=values["reason"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The contract against the proof, clause by clause.

    Attributes:
        results: One per clause.
        word: `proved`; `broken`; `inconclusive` (none broken, at least one undecided or not measurable);
            `checked` (the target cannot be executed here, its static checks passed).
        exit_code: 0; 1 several broken; 10-39 the one that is broken; 5 inconclusive.
        notes: What the reader must know: samples held out, a metric chosen by default, ...
        executed: The target's own kernels were executed.
        excused: Clauses that only those could answer: they do not count where they were not executed.
    """

    results: tuple[ClauseResult, ...]
    word: Word
    exit_code: int
    notes: tuple[str, ...] = ()
    executed: bool = True
    excused: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        results: Sequence[ClauseResult],
        *,
        executed: bool = True,
        excused: Collection[str] = (),
        notes: Sequence[str] = (),
    ) -> Verdict:
        """The verdict these results add up to.

        Args:
            results: One per clause.
            executed: The target's own kernels were executed.
            excused: Clauses that only those could answer; where they were not executed they do not count.
            notes: What the reader must know.
        """
        broken = [result.id for result in results if result.status == "broken"]
        undecided = any(result.status != "met" and result.id not in excused for result in results)
        word: Word = "broken" if broken else "inconclusive" if undecided else "proved" if executed else "checked"
        code = {"broken": 1, "inconclusive": 5}.get(word, 0)
        if len(broken) == 1:
            code = CLAUSE_KINDS[broken[0]].exit_code
        return cls(
            results=tuple(results),
            word=word,
            exit_code=code,
            notes=tuple(notes),
            executed=executed,
            excused=frozenset(excused),
        )

    def to_json(self) -> dict[str, object]:
        """The verdict as JSON values."""
        return {
            "word": self.word,
            "exit_code": self.exit_code,
            "results": [result.to_json() for result in self.results],
            "excused": sorted(self.excused),
            "notes": list(self.notes),
        }
