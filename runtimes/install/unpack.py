"""A Debian package becomes files in a folder: those wanted, nothing of it is run."""

from __future__ import annotations

import subprocess
import tarfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ...errors import InstallError
from .component import DebianPackages

__all__ = ["complete", "unpack", "wanted"]


def wanted(name: str, source: DebianPackages) -> bool:
    """Whether a file of a package, by its path from the root, is kept."""

    def among(patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)

    return among(source.keep) and not among(source.drop)


def unpack(package: Path, root: Path, source: DebianPackages) -> None:
    """Put the wanted files of a `.deb` below `root`.

    Raises:
        InstallError: It is no package.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                # Names are checked here, the archive is signed; Python's own filter came with 3.11.4.
                archive.extraction_filter = lambda member, _: member
                for member in archive:
                    if _harmless(member) and wanted(_path(member.name), source):
                        member.name = _path(member.name)
                        if member.islnk():
                            member.linkname = _path(member.linkname)
                        member.uid = member.gid = -1  # ours
                        archive.extract(member, root)
        except tarfile.TarError as error:
            raise _broken(package) from error
        finally:
            process.stdout.close()
    if process.returncode:
        raise _broken(package)


def _broken(package: Path) -> InstallError:
    return InstallError(package.name, "dpkg-deb cannot read it", remedy="Install again: what was fetched is damaged")


def _path(name: str) -> str:
    """Path from the root; /lib is /usr/lib wherever Debian 12 and later run, whatever their packages still say."""
    path = name.removeprefix("./")
    return f"usr/{path}" if path.startswith("lib/") else path


def _harmless(member: tarfile.TarInfo) -> bool:
    """A file, or a link that stays below the root; folders come with their files."""
    path = PurePosixPath(_path(member.name))
    link = PurePosixPath(member.linkname)
    return (
        (member.isreg() or member.issym() or member.islnk())
        and not path.is_absolute()
        and ".." not in path.parts
        and not link.is_absolute()
    )


def complete(root: Path) -> None:
    """Add what packages leave to their scripts and to base-files: /lib, /lib64, and who provides BLAS and LAPACK."""
    libraries = root / "usr" / "lib"
    if not libraries.is_dir():
        return
    (root / "lib").symlink_to("usr/lib")
    if (root / "usr" / "lib64").exists():
        (root / "lib64").symlink_to("usr/lib64")
    for kind in ("blas", "lapack"):
        for found in libraries.glob(f"*/{kind}/lib{kind}.so.*"):
            link = found.parent.parent / found.name
            if not link.exists():
                link.symlink_to(f"{kind}/{found.name}")
