"""What changed between two bundles, from what they hold: nothing is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..bundle import Bundle
from ..errors import BundleError
from .diffing.values import Change, changes, pass_changes
from .diffing.weights import Weights, compare_weights

__all__ = ["BundleDiff", "Side", "diff"]

T = TypeVar("T")

# What the manifest says of where the payload comes from and what it is; files and measured noise have their own part.
_ORIGIN = (
    "edgec", "scheme", "source", "target", "samples", "options", "baked", "inputs", "outputs", "state",
    "session_options", "provider_options", "ort", "context", "notes",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        name: As it was given.
        digest: Of its payload.
        size_bytes: Of the model that ships.
    """

    name: str
    digest: str
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"name": self.name, "digest": self.digest, "size_bytes": self.size_bytes}


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleDiff:
    """Everything that differs.

    Attributes:
        old, new: The bundles.
        origin: Source, target, scheme, options, signature, what is baked in, notes.
        versions: Of what made them.
        files: Payload files whose bytes differ, came or went: sha256 of either side.
        recipe: Passes that came or went, and options that differ.
        weights: Weights in real numbers.
        contract: Limits that differ.
        verdict: The word, and clauses whose status differs.
        measured: What the proofs measured: accuracy, size, latency, placement.
        unproved: Sides without a proof: nothing can be said of their last three parts.
        machines: The machines of both proofs where they are not the same; their times do not compare.
    """

    old: Side
    new: Side
    origin: tuple[Change, ...]
    versions: tuple[Change, ...]
    files: tuple[Change, ...]
    recipe: tuple[Change, ...]
    weights: Weights
    contract: tuple[Change, ...]
    verdict: tuple[Change, ...]
    measured: tuple[Change, ...]
    unproved: tuple[str, ...]
    machines: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether another thing ships, or the same under another contract or verdict; times differ every time."""
        return self.old.digest != self.new.digest or bool(self.contract or self.verdict)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        parts = ("origin", "versions", "files", "recipe", "contract", "verdict", "measured")
        return {
            "old": self.old.to_json(),
            "new": self.new.to_json(),
            "differs": self.differs,
            **{name: [each.to_json() for each in getattr(self, name)] for name in parts},
            "weights": {"same": self.weights.same, "changed": [each.to_json() for each in self.weights.changed]},
            "unproved": list(self.unproved),
            "machines": list(self.machines),
        }


def diff(old: str | Path | Bundle, new: str | Path | Bundle) -> BundleDiff:
    """Compare two bundles part by part.

    Args:
        old: The bundle there was, or its folder.
        new: The one there is now.

    Raises:
        BundleError: One is no bundle, has other files than its manifest says, or a record of its proof cannot be read.
    """
    left, right = (each if isinstance(each, Bundle) else Bundle.open(each) for each in (old, new))
    for each in (left, right):
        each.verify()  # what is said of the payloads is said by their manifests
    locks = [_record(each.path / "recipe.lock", {}) for each in (left, right)]
    proofs = [_record(each.proof / "proof.json", {}) for each in (left, right)]
    verdicts = [_record(each.proof / "verdict.json", {}) for each in (left, right)]
    names = [str(each.path) if isinstance(given, Bundle) else str(given) for each, given in ((left, old), (right, new))]
    unproved = tuple(name for name, proof in zip(names, proofs, strict=True) if not proof)
    machines = [_machine(proof) for proof in proofs]
    proved = not unproved
    return BundleDiff(
        old=_side(left, names[0]),
        new=_side(right, names[1]),
        origin=_both(left, right, lambda each: {key: each.manifest.get(key) for key in _ORIGIN}),
        versions=_both(left, right, lambda each: each.manifest["versions"]),
        files=_both(left, right, lambda each: {name: file["sha256"] for name, file in each.manifest["files"].items()}),
        recipe=(
            *pass_changes(locks[0].get("passes", []), locks[1].get("passes", [])),
            *changes(locks[0].get("measured", {}), locks[1].get("measured", {}), "measured"),
        ),
        weights=compare_weights(left.model, right.model),
        contract=_both(verdicts[0], verdicts[1], lambda each: each.get("contract", {})) if proved else (),
        verdict=_both(verdicts[0], verdicts[1], _statuses) if proved else (),
        measured=_both(proofs[0], proofs[1], _measured) if proved else (),
        unproved=unproved,
        machines=tuple(machines) if proved and machines[0] != machines[1] else (),
    )


def _both(old: T, new: T, of: Callable[[T], Any]) -> tuple[Change, ...]:
    """What differs between a part of either side."""
    return changes(of(old), of(new))


def _side(bundle: Bundle, name: str) -> Side:
    return Side(name=name, digest=bundle.digest, size_bytes=bundle.size_bytes)


def _record(file: Path, missing: dict[str, Any]) -> dict[str, Any]:
    """A JSON object of a bundle; `missing` where there is none."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return missing
    except (OSError, ValueError) as error:
        raise BundleError(str(file), f"cannot be read ({error})", remedy="Prove or compile the bundle again") from error
    if not isinstance(values, dict):
        raise BundleError(str(file), "is no JSON object", remedy="Prove or compile the bundle again")
    return values


def _statuses(verdict: Mapping[str, Any]) -> dict[str, Any]:
    clauses = {str(each["id"]): each["status"] for each in verdict.get("results", [])}
    return {"word": verdict.get("word"), "exit_code": verdict.get("exit_code"), "clauses": clauses}


def _measured(proof: Mapping[str, Any]) -> dict[str, Any]:
    """What a proof measured, in the words of its own file; kernels by name would drown the rest."""
    evaluation, placement = proof.get("evaluation") or {}, proof.get("placement") or {}
    outputs = evaluation.get("outputs") or {}
    shown = ("integer_mac_share", "wanted_mac_share", "partitions", "crossing_bytes", "off_provider", "off_wanted")
    return {
        "place": proof.get("runtime"),
        "golden": {key: (proof.get("golden") or {}).get(key) for key in ("agrees", "sqnr_db")},
        "samples": {key: evaluation.get(key) for key in ("digest", "samples")},
        "metric": {key: (evaluation.get("metric") or {}).get(key) for key in ("name", "float_value", "value", "drop")},
        "against_float": {
            name: {key: (each.get("against_float") or {}).get(key) for key in ("sqnr_db", "cosine", "equal_share")}
            for name, each in outputs.items()
        },
        "size": proof.get("size"),
        "latency": {
            f"{each['threads']} threads": {
                "p50": each["bundle"]["p50"], "p95": each["bundle"]["p95"], "ratio": each["ratio"],
            }
            for each in proof.get("latency") or ()
        },
        "placement": {key: placement.get(key) for key in shown},
    }  # fmt: skip


def _machine(proof: Mapping[str, Any]) -> str:
    machine = proof.get("machine") or {}
    return " ".join(str(machine.get(key, "?")) for key in ("cpu", "architecture", "cores"))
