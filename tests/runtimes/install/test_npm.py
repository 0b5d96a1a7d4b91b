from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgec.errors import InstallError
from edgec.runtimes.install.component import NpmPackages, components
from edgec.runtimes.install.fetch import Network
from edgec.runtimes.install.npm import fetch_packages
from edgec.runtimes.install.record import sha256
from edgec.runtimes.install.say import silent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub of npm is a shell script")
PACKAGES = NpmPackages(packages=(("web", "1.2.3"), ("common", "4.5.6")), keep=("*/package.json", "web/dist/*.wasm"))


def stub_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, shell: str = "exit 0") -> Path:
    """An npm that is this shell, alone on PATH beside a shell's own tools; $place is where packages go.

    Returns:
        Where it notes its words.
    """
    tools = folder / "tools"
    tools.mkdir()
    npm = tools / "npm"
    npm.write_text(
        f'#!/bin/sh\necho "$@" > "{folder}/words"\n'
        'while [ $# -gt 0 ]; do case "$1" in --pack-destination) place=$2 ;; esac; shift; done\n'
        f"{shell}\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return folder / "words"


def packed(folder: Path, name: str, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> None:
    """An archive as npm's registry has them."""
    with tarfile.open(folder / name, "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        for path, target in (links or {}).items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)


def refused(into: Path) -> str:
    with pytest.raises(InstallError) as caught:
        fetch_packages(PACKAGES, into, silent)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_wanted_files_lie_where_node_looks(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(
        tmp_path, "web-1.2.3.tgz", {"package/package.json": "{}", "package/dist/a.wasm": "a", "package/dist/b.js": ""}
    )
    packed(tmp_path, "common-4.5.6.tgz", {"package/package.json": "{}", "package/dist/c.wasm": "not wanted"})
    words = stub_npm(tmp_path, monkeypatch, f'cp {tmp_path}/*.tgz "$place"')
    said: list[str] = []
    found = fetch_packages(PACKAGES, into, said.append)
    assert [(item.name, item.version, item.file) for item in found] == [
        ("web", "1.2.3", "web-1.2.3.tgz"),
        ("common", "4.5.6", "common-4.5.6.tgz"),
    ]
    assert found[0].sha256 == sha256(tmp_path / "web-1.2.3.tgz")
    assert sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()) == [
        "node_modules/common/package.json",
        "node_modules/web/dist/a.wasm",
        "node_modules/web/package.json",
    ]
    assert said == ["fetching web@1.2.3, common@4.5.6 with npm"]
    assert words.read_text().startswith(f"pack web@1.2.3 common@4.5.6 --pack-destination {into}/.archives ")
    assert "--ignore-scripts" in words.read_text()


def test_nothing_leaves_its_folder(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = {"package/../../package.json": "x", "/package.json": "x", "package/dist/a.wasm": "kept"}
    packed(tmp_path, "web-1.2.3.tgz", stray, links={"package/dist/l.wasm": "/etc/passwd"})
    packed(tmp_path, "common-4.5.6.tgz", {})
    stub_npm(tmp_path, monkeypatch, f'cp {tmp_path}/*.tgz "$place"')
    fetch_packages(PACKAGES, into, silent)
    assert [path.relative_to(into).as_posix() for path in into.rglob("*") if not path.is_dir()] == [
        "node_modules/web/dist/a.wasm"
    ]


def test_no_npm(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(into))
    assert refused(into) == (
        "npm: is not on this machine. Packages of JavaScript are fetched with it. "
        "Install Node.js with its npm, 20 or newer."
    )


def test_no_network(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [
        "npm error code ENOTFOUND",
        "npm error network request to https://registry/web failed, reason: getaddrinfo ENOTFOUND registry",
        "npm error   type: 'system'",
        "npm error A complete log of this run can be found in: /home/me/.npm/_logs/x.log",
    ]
    stub_npm(tmp_path, monkeypatch, "".join(f'echo "{line}" >&2\n' for line in told) + "exit 1")
    assert refused(into) == (
        "web@1.2.3, common@4.5.6: cannot be fetched, the network does not answer (npm pack): npm error code "
        "ENOTFOUND | npm error network request to https://registry/web failed, reason: getaddrinfo ENOTFOUND registry. "
        "Connect this machine, or name the proxy to apt, pip and npm; then install again."
    )


def test_no_such_version(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["npm error code ETARGET", "npm error notarget No matching version found for web@1.2.3."]
    stub_npm(tmp_path, monkeypatch, "".join(f'echo "{line}" >&2\n' for line in told) + "exit 1")
    assert refused(into) == (
        "web@1.2.3, common@4.5.6: npm pack failed: npm error code ETARGET | npm error notarget No matching version "
        "found for web@1.2.3. See what npm says; `npm ping` tells whom it asks."
    )


def test_a_damaged_archive(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, "web-1.2.3.tgz", {"package/package.json": "{}" * 5000})
    whole = (tmp_path / "web-1.2.3.tgz").read_bytes()
    for damaged in (b"no archive", whole[: len(whole) // 2]):
        (tmp_path / "web-1.2.3.tgz").write_bytes(damaged)
        folder = into / str(len(damaged))
        folder.mkdir()
        with monkeypatch.context() as patch:
            if not (tmp_path / "tools").exists():
                stub_npm(tmp_path, patch, f'cp {tmp_path}/*.tgz "$place"')
            patch.setenv("PATH", f"{tmp_path}/tools:/usr/bin:/bin")
            assert refused(folder) == "web-1.2.3.tgz: cannot be read. Install again: what was fetched is damaged."


@pytest.mark.parametrize("package", ["onnxruntime-web", "onnxruntime-node"])
def test_a_component_goes_by_one_version_and_comes_from_npm(
    package: str, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = next(each for name, each in components().items() if name.startswith(package))
    assert isinstance(component.source, NpmPackages)
    assert [name for name, _ in component.source.packages] == [package, "onnxruntime-common"]
    versions = {version for _, version in component.source.packages}
    assert component.name == f"{package}-{versions.pop()}"
    assert not versions
    stub_npm(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(InstallError, match=r"npm pack failed"):
        Network(work=tmp_path)(component, into, silent)
