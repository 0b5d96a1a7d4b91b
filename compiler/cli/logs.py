"""What modules log, on stderr, as loud as the user asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ...errors import OptionError

__all__ = ["level_of", "logging_to"]

LEVELS = ("debug", "info", "warning", "error")
_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class _Lines(logging.Handler):
    """`edgec: warning: text`, through the console that also draws the progress bars."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = _STYLES.get(record.levelno, "dim")
        self._console.print(
            Text.assemble("edgec: ", (f"{record.levelname.lower()}: ", style), record.getMessage().partition("\n")[0])
        )


def level_of(*, verbose: int, quiet: bool, named: str | None) -> int:
    """The logging level of `-v`, `-vv`, `-q` and `--log-level`; the last one wins over the others.

    Raises:
        OptionError: No level has that name.
    """
    if named is not None:
        if named.lower() not in LEVELS:
            raise OptionError(
                "--log-level", f"{named!r} is not one of {', '.join(LEVELS)}", remedy="Choose one of them"
            )
        return int(logging.getLevelNamesMapping()[named.upper()])
    if quiet:
        return logging.ERROR
    return (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]


@contextmanager
def logging_to(console: Console, level: int) -> Iterator[None]:
    """Show what edgec and Python's warnings say from `level` up, while the block runs."""
    handler = _Lines(console)
    loggers = [logging.getLogger(__name__.partition(".")[0]), logging.getLogger("py.warnings")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        for logger, old in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old)
