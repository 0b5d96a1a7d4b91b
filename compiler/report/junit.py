"""Outcomes as JUnit XML, which CI systems show test by test: a suite a bundle, a case a clause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from ..building.outcome import Outcome

__all__ = ["junit_xml"]


def junit_xml(outcomes: Sequence[Outcome]) -> str:
    """The document. A clause that is broken or undecided is a failure, one that was not measured is skipped."""
    root = ElementTree.Element("testsuites", name="edgec")
    for outcome in outcomes:
        suite = ElementTree.SubElement(root, "testsuite", name=outcome.job.name, time=f"{outcome.seconds:.3f}")
        if outcome.verdict is None:
            case = ElementTree.SubElement(suite, "testcase", classname=outcome.job.name, name="bundle")
            ElementTree.SubElement(case, "error", message=outcome.error, type=f"exit {outcome.exit_code}")
        for result in () if outcome.verdict is None else outcome.verdict["results"]:
            _case(suite, outcome.job.name, result)
        for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(kind, str(len(list(suite.iter(tag)))))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, name: str, result: dict[str, Any]) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=name, name=result["id"])
    measured = "" if result["measured"] is None else f"measured {result['measured']:.6g}{result['unit'] or ''}"
    words = ", ".join(filter(None, (measured, result["limit"] and f"limit {result['limit']}", result["reason"])))
    if result["status"] in ("broken", "inconclusive"):
        ElementTree.SubElement(case, "failure", type=result["status"], message=words)
    elif result["status"] == "unknown":
        ElementTree.SubElement(case, "skipped", message=words)
