"""The names users may rely on: all there, none more, loaded when first used."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgec

NAMES = edgec.__all__


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_resolves(name: str) -> None:
    assert getattr(edgec, name) is not None


def test_dir_is_all() -> None:
    assert dir(edgec) == sorted(NAMES)


def test_type_checkers_see_what_is_loaded_lazily(repository: Path) -> None:
    tree = parsed(repository / "__init__.py")
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in guarded.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name for node in imports for alias in node.names}
    assert seen == {*edgec._HOMES, *edgec._MODULES}


def test_what_is_not_public_serves_the_bundle(repository: Path) -> None:
    """`bundle.py` is a leaf: what it calls, it takes from the door; the door has nothing else to hide."""
    nodes = [node for node in ast.walk(parsed(repository / "bundle.py")) if isinstance(node, ast.ImportFrom)]
    taken = {alias.name for node in nodes if node.level == 1 and not node.module for alias in node.names}
    assert taken <= set(edgec._HOMES)
    assert set(edgec._HOMES) - set(NAMES) <= taken


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'edgec' has no attribute 'compyle'$"):
        _ = edgec.compyle


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
