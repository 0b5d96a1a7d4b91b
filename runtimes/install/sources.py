"""Reads apt's lists of sources, in both forms apt knows (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["AptSource", "parse_deb822", "parse_one_line", "read_sources"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AptSource:
    """One archive as a machine's administrator named it.

    Attributes:
        uri: Where it is.
        suites: Releases taken from it.
        components: Areas of these releases.
        signed_by: Keyring files or fingerprints, or the ASCII-armoured key itself; "" trusts the machine's keys.
        file: Where this is written.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    file: Path = field(default_factory=Path)


_OPTIONS = re.compile(r"^\[(?P<options>[^\]]*)\]\s*(?P<rest>.*)$")


def parse_one_line(text: str, file: Path) -> Iterator[AptSource]:
    """Sources of a `.list`: ``deb [signed-by=KEYS] URI SUITE COMPONENT...``, one a line."""
    for line in text.splitlines():
        kind, rest = [*line.partition("#")[0].split(maxsplit=1), "", ""][:2]
        if kind != "deb":
            continue
        found = _OPTIONS.match(rest.strip())
        pairs = (word.partition("=") for word in found["options"].split()) if found else ()
        options = {name.lower(): value for name, _, value in pairs}
        words = (found["rest"] if found else rest).split()
        if len(words) >= 2:
            uri, suite, *components = words
            yield AptSource(
                uri=uri,
                suites=(suite,),
                components=tuple(components),
                signed_by=options.get("signed-by", ""),
                file=file,
            )


def parse_deb822(text: str, file: Path) -> Iterator[AptSource]:
    """Sources of a `.sources`: stanzas of ``Field: value``; lines that start with a blank continue a value."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line.strip()
                continue
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "off", "0", "without", "disable"}
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            yield AptSource(
                uri=uri,
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=_key(fields.get("signed-by", "")),
                file=file,
            )


def _key(value: str) -> str:
    """An embedded key with its empty lines, which deb822 writes as a dot; anything else as it is."""
    if "BEGIN PGP" not in value:
        return value
    return "\n".join("" if line == "." else line for line in value.strip().splitlines()) + "\n"


def read_sources(etc: Path = Path("/etc/apt")) -> tuple[AptSource, ...]:
    """The machine's sources, in apt's order; files that cannot be read are passed over, as apt's other users do."""
    folder = etc / "sources.list.d"
    parts = sorted(folder.iterdir()) if folder.is_dir() else []
    found: list[AptSource] = []
    for file in (etc / "sources.list", *parts):
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found += parse_deb822(text, file) if file.suffix == ".sources" else parse_one_line(text, file)
    return tuple(found)
