"""Where installed runtimes live."""

from __future__ import annotations

import os
from pathlib import Path

from ..cache import cache_folder

__all__ = ["HOME_VARIABLE", "home"]

HOME_VARIABLE = "EDGEC_RUNTIMES"


def home() -> Path:
    """The folder `EDGEC_RUNTIMES` names, else `runtimes` in this user's cache folder; absolute."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else cache_folder().absolute() / "runtimes"
