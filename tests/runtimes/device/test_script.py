"""The scripts as they are handed out: one file each, whole, nothing of edgec needed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.node import NEEDS_NODE

from edgec.runtimes.device.script import javascript, python, script


def tops(text: str) -> list[str]:
    """Names that a Python file defines or binds at its top, each as often as it does."""
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return names


def test_parts_do_not_overwrite_each_other() -> None:
    twice = [name for name, times in Counter(tops(python())).items() if times > 1]
    assert twice == []


def test_it_is_legible_to_the_oldest_python_it_serves() -> None:
    ast.parse(python(), feature_version=(3, 10))


def test_only_the_first_docstring_and_the_last_program_stay() -> None:
    tree = ast.parse(python())
    assert ast.get_docstring(tree).startswith("Runs models with ONNX Runtime")  # type: ignore[union-attr]
    assert python().startswith("#!/usr/bin/env python3\n")
    assert sum(isinstance(node, ast.If) for node in tree.body) == 1
    assert [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level] == []


def test_it_imports_nothing_of_edgec(tmp_path: Path) -> None:
    (tmp_path / "runner.py").write_text(python(), encoding="utf-8")
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print(any(m.startswith('edgec') for m in sys.modules))"
    command = [sys.executable, "-S", "-c", code, str(tmp_path / "runner.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_javascript_is_one_module() -> None:
    lines = javascript().splitlines()
    assert lines[0] == "#!/usr/bin/env node"
    imported = [line for line in lines if line.startswith("import ")]
    assert imported
    assert all('from "node:' in line for line in imported)
    assert len({line.rpartition(" ")[2] for line in imported}) == len(imported)
    assert not [line for line in lines if line.startswith("export ")]


@NEEDS_NODE
def test_node_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "runner.mjs"
    file.write_text(javascript(), encoding="utf-8")
    node = shutil.which("node")
    assert node is not None
    subprocess.run([node, "--check", str(file)], check=True, capture_output=True)
    done = subprocess.run([node, str(file), "--help"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: edgec_runner.mjs BUNDLE --key FILE")


def test_by_name() -> None:
    assert script("python") == python()
    assert script("javascript") == javascript()
    with pytest.raises(KeyError):
        script("cobol")
