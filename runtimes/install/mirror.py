"""Which Debian mirror to ask, and by which keys its answers are known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import InstallError
from .sources import AptSource, read_sources

__all__ = ["MIRROR_VARIABLE", "Mirror", "debian_mirror"]

MIRROR_VARIABLE = "EDGEC_DEBIAN_MIRROR"

_NUMBERED = ("buster", "bullseye", "bookworm", "trixie", "forky", "duke")
_SUITES = {*_NUMBERED, "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"}
# Where the package debian-archive-keyring puts its keys, newest name first.
_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """An archive of Debian.

    Attributes:
        uri: Where it is.
        signed_by: As `AptSource.signed_by`.
    """

    uri: str
    signed_by: str


def debian_mirror(
    named: str | None = None, *, sources: Iterable[AptSource] | None = None, keyrings: Iterable[Path] = _KEYRINGS
) -> Mirror:
    """The mirror named, or that `EDGEC_DEBIAN_MIRROR` names, else the one this machine's own apt takes Debian from.

    Args:
        named: Its address, as apt's sources write it.
        sources: The machine's apt sources; None reads them.
        keyrings: Debian's own keys, where they are installed: they vouch for a mirror that is named.

    Raises:
        InstallError: None is named and apt knows none.
    """
    known = [
        source
        for source in (read_sources() if sources is None else sources)
        if "main" in source.components and _SUITES.intersection(source.suites) and not source.uri.startswith("cdrom:")
    ]
    key = next((source.signed_by for source in known if source.signed_by), "")
    key = key or next((str(path) for path in keyrings if path.is_file()), "")
    named = named or os.environ.get(MIRROR_VARIABLE)
    if named:
        return Mirror(uri=named, signed_by=key)
    if not known:
        raise InstallError(
            "Debian's packages",
            "this machine's apt names no mirror of Debian",
            affects="Emulators and the interpreters they run come from there",
            remedy=f"Name a mirror: --mirror URL, or {MIRROR_VARIABLE}=URL",
        )
    return Mirror(uri=known[0].uri, signed_by=known[0].signed_by or key)
