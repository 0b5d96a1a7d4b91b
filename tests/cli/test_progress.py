"""Bars for stages of more than a second, on a terminal only; logs as loud as asked."""

from __future__ import annotations

import io
import logging
import warnings

import pytest
from rich.console import Console

from edgec.compiler.cli import progress
from edgec.compiler.cli.logs import level_of, logging_to
from edgec.compiler.cli.progress import watching
from edgec.compiler.progress import Quiet
from edgec.errors import OptionError


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False, markup=False)


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_long_stage_is_drawn_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.0)
    console = terminal()
    with watching(console, quiet=False) as watcher, watcher.stage("observe", 100) as advance:
        advance(40)
        advance(2)
        watcher._display.refresh()  # type: ignore[attr-defined]  # it draws ten times a second by itself
    assert "observe" in drawn(console)
    assert "42/100" in drawn(console)


def test_a_short_stage_is_not_drawn() -> None:
    console = terminal()
    with watching(console, quiet=False) as watcher, watcher.stage("observe", 100) as advance:
        advance(100)
    assert "observe" not in drawn(console)


@pytest.mark.parametrize("quiet", [True, False])
def test_nothing_is_drawn_where_nobody_looks(quiet: bool) -> None:
    console = terminal() if quiet else Console(file=io.StringIO())
    with watching(console, quiet=quiet) as watcher:
        assert isinstance(watcher, Quiet)
    assert drawn(console) == ""


@pytest.mark.parametrize(
    ("verbose", "quiet", "named", "level"),
    [
        (0, False, None, logging.WARNING),
        (1, False, None, logging.INFO),
        (2, False, None, logging.DEBUG),
        (5, False, None, logging.DEBUG),
        (2, True, None, logging.ERROR),
        (0, True, "Debug", logging.DEBUG),
    ],
)
def test_levels(verbose: int, quiet: bool, named: str | None, level: int) -> None:
    assert level_of(verbose=verbose, quiet=quiet, named=named) == level


def test_an_unknown_level() -> None:
    with pytest.raises(OptionError):
        level_of(verbose=0, quiet=False, named="loud")


def test_logs_and_warnings_are_lines_and_end_with_the_block() -> None:
    console = Console(file=io.StringIO(), width=200)
    logger = logging.getLogger("edgec.somewhere")
    with logging_to(console, logging.INFO):
        logger.info("a %s", "word")
        logger.debug("unheard")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("strange\nvalues", RuntimeWarning, stacklevel=1)
    logger.warning("later")
    first, second = drawn(console).splitlines()
    assert first == "edgec: info: a word"
    assert second.startswith("edgec: warning: ")
    assert second.endswith("RuntimeWarning: strange")
