"""Fetches Debian packages of any release and processor, without root: apt, with a configuration of its own.

apt keeps the machine's proxies, credentials and keys, but gets its own sources, lists, cache, and an empty record
of what is installed, so that all a package depends on is fetched. Every file is verified by apt against the
archive's signed index.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ...errors import InstallError
from .mirror import Mirror
from .record import Item, sha256
from .say import Say, silent
from .tools import failure, run_tool

__all__ = ["Archive", "need_apt"]

_LEFT_OUT = re.compile(r"Failed to fetch|^W: Some index files failed|^E: |^Err:", re.MULTILINE)
_KEYS = re.compile(r"NO_PUBKEY|BADSIG|EXPKEYSIG|signatures? (?:was|were) invalid|Missing key")
_NEED = re.compile(r"^Need to get (?P<size>[\d.,]+ [kMG]?B)")
_NEW = re.compile(r"(?P<count>\d+) newly installed")


def need_apt() -> None:
    """Pass where this machine has Debian's tools.

    Raises:
        InstallError: It has not.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise InstallError(
                "Debian's packages",
                f"{tool} is not on this machine",
                affects="Emulators and the interpreters they run are fetched with it",
                remedy="Install runtimes on Debian, Ubuntu or another system that has apt; a container will do",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """One release for one processor.

    Attributes:
        folder: Where apt keeps its lists and files; made by `update`.
        mirror: Where they come from.
        suite: The release.
        architecture: Debian's name of the processor.
    """

    folder: Path
    mirror: Mirror
    suite: str
    architecture: str

    def update(self) -> None:
        """Fetch the index.

        Raises:
            InstallError: The mirror cannot be reached, or this machine does not know its keys.
        """
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text(self._source(), encoding="utf-8")
        (self.folder / "apt.conf").write_text(self._configuration(), encoding="utf-8")
        code, lines = self._apt("update")
        text = "\n".join(lines)
        if code or _LEFT_OUT.search(text):  # apt-get update forgives a mirror that does not answer
            if _KEYS.search(text):
                raise InstallError(
                    f"Debian {self.suite}",
                    f"none of this machine's keys verifies the signature of {self.mirror.uri}",
                    affects="What is not signed is not installed",
                    remedy="Install or update the package debian-archive-keyring",
                )
            raise failure(
                f"Debian {self.suite}", "apt-get update", lines, self.folder.parent,
                remedy="Try again later, or name another mirror: --mirror URL",
            )  # fmt: skip

    def download(self, packages: Sequence[str], say: Say) -> list[tuple[Path, Item]]:
        """Fetch packages and all they depend on; what was fetched before for others goes.

        Args:
            packages: Their names.
            say: Told how many there are and how large they are together.

        Raises:
            InstallError: One is not in the archive, or cannot be fetched.
        """
        archives = self.folder / "cache" / "archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        count = ""

        def heard(line: str) -> None:
            nonlocal count
            if new := _NEW.search(line):
                count = new["count"]
            elif need := _NEED.match(line):
                say(f"fetching {count} Debian {'package' if count == '1' else 'packages'}, {need['size']}")

        code, lines = self._apt("install", "--download-only", "--yes", *packages, heard=heard)
        if code:
            raise failure(
                ", ".join(packages), f"apt-get install of {self.suite} for {self.architecture}", lines,
                self.folder.parent, remedy="Try again later, or name another mirror: --mirror URL",
            )  # fmt: skip
        return [(path, _item(path)) for path in sorted(archives.glob("*.deb"))]

    def _apt(self, *words: str, heard: Say = silent) -> tuple[int, list[str]]:
        return run_tool(["apt-get", "-c", str(self.folder / "apt.conf"), *words], heard=heard)

    def _source(self) -> str:
        options = [f"arch={self.architecture}", "target=Packages", "lang=none"]
        if "BEGIN PGP" in self.mirror.signed_by:
            key = self.folder / "mirror.asc"
            key.write_text(self.mirror.signed_by, encoding="utf-8")
            options.append(f"signed-by={key}")
        elif self.mirror.signed_by:
            options.append(f"signed-by={','.join(self.mirror.signed_by.replace(',', ' ').split())}")
        return f"deb [{' '.join(options)}] {self.mirror.uri} {self.suite} main\n"

    def _configuration(self) -> str:
        place = self.folder
        return f"""\
#clear APT::Architectures;
#clear APT::Update;
#clear APT::Default-Release;
APT::Architecture "{self.architecture}";
APT::Architectures {{ "{self.architecture}"; }};
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State "{place}";
Dir::State::lists "{place}/lists";
Dir::State::status "{place}/status";
Dir::State::extended_states "{place}/extended_states";
Dir::Cache "{place}/cache";
Dir::Log "{place}";
Dir::Etc::sourcelist "{place}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


def _item(path: Path) -> Item:
    """What a package file is, by its name: NAME_VERSION_ARCHITECTURE.deb, colons written %3a."""
    name, version, _ = path.stem.split("_", 2)
    return Item(name=name, version=unquote(version), file=path.name, sha256=sha256(path))
