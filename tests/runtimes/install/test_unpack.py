from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgec.errors import InstallError
from edgec.runtimes.install.component import DebianPackages, components
from edgec.runtimes.install.unpack import complete, unpack, wanted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub of dpkg-deb is a shell script")
ALL = DebianPackages(suite="s", architecture="", packages=("p",), keep=("usr/",), drop=("usr/share/man/",))


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usr/bin/python3.13", True),
        ("usr/bin/python3", False),
        ("usr/lib/aarch64-linux-gnu/libc.so.6", True),
        ("usr/lib/aarch64-linux-gnu/gconv/BIG5.so", False),
        ("usr/lib/aarch64-linux-gnu/libdnnl.so.3", False),
        ("usr/lib/ld-linux-aarch64.so.1", True),
        ("usr/lib/python3.13/json/__init__.py", True),
        ("usr/lib/python3.13/test/support.py", False),
        ("usr/lib/python3/dist-packages/numpy/linalg/linalg.py", True),
        ("usr/lib/python3/dist-packages/numpy/linalg/tests/test_linalg.py", False),
        ("usr/lib/python3/dist-packages/sympy/__init__.py", False),
        ("usr/share/doc/libc6/copyright", True),
        ("usr/share/doc/libc6/changelog.gz", False),
        ("usr/share/man/man1/python.1", False),
        ("usr/share/locale/de/LC_MESSAGES/tar.mo", False),
    ],
)
def test_what_a_sysroot_keeps(name: str, expected: bool) -> None:
    source = components()["arm64-debian"].source
    assert isinstance(source, DebianPackages)
    assert wanted(name, source) is expected


def test_files_and_links_are_put_below_the_root(tarball, apt: Callable[..., Path], tmp_path: Path) -> None:
    apt()
    package = tarball(
        [
            member("./usr", kind=tarfile.DIRTYPE, mode=0o700),
            member("./usr/bin/tool", mode=0o755),
            member("./usr/bin/alias", kind=tarfile.SYMTYPE, link="tool"),
            member("./usr/share/man/tool.1"),
            member("./etc/conf"),
        ]
    )
    root = tmp_path / "root"
    unpack(package, root, ALL)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()) == [
        "usr/bin/alias", "usr/bin/tool",
    ]  # fmt: skip
    assert (root / "usr/bin/alias").read_text() == "./usr/bin/tool"
    assert os.access(root / "usr/bin/tool", os.X_OK)


def test_what_older_packages_have_in_lib_goes_to_usr_lib(tarball, apt: Callable[..., Path], tmp_path: Path) -> None:
    apt()
    package = tarball(
        [
            member("./lib/x86_64-linux-gnu/libz.so.1.2"),
            member("./lib/x86_64-linux-gnu/libz.so.1", kind=tarfile.SYMTYPE, link="libz.so.1.2"),
            member("./lib/x86_64-linux-gnu/same", kind=tarfile.LNKTYPE, link="./lib/x86_64-linux-gnu/libz.so.1.2"),
            member("./library"),
        ]
    )
    root = tmp_path / "root"
    unpack(package, root, ALL)
    complete(root)
    folder = root / "usr/lib/x86_64-linux-gnu"
    assert sorted(path.name for path in folder.iterdir()) == ["libz.so.1", "libz.so.1.2", "same"]
    assert {path.read_text() for path in folder.iterdir()} == {"./lib/x86_64-linux-gnu/libz.so.1.2"}
    assert sorted(path.name for path in root.iterdir()) == ["lib", "usr"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usr/lib/chromium/chromium-headless-shell", True),
        ("usr/lib/chromium/icudtl.dat", True),
        ("usr/lib/chromium/libVkLayer_khronos_validation.so", False),
        ("usr/lib/x86_64-linux-gnu/libnss3.so", True),
        ("usr/lib/x86_64-linux-gnu/libcap.so.2", True),
        ("usr/lib/x86_64-linux-gnu/pulseaudio/libpulsecommon-16.1.so", True),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", False),
        ("usr/lib/x86_64-linux-gnu/libm.so.6", False),
        ("usr/lib/x86_64-linux-gnu/libnss_files.so.2", False),
        ("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", False),
        ("usr/lib64/ld-linux-x86-64.so.2", False),
        ("usr/lib/x86_64-linux-gnu/libLLVM-15.so.1", False),
        ("usr/lib/x86_64-linux-gnu/dri/swrast_dri.so", False),
        ("usr/bin/dbus-daemon", False),
    ],
)
def test_what_a_browser_keeps(name: str, expected: bool) -> None:
    source = components()["chromium-headless"].source
    assert isinstance(source, DebianPackages)
    assert wanted(name, source) is expected


def test_nothing_gets_out_of_the_root(tarball, apt: Callable[..., Path], tmp_path: Path) -> None:
    apt()
    keep_all = DebianPackages(suite="s", architecture="", packages=("p",), keep=("*",))
    package = tarball(
        [
            member("../outside"),
            member("/outside-too"),
            member("./usr/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
            member("./usr/device", kind=tarfile.CHRTYPE),
        ]
    )
    root = tmp_path / "root"
    root.mkdir()
    unpack(package, root, keep_all)
    assert list(root.rglob("*")) == []
    assert not (tmp_path / "outside").exists()


def test_a_damaged_package_is_said(apt: Callable[..., Path], tmp_path: Path) -> None:
    apt()
    package = tmp_path / "qemu-user_1_amd64.deb"
    package.write_bytes(b"not a package" * 100)
    with pytest.raises(InstallError) as raised:
        unpack(package, tmp_path / "root", ALL)
    assert str(raised.value) == (
        "qemu-user_1_amd64.deb: dpkg-deb cannot read it. Install again: what was fetched is damaged."
    )


def test_a_sysroot_gets_the_links_that_packages_leave_to_their_scripts(tmp_path: Path) -> None:
    libraries = tmp_path / "usr" / "lib" / "arm-linux-gnueabihf"
    for kind in ("blas", "lapack"):
        (libraries / kind).mkdir(parents=True)
        (libraries / kind / f"lib{kind}.so.3").write_text(kind)
    (libraries / "liblapack.so.3").write_text("there already")
    complete(tmp_path)
    assert (tmp_path / "lib" / "arm-linux-gnueabihf" / "libblas.so.3").read_text() == "blas"
    assert (libraries / "liblapack.so.3").read_text() == "there already"
    assert not (tmp_path / "lib64").is_symlink()


def test_what_is_no_sysroot_gets_none(tmp_path: Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    complete(tmp_path)
    assert not (tmp_path / "lib").is_symlink()
