"""What a page is made of: the records of a bundle's proof, as JSON; each is optional but verdict and proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....bundle import Bundle
from ..records import proof_json

__all__ = ["Record", "Sources", "sources_of"]

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """The records of one bundle.

    Attributes:
        manifest: `manifest.json`.
        digest: The payload's.
        proof, verdict: `proof/proof.json` and `proof/verdict.json`.
        recipe: `recipe.lock`.
        compiled: `proof/compile.json`: why nodes stay float, what stages took; None where it was proved elsewhere.
        coverage: `proof/coverage.json`: histograms, and whether calibration stands for evaluation.
        depth: `proof/depth.json`: error by depth.
        diagnosis: `proof/diagnosis/diagnosis.json`.
        portability: `proof/portability.json`: other places.
    """

    manifest: Record
    digest: str
    proof: Record
    verdict: Record
    recipe: Record = field(default_factory=dict)
    compiled: Record | None = None
    coverage: Record | None = None
    depth: Record | None = None
    diagnosis: Record | None = None
    portability: Record | None = None


def sources_of(bundle: Bundle) -> Sources | None:
    """Read the records of a bundle; None where it was not proved as it is.

    Raises:
        BundleError: A record is no JSON object.
    """
    proof, verdict = proof_json(bundle, "proof"), proof_json(bundle, "verdict")
    if proof is None or verdict is None:
        return None
    names = {"compiled": "compile", "depth": "depth", "diagnosis": "diagnosis/diagnosis", "portability": "portability"}
    return Sources(
        manifest=bundle.manifest,
        digest=bundle.digest,
        proof=proof,
        verdict=verdict,
        recipe=_plain(bundle, "recipe.lock") or {},
        coverage=_plain(bundle, "proof/coverage.json"),
        **{name: proof_json(bundle, file) for name, file in names.items()},
    )


def _plain(bundle: Bundle, name: str) -> Record | None:
    """A record that is bound to its bundle by lying in it; None where it is missing or unreadable."""
    try:
        values = json.loads((bundle.path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
