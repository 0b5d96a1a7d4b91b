"""How soon `edgec --help` answers, beside the import of the libraries it is drawn with.

python tests/benchmarks/startup.py     # exit 1 above 3x, or when `import edgec` loads what it should not
"""

from __future__ import annotations

import subprocess
import sys
import time

ROUNDS = 15
LIMIT = 3.0
HEAVY = ("torch", "onnxruntime", "sympy")
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import typer, rich": ["-c", "import typer, rich"],
    "import edgec": ["-c", "import edgec"],
    "edgec --help": ["-m", "edgec", "--help"],
}


def main() -> int:
    """Print the table; 1 when the limit is missed."""
    best = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(ROUNDS):  # in turns, so that a busy moment falls on all of them
        for name, words in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            best[name] = min(best[name], time.perf_counter() - started)
    for name, seconds in best.items():
        sys.stdout.write(f"{name:20} {seconds * 1e3:6.0f} ms, best of {ROUNDS}\n")
    ratio = best["edgec --help"] / best["import typer, rich"]
    check = f"import sys, edgec; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout.split()
    sys.stdout.write(
        f"edgec --help is {ratio:.2f}x, limit {LIMIT:g}x; import edgec loads {loaded or 'none'} of {HEAVY}\n"
    )
    return int(ratio > LIMIT or bool(loaded))


if __name__ == "__main__":
    sys.exit(main())
