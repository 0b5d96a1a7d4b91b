"""Outcomes as SARIF 2.1.0 (OASIS, sections 3.13 ff.), which code scanning shows beside the project file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ... import __version__
from ..building.outcome import Outcome
from ..clauses import CLAUSE_KINDS

__all__ = ["sarif_json"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"broken": "error", "inconclusive": "warning"}
_FAILED = "bundle"


def sarif_json(outcomes: Sequence[Outcome], root: Path) -> str:
    """The document: a rule a clause, a result a clause that is not met.

    Args:
        outcomes: What was checked.
        root: Project files are named relative to it.
    """
    rules = [{"id": kind.id, "shortDescription": {"text": kind.help}} for kind in CLAUSE_KINDS.values()]
    rules.append({"id": _FAILED, "shortDescription": {"text": "the bundle is missing, altered, or cannot be proved"}})
    results = [result for outcome in outcomes for result in _results(outcome, root)]
    driver = {"name": "edgec", "version": __version__, "rules": rules}
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(document, indent=2) + "\n"


def _results(outcome: Outcome, root: Path) -> Iterator[dict[str, Any]]:
    if outcome.verdict is None:
        yield _result(outcome, root, _FAILED, "error", outcome.error)
        return
    for each in outcome.verdict["results"]:
        if each["status"] in _LEVELS:
            measured = "not measured" if each["measured"] is None else f"{each['measured']:.6g}{each['unit'] or ''}"
            limit = f", limit {each['limit']}" if each["limit"] else ""
            reason = f": {each['reason']}" if each["reason"] else ""
            text = f"{each['id']} is {each['status']}: {measured}{limit}{reason}"
            yield _result(outcome, root, each["id"], _LEVELS[each["status"]], text)


def _result(outcome: Outcome, root: Path, rule: str, level: str, text: str) -> dict[str, Any]:
    project = outcome.job.project
    uri = project.relative_to(root).as_posix() if project.is_relative_to(root) else project.as_uri()
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": f"{outcome.job.name}: {text}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
                "logicalLocations": [{"name": outcome.job.target, "fullyQualifiedName": outcome.job.name}],
            }
        ],
        "partialFingerprints": {"edgec/v1": f"{outcome.job.name}/{rule}"},
    }
