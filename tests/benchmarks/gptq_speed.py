"""What GPTQ takes beside the linear algebra it cannot do without: one Cholesky factor and one triangular inverse.

    python tests/benchmarks/gptq_speed.py            # exit 1 when it takes 2.5 times as long, or more

A layer of 4096 x 4096 with its Gram matrix ready. Each is timed in turn, five times; the fastest counts. The factor is
`scipy.linalg.cholesky`, the inverse `scipy.linalg.solve_triangular` with the identity, both in float64, as the Gram
matrix comes; beside it LAPACK's own triangular inverse (trtri), and both in float32.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import linalg
from table import markdown

from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.gptq_blocks import gptq_blocks

LIMIT = 2.5
FORMS = {
    "4 bits, blocks of 128": (BlockForm(bits=4, size=128), True),
    "4 bits, blocks of 128, in order": (BlockForm(bits=4, size=128), False),
    "4 bits, blocks of 32, zero points": (BlockForm(bits=4, size=32, symmetric=False), True),
    "2 bits, blocks of 64": (BlockForm(bits=2, size=64), True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Time it; 1 when the limit is missed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="rows and columns (default 4096)")
    parser.add_argument("--times", type=int, default=5, help="how often each is timed (default 5)")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((options.size + 512, options.size)).astype(np.float32)
    gram = (inputs.T @ inputs).astype(np.float64)
    weight = rng.standard_normal((options.size, options.size)).astype(np.float32)

    runs: dict[str, Callable[[], object]] = {
        "cholesky, solve_triangular": partial(_factor_and_invert, gram, _solve),
        "cholesky, trtri": partial(_factor_and_invert, gram, _trtri),
        "cholesky, solve_triangular, float32": partial(_factor_and_invert, gram.astype(np.float32), _solve),
    } | {
        name: partial(gptq_blocks, weight, gram, form, act_order=order) for name, (form, order) in FORMS.items()
    }  # fmt: skip
    fastest = _fastest(runs, options.times)
    bases = list(runs)[: len(runs) - len(FORMS)]
    rows = [
        [name, f"{seconds:.2f}", *(f"{seconds / fastest[base]:.2f}" for base in bases)]
        for name, seconds in fastest.items()
    ]
    ratio = fastest["4 bits, blocks of 128"] / fastest[bases[0]]
    sys.stdout.write(f"{markdown(['', 'seconds', *(f'x {base}' for base in bases)], rows)}\n")
    sys.stdout.write(f"\n{ratio:.2f} times the factor and the inverse; the limit is {LIMIT}\n")
    return 0 if ratio < LIMIT else 1


def _factor_and_invert(gram: np.ndarray, invert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return invert(linalg.cholesky(gram, lower=True))


def _solve(factor: np.ndarray) -> np.ndarray:
    inverse: np.ndarray = linalg.solve_triangular(factor, np.eye(len(factor), dtype=factor.dtype), lower=True)
    return inverse


def _trtri(factor: np.ndarray) -> np.ndarray:
    inverse: np.ndarray = linalg.lapack.dtrtri(factor, lower=1)[0]
    return inverse


def _fastest(runs: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(times):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            found[name] = min(found[name], time.perf_counter() - started)
    return found


if __name__ == "__main__":
    sys.exit(main())
