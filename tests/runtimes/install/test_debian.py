from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgec.errors import InstallError, OutputError
from edgec.runtimes.install.debian import Archive, need_apt
from edgec.runtimes.install.mirror import Mirror
from edgec.runtimes.install.record import Item, sha256

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub of apt is a shell script")
Apt = Callable[..., Path]


def archive(folder: Path, signed_by: str = "/keys.gpg") -> Archive:
    mirror = Mirror(uri="http://m/debian", signed_by=signed_by)
    return Archive(folder=folder / "apt", mirror=mirror, suite="trixie", architecture="arm64")


def test_packages_come_with_versions_and_digests(apt: Apt, tmp_path: Path) -> None:
    name = "qemu-user_1%3a10.0.13+ds-0_arm64.deb"
    apt({name: {"usr/bin/qemu-arm": "x"}})
    said: list[str] = []
    of = archive(tmp_path)
    of.update()
    [(path, item)] = of.download(["qemu-user"], said.append)
    assert path.name == name
    assert item == Item(name="qemu-user", version="1:10.0.13+ds-0", file=name, sha256=sha256(path))
    assert said == ["fetching 1 Debian package, 71.1 MB"]


def test_one_download_does_not_hold_the_last_ones_packages(apt: Apt, tmp_path: Path) -> None:
    apt({"a_1_arm64.deb": {}})
    of = archive(tmp_path)
    of.update()
    of.download(["a"], print)
    (tmp_path / "tools" / "packages" / "a_1_arm64.deb").rename(tmp_path / "tools" / "packages" / "b_2_arm64.deb")
    assert [item.name for _, item in of.download(["b"], print)] == ["b"]


@pytest.mark.parametrize(
    ("signed_by", "option"),
    [
        ("/keys.gpg", " signed-by=/keys.gpg"),
        ("/a.gpg /b.gpg", " signed-by=/a.gpg,/b.gpg"),
        ("", ""),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", " signed-by={folder}/mirror.asc"),
    ],
)
def test_the_source_names_the_keys(apt: Apt, tmp_path: Path, signed_by: str, option: str) -> None:
    apt()
    of = archive(tmp_path, signed_by)
    of.update()
    expected = (
        f"deb [arch=arm64 target=Packages lang=none{option.format(folder=of.folder)}] http://m/debian trixie main\n"
    )
    assert (of.folder / "sources.list").read_text() == expected
    if "BEGIN" in signed_by:
        assert (of.folder / "mirror.asc").read_text() == signed_by


def test_apt_is_kept_from_what_is_the_machines(apt: Apt, tmp_path: Path) -> None:
    apt()
    of = archive(tmp_path)
    of.update()
    lines = (of.folder / "apt.conf").read_text().splitlines()
    assert f'Dir::State::status "{of.folder}/status";' in lines
    assert (of.folder / "status").read_text() == ""
    assert 'Dir::Etc::sourceparts "/dev/null";' in lines
    assert 'Acquire::AllowInsecureRepositories "false";' in lines
    assert "#clear APT::Update;" in lines  # hooks that administrators hang there


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (
            "echo \"W: Failed to fetch http://m/InRelease  Temporary failure resolving 'm'\"",
            "Debian trixie: cannot be fetched, the network does not answer (apt-get update): W: Failed to fetch "
            "http://m/InRelease Temporary failure resolving 'm'. Connect this machine, or name the proxy to apt, "
            "pip and npm; then install again.",
        ),
        (
            "echo 'W: GPG error: http://m: NO_PUBKEY 6ED0E7B82643E131'; echo 'E: not signed'; exit 100",
            "Debian trixie: none of this machine's keys verifies the signature of http://m/debian. What is not signed "
            "is not installed. Install or update the package debian-archive-keyring.",
        ),
        (
            "echo 'E: Failed to fetch http://m/InRelease  404  Not Found'; exit 100",
            "Debian trixie: apt-get update failed: E: Failed to fetch http://m/InRelease 404 Not Found. "
            "Try again later, or name another mirror: --mirror URL.",
        ),
    ],
)
def test_an_index_that_does_not_come_is_an_error(apt: Apt, tmp_path: Path, update: str, message: str) -> None:
    apt(update=update)
    with pytest.raises(InstallError) as raised:
        archive(tmp_path).update()
    assert str(raised.value) == message


def test_a_package_that_is_not_there_is_an_error(apt: Apt, tmp_path: Path) -> None:
    apt(install="echo 'E: Unable to locate package nope'; exit 100")
    of = archive(tmp_path)
    of.update()
    with pytest.raises(InstallError) as raised:
        of.download(["nope"], print)
    assert str(raised.value) == (
        "nope: apt-get install of trixie for arm64 failed: E: Unable to locate package nope. "
        "Try again later, or name another mirror: --mirror URL."
    )


def test_a_disk_that_fills_up_is_an_error_of_the_home(apt: Apt, tmp_path: Path) -> None:
    apt(install="echo 'E: Write error - write (28: No space left on device)'; exit 100")
    of = archive(tmp_path)
    of.update()
    with pytest.raises(OutputError, match="^" + str(tmp_path) + ": the disk is full"):
        of.download(["qemu-user"], print)


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError) as raised:
        need_apt()
    assert str(raised.value) == (
        "Debian's packages: apt-get is not on this machine. Emulators and the interpreters they run are fetched with "
        "it. Install runtimes on Debian, Ubuntu or another system that has apt; a container will do."
    )
