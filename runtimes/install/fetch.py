"""Fills a component's folder from where it comes."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .component import Component, DebianPackages, NpmPackages, Wheels
from .debian import Archive, need_apt
from .mirror import Mirror, debian_mirror
from .npm import fetch_packages
from .record import Item
from .say import Say
from .unpack import complete, unpack
from .wheels import fetch_wheels

__all__ = ["Fetch", "Network"]

_DEBIAN_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


class Fetch(Protocol):
    """Whoever brings components."""

    def __call__(self, component: Component, into: Path, say: Say) -> list[Item]:
        """Fill an empty folder.

        Args:
            component: What to bring.
            into: Where to.
            say: Told what is going on.

        Returns:
            What was fetched.
        """
        ...


@dataclass(kw_only=True, slots=True)
class Network:
    """Brings components from a Debian mirror, pip's index and npm's registry; each index of Debian once.

    Attributes:
        work: Scratch folder, on the disk that the components go to.
        mirror: Debian mirror; None takes the machine's own.
    """

    work: Path
    mirror: str | None = None
    _mirror: Mirror | None = None
    _archives: dict[tuple[str, str], Archive] = field(default_factory=dict)

    def __call__(self, component: Component, into: Path, say: Say) -> list[Item]:
        match component.source:
            case Wheels() as source:
                return fetch_wheels(source, into, say)
            case NpmPackages() as source:
                return fetch_packages(source, into, say)
            case DebianPackages() as source:
                found = self._archive(source, say).download(source.packages, say)
                for package, _ in found:
                    unpack(package, into, source)
                complete(into)
                return [item for _, item in found]

    def _archive(self, source: DebianPackages, say: Say) -> Archive:
        architecture = source.architecture or _DEBIAN_NAMES[platform.machine()]
        key = (source.suite, architecture)
        if key not in self._archives:
            need_apt()
            self._mirror = self._mirror or debian_mirror(self.mirror)
            say(f"reading the index of Debian {source.suite} for {architecture}, 10 MB")
            folder = self.work / f"{source.suite}-{architecture}"
            folder.mkdir()
            archive = Archive(folder=folder, mirror=self._mirror, suite=source.suite, architecture=architecture)
            archive.update()
            self._archives[key] = archive
        return self._archives[key]
