"""Imports go one way: compiler → targets → passes, compiler → runtimes; nothing imports compiler.

Read from the syntax trees, so imports inside functions count, and code that no test runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("compiler", "passes", "runtimes", "targets")
LEAVES = ("bundle", "errors")
# Who may import what. "edgec" is a name of the root's public door: `from .. import __version__`.
MAY: dict[str, set[str]] = {
    "__init__": {"compiler", "targets", "errors", "bundle"},
    "__main__": {"compiler"},
    "errors": set(),
    "bundle": {"errors", "edgec"},
    "compiler": {"compiler", "passes", "runtimes", "targets", "errors", "bundle", "edgec"},
    "targets": {"targets", "passes", "errors"},
    "passes": {"passes", "errors"},
    "runtimes": {"runtimes", "errors", "bundle"},
}
# Under TYPE_CHECKING these two may name any room's types: they are the public door.
TYPES_ARE_FREE = ("__init__", "bundle")
# Passes never execute a model; torch belongs to the sources of a model alone.
FOREIGN: dict[str, set[str]] = {"passes": {"onnxruntime", "torch"}, "targets": {"torch"}, "runtimes": {"torch"}}


def violations(root: Path) -> list[str]:
    """One line per import that goes the wrong way in the package at `root`."""
    files = [*root.glob("*.py"), *(file for room in ROOMS for file in (root / room).rglob("*.py"))]
    return [line for file in sorted(files) for line in _of_file(file, root)]


def _of_file(file: Path, root: Path) -> Iterator[str]:
    parts = file.relative_to(root).with_suffix("").parts
    room = parts[0]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for statement, types_only in _imports(tree):
        place = f"{'/'.join(parts)}.py:{statement.lineno}"
        if isinstance(statement, ast.Import) or not statement.level:
            foreign = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
            foreign = foreign or [alias.name for alias in statement.names]
            for name in (module.partition(".")[0] for module in foreign):
                if name == "edgec":
                    yield f"{place}: imports edgec absolutely"
                elif name in FOREIGN.get(room, ()):
                    yield f"{place}: {room} imports {name}"
            continue
        if types_only and room in TYPES_ARE_FREE:
            continue
        for wanted in _rooms_of(statement, parts):
            if wanted is None:
                yield f"{place}: imports from above the package"
            elif wanted not in MAY.get(room, set()):
                yield f"{place}: {room} imports {wanted}"


def _imports(node: ast.AST, types_only: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below a node, and whether it stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, types_only
        elif isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for branch, guarded in ((child.body, True), (child.orelse, types_only)):
                yield from _imports(ast.Module(body=branch, type_ignores=[]), guarded)
        else:
            yield from _imports(child, types_only)


def _rooms_of(statement: ast.ImportFrom, parts: tuple[str, ...]) -> Iterator[str | None]:
    """The rooms a relative import reaches, seen from the module `parts`; None is outside the package."""
    above = statement.level - 1
    package = parts[:-1]
    if above > len(package):
        yield None
        return
    path = (*package[: len(package) - above], *(statement.module.split(".") if statement.module else ()))
    for head in [path[0]] if path else [alias.name for alias in statement.names]:
        yield head if head in (*ROOMS, *LEAVES) else "edgec"


def test_imports_go_one_way(repository: Path) -> None:
    assert violations(repository) == []


WRONG = [
    ("passes/fold.py", "from ..compiler import load", "1: passes imports compiler"),
    ("passes/fold.py", "from .. import compiler", "1: passes imports compiler"),
    ("passes/quantize/qdq.py", "from ...runtimes.ort import run", "1: passes imports runtimes"),
    ("passes/fold.py", "def f():\n    from ..targets import spec", "2: passes imports targets"),
    ("passes/fold.py", "try:\n    import onnxruntime.capi\nfinally:\n    pass", "2: passes imports onnxruntime"),
    ("runtimes/ort.py", "from ..passes.spec import QuantSpec", "1: runtimes imports passes"),
    ("runtimes/ort.py", "if TYPE_CHECKING:\n    from ..passes import spec", "2: runtimes imports passes"),
    ("runtimes/ort.py", "from .. import compile", "1: runtimes imports edgec"),
    ("targets/cpu/spec.py", "from ...compiler.load import load", "1: targets imports compiler"),
    ("compiler/pack.py", "import edgec.bundle", "1: imports edgec absolutely"),
    ("compiler/pack.py", "from edgec import bundle", "1: imports edgec absolutely"),
    ("compiler/pack.py", "from ... import other", "1: imports from above the package"),
    ("errors.py", "from .bundle import Bundle", "1: errors imports bundle"),
    ("bundle.py", "def f():\n    from .compiler.run import run", "2: bundle imports compiler"),
    ("bundle.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from .compiler import run", "4: bundle imports compiler"),
]
RIGHT = [
    ("compiler/cli/app.py", "from ... import __version__\nfrom ...passes.spec import QuantSpec\nfrom ..load import x"),
    ("compiler/prove.py", "from ..runtimes.base import Runtime\nfrom ..bundle import Bundle\nimport onnxruntime"),
    ("targets/cpu/spec.py", "from ...passes import spec\nfrom ..spec import TargetSpec\nfrom ... import errors"),
    ("passes/fold.py", "from . import spec\nfrom .normalize import conv\nfrom ..errors import ModelError\nimport onnx"),
    ("runtimes/ort.py", "from ..bundle import Bundle\nfrom .base import Runtime\nimport onnxruntime"),
    ("bundle.py", "if TYPE_CHECKING:\n    from .compiler.contract import Verdict\nfrom . import prove"),
    ("__init__.py", "if TYPE_CHECKING:\n    from .compiler.prove import prove"),
]


@pytest.mark.parametrize(("file", "code", "fault"), WRONG)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, code: str, fault: str) -> None:
    assert violations(plant(tmp_path, file, code)) == [f"{file}:{fault}"]


@pytest.mark.parametrize(("file", "code"), RIGHT)
def test_a_right_import_is_left_alone(tmp_path: Path, file: str, code: str) -> None:
    assert violations(plant(tmp_path, file, code)) == []


def plant(root: Path, file: str, code: str) -> Path:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(code, encoding="utf-8")
    return root
