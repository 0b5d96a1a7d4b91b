"""Read a `recipe.lock`."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import OptionError
from ..passes.recipe import Recipe

__all__ = ["read_lock"]


def read_lock(path: Path) -> Recipe:
    """The recipe in a lock file, or in a bundle's.

    Raises:
        OptionError: The file is missing or is no recipe; says where.
    """
    file = path / "recipe.lock" if path.is_dir() else path
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("needs an object at the top")
        return Recipe.from_json(values)
    except OSError as error:
        raise OptionError(
            "--recipe", f"{file} cannot be read: {error.strerror}", remedy="Give a recipe.lock or a bundle"
        ) from error
    except ValueError as error:
        raise OptionError(
            "--recipe", f"{file} is not a recipe: {error}", remedy="Correct it, or compile without --recipe"
        ) from error
