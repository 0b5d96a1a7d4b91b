"""A home of one's own, and tools that fetch from a folder instead of the network."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.stub_tools import stub_apt


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder runtimes are installed in: empty, this test's own."""
    folder = tmp_path / "runtimes"
    monkeypatch.setenv("EDGEC_RUNTIMES", str(folder))
    monkeypatch.delenv("EDGEC_DEBIAN_MIRROR", raising=False)
    return folder


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put an apt-get and a dpkg-deb of ours before the machine's: see `stub_apt`."""

    def make(packages: Mapping[str, Mapping[str, str]] | None = None, **kinds: str) -> Path:
        return stub_apt(tmp_path / "tools", monkeypatch, packages or {}, **kinds)

    return make


@pytest.fixture
def tarball(tmp_path: Path) -> Callable[[list[tarfile.TarInfo]], Path]:
    """A tar archive of these members, each file holding its own name."""

    def make(members: list[tarfile.TarInfo]) -> Path:
        path = tmp_path / "package.deb"
        with tarfile.open(path, "w") as archive:
            for member in members:
                content = member.name.encode() if member.isreg() else b""
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return make
