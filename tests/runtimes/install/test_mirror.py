from __future__ import annotations

from pathlib import Path

import pytest

from edgec.errors import InstallError
from edgec.runtimes.install.mirror import Mirror, debian_mirror
from edgec.runtimes.install.sources import AptSource

SECURITY = AptSource(uri="http://s/security", suites=("trixie-security",), components=("main",), signed_by="/s.gpg")
EXTRA = AptSource(uri="http://e/node", suites=("nodistro",), components=("main",), signed_by="/node.gpg")
DISC = AptSource(uri="cdrom:[Debian]/", suites=("bookworm",), components=("main",))
DEBIAN = AptSource(
    uri="http://m/debian", suites=("bookworm", "bookworm-updates"), components=("main",), signed_by="/d.gpg"
)
NO_KEY = AptSource(uri="http://n/debian", suites=("sid",), components=("contrib", "main"))
UBUNTU = AptSource(uri="http://u/ubuntu", suites=("noble",), components=("main",), signed_by="/u.gpg")


@pytest.fixture(autouse=True)
def _no_mirror_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEC_DEBIAN_MIRROR", raising=False)


def test_it_is_the_one_this_machine_takes_debian_from() -> None:
    found = debian_mirror(sources=(SECURITY, EXTRA, DISC, DEBIAN, NO_KEY), keyrings=())
    assert found == Mirror(uri="http://m/debian", signed_by="/d.gpg")


def test_debians_own_keyring_vouches_where_the_source_names_no_key(tmp_path: Path) -> None:
    keyring = tmp_path / "debian.gpg"
    keyring.touch()
    assert debian_mirror(sources=(NO_KEY,), keyrings=(tmp_path / "no", keyring)).signed_by == str(keyring)
    assert debian_mirror(sources=(NO_KEY,), keyrings=()).signed_by == ""  # apt's own keys


def test_a_mirror_that_is_named_wins_and_must_be_signed_by_debian(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keyring = tmp_path / "debian.gpg"
    keyring.touch()
    assert debian_mirror("http://mine", sources=(UBUNTU,), keyrings=(keyring,)) == Mirror(
        uri="http://mine", signed_by=str(keyring)
    )
    monkeypatch.setenv("EDGEC_DEBIAN_MIRROR", "http://env")
    assert debian_mirror(sources=(DEBIAN,), keyrings=(keyring,)) == Mirror(uri="http://env", signed_by="/d.gpg")
    assert debian_mirror("http://mine", sources=(), keyrings=()).uri == "http://mine"


def test_no_debian_and_no_mirror_is_said() -> None:
    with pytest.raises(InstallError) as raised:
        debian_mirror(sources=(UBUNTU, SECURITY, DISC), keyrings=())
    assert str(raised.value) == (
        "Debian's packages: this machine's apt names no mirror of Debian. Emulators and the interpreters they run come "
        "from there. Name a mirror: --mirror URL, or EDGEC_DEBIAN_MIRROR=URL."
    )
