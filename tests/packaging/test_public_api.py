"""The names users may rely on: all there, none more, loaded when first used."""

from __future__ import annotations

import ast
from pathlib import Path

import edgec
import pytest

NAMES = edgec.__all__


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_resolves(name: str) -> None:
    assert getattr(edgec, name) is not None


def test_dir_is_all() -> None:
    assert dir(edgec) == sorted(NAMES)


def test_type_checkers_see_the_same_names(repository: Path) -> None:
    tree = ast.parse((repository / "__init__.py").read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = [
        alias.asname or alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted([*seen, "__version__"]) == sorted(NAMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'edgec' has no attribute 'compyle'$"):
        _ = edgec.compyle


def test_the_bundle_reaches_only_public_names(repository: Path) -> None:
    """`bundle.py` is a leaf: what it calls, it takes from the public door."""
    tree = ast.parse((repository / "bundle.py").read_text(encoding="utf-8"))
    door = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1 and not node.module]
    assert {alias.name for node in door for alias in node.names} <= set(NAMES)
