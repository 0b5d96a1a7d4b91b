"""The CUDA provider's kernels: operator, versions, types.

`cuda_kernels.txt` lists them as the provider registers them: onnxruntime-gpu 1.31.1 (CUDA 13.0), whose Python module
says them by `get_all_opkernel_def()`; no GPU is needed for that, only something in the place of CUDA's libraries
(tests/support/cuda_registry.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from ..kernels import Kernel, read_kernels

__all__ = ["KERNELS", "Kernel", "kernels_of", "read_kernels"]

KERNELS = "cuda_kernels.txt"


def kernels_of(domain: str, op_type: str) -> tuple[Kernel, ...]:
    """The kernels of an operator, oldest first; () where it has none."""
    return _kernels().get((domain, op_type), ())


@cache
def _kernels() -> Mapping[tuple[str, str], tuple[Kernel, ...]]:
    return read_kernels((files(__package__) / KERNELS).read_text(encoding="utf-8"))
