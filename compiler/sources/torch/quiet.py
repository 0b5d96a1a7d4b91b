"""torch while it traces: its warnings and logs are about its own work, what the user must know is said by us."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed, logged or warned of inside."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
