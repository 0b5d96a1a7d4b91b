"""The commands of a document, typed one after the other as by a person at a shell."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from support.ci import shell

__all__ = ["blocks", "typed"]


def blocks(document: Path) -> list[list[str]]:
    """The commands of a document's `sh` blocks, block by block."""
    text = document.read_text(encoding="utf-8")
    return [body.splitlines() for body in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def typed(
    commands: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    after: Callable[[str, Path], None] = lambda command, place: None,
) -> dict[str, float]:
    """Run commands in a shell that keeps its folder; each has to succeed.

    Args:
        commands: In their order.
        folder: Where the first is typed.
        environment: Of all of them.
        after: Told of each that is done, and where it was typed.

    Returns:
        Seconds by command.
    """
    place, seconds = folder, {}
    for command in commands:
        began = time.perf_counter()
        code, said = shell(f"{command} && pwd > '{folder}/pwd'", place, environment, "-e")
        assert code == 0, f"{command}: {said}"
        seconds[command] = time.perf_counter() - began
        after(command, place)
        place = Path((folder / "pwd").read_text(encoding="utf-8").strip())
    return seconds
