"""sympy waits until somebody calculates with a symbolic dimension, and is whole then."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

COUNTED = """
import json, sys
def loaded():
    return sorted({name.partition(".")[0] for name in sys.modules if name in ("scipy", "scipy.sparse", "sympy.core")})
"""


def told(program: str) -> object:
    """What a fresh interpreter prints as its last line, as JSON."""
    done = subprocess.run([sys.executable, "-c", COUNTED + program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("first", ["edgec.passes.edit", "edgec.compiler.inspect", "edgec.compiler.compile"])
def test_our_imports_leave_sympy_and_scipy_out(first: str) -> None:
    assert told(f"import {first}\nprint(json.dumps([loaded(), 'onnx_ir' in sys.modules]))") == [[], True]


def test_arithmetic_on_dimensions_is_as_ever() -> None:
    program = """
    import edgec.passes.edit
    import onnx_ir as ir
    before = loaded()
    n = ir.SymbolicDim("n")
    found = [str(n * 49), str((n + 3) // 2), str(ir.SymbolicDim("max(n, 4)").evaluate({"n": 2}))]
    from sympy import Symbol
    print(json.dumps([before, found, loaded(), str(Symbol("k") + 1)]))
    """
    before, found, after, theirs = told("\n".join(line.strip() for line in program.splitlines()))  # type: ignore[misc]
    assert (before, after, theirs) == ([], ["sympy"], "k + 1")
    assert found == told(
        "import onnx_ir as ir\nn = ir.SymbolicDim('n')\n"
        "print(json.dumps([str(n * 49), str((n + 3) // 2), str(ir.SymbolicDim('max(n, 4)').evaluate({'n': 2}))]))"
    )


@pytest.mark.parametrize("first", ["", "import onnx_ir\n"])
def test_nothing_stays_among_the_finders(first: str) -> None:
    program = f"before = list(sys.meta_path)\n{first}import edgec.passes.edit\n"
    assert told(program + "print(json.dumps(before == sys.meta_path))") is True
