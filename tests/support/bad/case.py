"""A bad input: what to prepare, what to type, and the one paragraph and exit code it must end in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COMPILE", "DATA", "Case", "compiling"]

DATA = ("--calibration", "calib.npz")
# An output is there already: whatever goes wrong, it must stay as it is.
COMPILE = ("-o", "out", "--overwrite", "--no-prove")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table.

    Attributes:
        name: Names it in the test report.
        words: The command line, run inside `folder` of `make`.
        message: The whole paragraph behind `edgec: error: `; `{folder}` is the folder's path, which is left
            out of paths below it.
        make: Prepares the folder, which holds model.onnx, calib.npz, eval.npz and a bundle `out`.
        code: The exit code.
        lines: How many lines the paragraph has: more than one where lines to copy follow.
        starts: `message` is only how the paragraph starts: what follows is another library's own text.
    """

    name: str
    words: Sequence[str]
    message: str
    make: Callable[[Path], object] = lambda folder: None
    code: int = 2
    lines: int = 1
    starts: bool = False


def compiling(model: str = "model.onnx", *more: str, data: Sequence[str] = DATA) -> tuple[str, ...]:
    """`edgec compile` with what it needs beside the bad part."""
    return ("compile", model, *data, *COMPILE, *more)
