"""Fetches packages of JavaScript with this machine's npm; none of their scripts is run, none of what they depend on."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ...errors import InstallError
from .component import NpmPackages
from .record import Item, sha256
from .say import Say
from .tools import failure, run_tool

__all__ = ["fetch_packages"]

# What every archive of npm's has its files in.
_ROOT = "package/"


def fetch_packages(source: NpmPackages, into: Path, say: Say) -> list[Item]:
    """Put the wanted files of each package where Node looks for them: `node_modules/NAME/` in a folder.

    Returns:
        What was fetched; npm has compared it with the digests its registry gave.

    Raises:
        InstallError: There is no npm, no such package, or no network.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError(
            "npm",
            "is not on this machine",
            affects="Packages of JavaScript are fetched with it",
            remedy="Install Node.js with its npm, 20 or newer",
        )
    wanted = [f"{name}@{version}" for name, version in source.packages]
    say(f"fetching {', '.join(wanted)} with npm")
    archives = into / ".archives"
    archives.mkdir()
    code, lines = run_tool(
        [
            npm, "pack", *wanted, "--pack-destination", str(archives), "--ignore-scripts", "--loglevel=error",
            "--fetch-retries=2", "--fetch-timeout=20000", "--no-update-notifier", "--no-progress",
        ],
    )  # fmt: skip
    if code:
        told = [line for line in lines if "complete log of this run" not in line]
        raise failure(
            ", ".join(wanted), "npm pack", told, into.parent, remedy="See what npm says; `npm ping` tells whom it asks"
        )
    items = []
    for name, version in source.packages:
        archive = archives / f"{name}-{version}.tgz"
        _unpack(archive, name, source.keep, into)
        items.append(Item(name=name, version=version, file=archive.name, sha256=sha256(archive)))
    shutil.rmtree(archives)
    return items


def _unpack(archive: Path, name: str, keep: tuple[str, ...], into: Path) -> None:
    """Put the files of a package that match a pattern into its folder."""
    folder = into / "node_modules" / name
    try:
        with tarfile.open(archive) as files:
            for member in files:
                path = PurePosixPath(member.name.removeprefix(_ROOT))
                content = files.extractfile(member) if member.isreg() else None
                if content is None or path.is_absolute() or ".." in path.parts:
                    continue
                if any(fnmatchcase(f"{name}/{path}", pattern) for pattern in keep):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(content.read())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InstallError(
            archive.name, "cannot be read", remedy="Install again: what was fetched is damaged"
        ) from error
