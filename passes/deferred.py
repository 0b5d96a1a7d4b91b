"""Keep onnx_ir from importing sympy before anybody calculates with a symbolic dimension.

onnx_ir names sympy at the top of two of its modules and calls it for arithmetic on dimensions alone (`batch * 49`),
which no pass does. Importing it takes 33 MB and a quarter of a second (onnx_ir 1.1.0, sympy 1.14, 2026-11-21): more
than some models need to be compiled.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["defer_sympy"]

# The second names members of the first while it is imported; onnx_ir asks for it last.
_DEFERRED = ("sympy", "onnx_ir._symbolic_shapes")


def defer_sympy() -> None:
    """Have onnx_ir's import of sympy run when something of it is first used, as `importlib.util.LazyLoader` does.

    Does nothing where onnx_ir has been imported already.
    """
    if "onnx_ir" not in sys.modules and not any(isinstance(each, _Deferring) for each in sys.meta_path):
        sys.meta_path.insert(0, _Deferring())


class _Deferring:
    """Finds the deferred modules where they are, to be executed later; leaves when it has found the last one."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _DEFERRED:
            return None
        if name == _DEFERRED[-1]:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            from importlib.util import LazyLoader

            spec.loader = LazyLoader(spec.loader)
        return spec
