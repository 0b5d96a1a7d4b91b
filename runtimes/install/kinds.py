"""What a component is, and the ways it is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Component", "DebianPackages", "NpmPackages", "Source", "Terms", "Wheels"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianPackages:
    """Packages of a Debian suite with all they depend on, of which some files are kept.

    Attributes:
        suite: Debian's name of the release.
        architecture: Debian's name of the processor; "" is this machine's.
        packages: What is asked for.
        keep: Shell patterns of the files that stay, from the root; a pattern that ends in / is a whole folder.
        drop: Those among them that go all the same.
    """

    suite: str
    architecture: str
    packages: tuple[str, ...]
    keep: tuple[str, ...]
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheels:
    """Binary wheels for another processor, without what they depend on.

    Attributes:
        requirements: As pip reads them.
        platforms: Platform tags the place can run, best first.
        python: Version of its interpreter.
    """

    requirements: tuple[str, ...]
    platforms: tuple[str, ...]
    python: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NpmPackages:
    """Packages of npm's registry, without what they depend on.

    Attributes:
        packages: Name and version of each.
        keep: Shell patterns of the files that stay, NAME/PATH.
    """

    packages: tuple[tuple[str, str], ...]
    keep: tuple[str, ...]


Source: TypeAlias = DebianPackages | Wheels | NpmPackages


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """A licence of a vendor's own, which the user accepts before anything under it is fetched.

    Attributes:
        key: What the user writes to accept it.
        title: Its name.
        gist: What a user must know of it first; no substitute for reading it.
        file: Where its text lies in the component's folder.
    """

    key: str
    title: str
    gist: str
    file: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A folder of the home.

    Attributes:
        name: Of the folder.
        about: What is in it.
        licence: Its licences by their SPDX names.
        source: Where it comes from.
        fetched_bytes: What is downloaded, about.
        kept_bytes: What remains on disk, about.
        terms: A licence that must be accepted; None where those named are free ones.
    """

    name: str
    about: str
    licence: str
    source: Source
    fetched_bytes: int
    kept_bytes: int
    terms: Terms | None = None
