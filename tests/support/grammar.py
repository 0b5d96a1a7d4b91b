"""Whether text is of a language, by its tree-sitter grammar."""

from __future__ import annotations

import pytest

__all__ = ["broken"]


def broken(text: str, language: str) -> list[str]:
    """What of it is no `kotlin` or `swift`, by line; empty where all is."""
    sitter = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip(f"tree_sitter_{language}")
    tree = sitter.Parser(sitter.Language(grammar.language())).parse(text.encode())
    lines = text.splitlines()
    found, left = [], [tree.root_node]
    while left:
        node = left.pop()
        if node.is_error or node.is_missing:
            found.append(f"{node.start_point[0] + 1}: {lines[node.start_point[0]]}")
        left.extend(node.children)
    return sorted(found)
