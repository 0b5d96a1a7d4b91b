"""The scripts that a device runs, each one file: runner.py with the parts beside this module, and the JavaScript twin.

Joining leaves out what only modules need: imports of one part by another, lists of names. What a module says of itself
stands above its part, as a comment.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

__all__ = ["LANGUAGES", "NAMES", "javascript", "python", "script"]

NAMES = {"python": "edgec_runner.py", "javascript": "edgec_runner.mjs"}
LANGUAGES = tuple(NAMES)
_HERE = Path(__file__).parent
_PYTHON_PARTS = ("ed25519", "payload", "golden", "measured", "receipt", "program")
_JAVASCRIPT_PARTS = ("refused", "payload", "npz", "golden", "library", "measured", "receipt", "program")
_PYTHON = (_HERE.parent / "runner.py", *(_HERE / f"{name}.py" for name in _PYTHON_PARTS))
_JAVASCRIPT = tuple(_HERE / f"{name}.mjs" for name in _JAVASCRIPT_PARTS)
_PYTHON_HEAD = """#!/usr/bin/env python3
# Replays and times a bundle of edgec's on this device, and signs for it. With onnxruntime and numpy, by hand:
#
#     python3 edgec_runner.py --new-key device.pem        once; keep it here, give device.pem.pub away
#     python3 edgec_runner.py BUNDLE --key device.pem     writes receipt.json, for `edgec check --receipt`
#
"""
_JAVASCRIPT_HEAD = """#!/usr/bin/env node
// Replays and times a bundle of edgec's on this device, and signs for it. With onnxruntime-node or onnxruntime-web:
//
//     node edgec_runner.mjs --new-key device.pem        once; keep it here, give device.pem.pub away
//     node edgec_runner.mjs BUNDLE --key device.pem     writes receipt.json, for `edgec check --receipt`
"""
_WIDTH = 106
_OWN_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[^"]+";\n', re.MULTILINE)
_NODE_IMPORT = re.compile(r'^import \{([^}]*)\} from "(node:[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


def script(language: str) -> str:
    """The text of a language's script; its name is of `LANGUAGES`."""
    return {"python": python, "javascript": javascript}[language]()


@functools.cache
def python() -> str:
    """The script for Python 3.10 and newer, with onnxruntime and numpy."""
    return _PYTHON_HEAD + "\n\n\n".join(_part(file, first=file == _PYTHON[0]) for file in _PYTHON) + "\n"


@functools.cache
def javascript() -> str:
    """The script for Node 20 and newer, with onnxruntime-node or onnxruntime-web."""
    texts = [file.read_text(encoding="utf-8") for file in _JAVASCRIPT]
    named: dict[str, set[str]] = {}
    for text in texts:
        for names, module in _NODE_IMPORT.findall(text):
            named.setdefault(module, set()).update(name.strip() for name in names.split(",") if name.strip())
    imports = [f'import {{ {", ".join(sorted(named[module]))} }} from "{module}";' for module in sorted(named)]
    parts = [_EXPORT.sub("", _OWN_IMPORT.sub("", _NODE_IMPORT.sub("", text))).strip("\n") for text in texts]
    return "\n".join([_JAVASCRIPT_HEAD, *imports]) + "\n\n" + "\n\n".join(parts) + "\n"


def _part(file: Path, *, first: bool) -> str:
    """A module's text without what stands in the first part, or only modules need; that program is the last one's."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    for index, node in enumerate(tree.body):
        docstring = index == 0 and isinstance(node, ast.Expr)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        own = isinstance(node, ast.ImportFrom) and node.level > 0
        names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        program = first and isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        if own or names or program or (not first and (docstring or future)):
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    body = re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).strip("\n")
    return body if first else f"{_heading(file.stem, ast.get_docstring(tree) or '')}\n\n{body}"


def _heading(name: str, said: str) -> str:
    """The line that begins a part, as those of runner.py, and what it says of itself."""
    comment = "\n".join(f"# {line}".rstrip() for line in said.splitlines())
    return f"# ---- {name} {'-' * (_WIDTH - len(name))}\n#\n{comment}"
