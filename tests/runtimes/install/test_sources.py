from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.runtimes.install.sources import AptSource, parse_deb822, parse_one_line, read_sources

FILE = Path("/etc/apt/some")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def source(uri: str, *suites: str, signed_by: str = "", components: tuple[str, ...] = ("main",)) -> AptSource:
    return AptSource(uri=uri, suites=suites, components=components, signed_by=signed_by, file=FILE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deb http://m/debian trixie main", [source("http://m/debian", "trixie")]),
        (
            f"deb [arch=amd64 Signed-By={KEYS}] http://m/debian trixie main contrib # ours",
            [source("http://m/debian", "trixie", signed_by=KEYS, components=("main", "contrib"))],
        ),
        (f"deb [ signed-by={KEYS} ] file:/srv/m trixie main", [source("file:/srv/m", "trixie", signed_by=KEYS)]),
        ("deb\thttp://m/debian\ttrixie\tmain", [source("http://m/debian", "trixie")]),
        ("# deb http://m/debian trixie main\n\ndeb-src http://m/debian trixie main\ndeb\n", []),
        ("deb http://m/flat ./", [source("http://m/flat", "./", components=())]),
    ],
)
def test_the_one_line_form(text: str, expected: list[AptSource]) -> None:
    assert list(parse_one_line(text, FILE)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"Types: deb\n# a comment\nURIs: http://m/debian\nSuites: trixie trixie-updates\nComponents: main\n"
            f"Signed-By: {KEYS}\n",
            [source("http://m/debian", "trixie", "trixie-updates", signed_by=KEYS)],
        ),
        (
            "types: deb deb-src\nuris: http://a\n  http://b\nsuites: trixie\ncomponents: main\n",
            [source("http://a", "trixie"), source("http://b", "trixie")],
        ),
        ("Enabled: no\nTypes: deb\nURIs: http://m\nSuites: trixie\nComponents: main\n", []),
        ("Types: deb-src\nURIs: http://m\nSuites: trixie\nComponents: main\n", []),
        (
            "Types: deb\nURIs: http://a\nSuites: s\nComponents: main\n \nTypes: deb\nURIs: http://b\nSuites: t\n",
            [source("http://a", "s"), source("http://b", "t", components=())],
        ),
        (
            "Types: deb\nURIs: http://m\nSuites: trixie\nComponents: main\n"
            "Signed-By:\n -----BEGIN PGP-----\n .\n abc\n",
            [source("http://m", "trixie", signed_by="-----BEGIN PGP-----\n\nabc\n")],
        ),
        ("", []),
    ],
)
def test_the_stanza_form(text: str, expected: list[AptSource]) -> None:
    assert list(parse_deb822(text, FILE)) == expected


words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-./", min_size=1, max_size=12)


@given(
    uri=words, suite=words, components=st.lists(words, max_size=3), key=st.one_of(st.just(""), words),
    blanks=st.sampled_from([" ", "  ", "\t"]),
)  # fmt: skip
def test_both_forms_say_the_same(uri: str, suite: str, components: list[str], key: str, blanks: str) -> None:
    option = f"[signed-by={key}]{blanks}" if key else ""
    line = f"deb {option}" + blanks.join([uri, suite, *components])
    stanza = (
        f"Types: deb\nURIs:{blanks}{uri}\nSuites: {suite}\nComponents:{blanks}{blanks.join(components)}\n"
        f"Signed-By: {key}\n"
    )
    expected = [source(uri, suite, signed_by=key, components=tuple(components))]
    assert list(parse_one_line(line, FILE)) == list(parse_deb822(stanza, FILE)) == expected


def test_a_machine_s_files_are_read_in_apts_order(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://first trixie main\n")
    (parts / "a.sources").write_text("Types: deb\nURIs: http://second\nSuites: trixie\nComponents: main\n")
    (parts / "b.list").write_text("deb http://third trixie main\n")
    (parts / "c.list.disabled").write_text("deb http://never trixie main\n")
    assert [each.uri for each in read_sources(tmp_path)] == ["http://first", "http://second", "http://third"]
    assert [each.file.name for each in read_sources(tmp_path)] == ["sources.list", "a.sources", "b.list"]


def test_a_machine_without_apt_has_none(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "nothing") == ()
