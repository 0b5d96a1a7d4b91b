"""Every bad input ends in its exit code and one paragraph; nothing is written, what was there stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bad import models, options, places, samples
from support.bad.case import Case

CASES = (*models.CASES, *samples.CASES, *options.CASES, *places.CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input(case: Case, folder: Path, edgec: Callable[..., Any], tree: Callable[[Path], Any]) -> None:
    case.make(folder)
    before = tree(folder)
    answer = edgec(*case.words)
    said = answer.err.replace(f"{folder}/", "").replace(str(folder), "{folder}").removesuffix("\n")
    expected = f"edgec: error: {case.message}"
    assert (said[: len(expected)] if case.starts else said) == expected
    assert (answer.code, answer.out) == (case.code, "")
    assert len(said.splitlines()) == case.lines
    assert tree(folder) == before


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
