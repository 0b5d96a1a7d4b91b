"""An apt-get and a dpkg-deb that need no network: packages are tar archives made here."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

# What apt-get does with `-c CONF update` and `-c CONF install ...`; both leave a line in the log.
_APT_GET = """#!/bin/sh
echo "$3" >> "{folder}/log"
case "$3" in
update) {update} ;;
install)
    {install}
    place=$(sed -n 's/^Dir::Cache "\\(.*\\)";$/\\1/p' "$2")
    cp "{folder}"/packages/*.deb "$place/archives/"
    echo "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded."
    echo "Need to get 71.1 MB of archives."
    ;;
esac
"""
_DPKG_DEB = '#!/bin/sh\nexec cat "$2"\n'

# Runs what it is given on this very processor.
EMULATOR = '#!/bin/sh\nshift 2\nexec "$@"\n'


def stub_apt(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    packages: Mapping[str, Mapping[str, str]],
    *,
    update: str = ":",
    install: str = ":",
) -> Path:
    """Put stubs first on PATH.

    Args:
        folder: Where they go; made.
        monkeypatch: Changes PATH.
        packages: File name of each `.deb`: path inside → what the file holds.
        update, install: Shell that stands for these two commands of apt-get.

    Returns:
        The log: a line for each time apt-get was called.
    """
    (folder / "packages").mkdir(parents=True, exist_ok=True)
    for name, files in packages.items():
        with tarfile.open(folder / "packages" / name, "w") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size, member.mode = len(text.encode()), 0o755
                archive.addfile(member, io.BytesIO(text.encode()))
    for name, text in (
        ("apt-get", _APT_GET.format(folder=folder, update=update, install=install)),
        ("dpkg-deb", _DPKG_DEB),
    ):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "log"


def qemu_packages() -> dict[str, dict[str, str]]:
    """Debian's package of emulators, each of which is this machine's own processor."""
    names = ("qemu-aarch64", "qemu-arm", "qemu-x86_64", "qemu-mips")
    files = {f"usr/bin/{name}": EMULATOR for name in names}
    return {"qemu-user_1%3a10.0.13+ds-0+deb13u1_amd64.deb": {**files, "usr/share/man/man1/qemu.1": "a page"}}
