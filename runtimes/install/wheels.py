"""Fetches wheels for another processor with this interpreter's pip."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

from ...errors import InstallError
from .component import Wheels
from .record import Item
from .say import Say
from .tools import failure, run_tool

__all__ = ["fetch_wheels"]


def fetch_wheels(source: Wheels, into: Path, say: Say) -> list[Item]:
    """Put the wheels' files into a folder, without their tests.

    Returns:
        What was fetched, with the digests the index gave and pip checked.

    Raises:
        InstallError: There is no pip, no such wheel, or no network.
    """
    say(f"fetching {', '.join(source.requirements)} with pip")
    report = into / ".report.json"
    platforms = [word for tag in source.platforms for word in ("--platform", tag)]
    code, lines = run_tool(
        [
            sys.executable, "-m", "pip", "install", *source.requirements, "--target", str(into), *platforms,
            "--python-version", source.python, "--implementation", "cp", "--only-binary=:all:", "--no-deps",
            "--no-compile", "--report", str(report), "--retries", "2", "--timeout", "20", "--no-input",
            "--disable-pip-version-check", "--progress-bar", "off",
        ],
        environment={"TMPDIR": str(into.parent)},
    )  # fmt: skip
    if code:
        if any("No module named pip" in line for line in lines):
            raise InstallError(
                "pip",
                f"is not part of {sys.executable}",
                affects="Wheels for other processors are fetched with it",
                remedy=f"Add it: {sys.executable} -m ensurepip",
            )
        raise failure(
            ", ".join(source.requirements), "pip install", lines, into.parent,
            remedy="Use a released version of onnxruntime here, whose wheels for arm64 are in the index",
        )  # fmt: skip
    values = json.loads(report.read_text(encoding="utf-8"))
    report.unlink()
    shutil.rmtree(into / "bin", ignore_errors=True)
    for tests in [path for path in into.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    return [_item(each) for each in values["install"]]


def _item(entry: dict[str, dict[str, object]]) -> Item:
    found, metadata = entry["download_info"], entry["metadata"]
    archive = found.get("archive_info")
    hashes = archive.get("hashes", {}) if isinstance(archive, dict) else {}
    return Item(
        name=str(metadata["name"]),
        version=str(metadata["version"]),
        file=unquote(str(found["url"]).rpartition("/")[2]),
        sha256=str(hashes.get("sha256", "")),
    )
