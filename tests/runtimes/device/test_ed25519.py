"""Ed25519 in plain Python: the vectors of RFC 8032, and `cryptography` on any other message."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.runtimes.device import ed25519

# RFC 8032, 7.1: secret key, public key, message, signature.
VECTORS = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_of_the_standard(name: str) -> None:
    secret, public, message, signature = map(bytes.fromhex, VECTORS[name])
    assert ed25519.public_of(secret) == public
    assert ed25519.sign_plainly(secret, message) == signature
    assert ed25519.sign(secret, message) == signature


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
@settings(max_examples=25, deadline=None)
def test_it_signs_as_cryptography_does(seed: bytes, message: bytes) -> None:
    keys = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    theirs = keys.Ed25519PrivateKey.from_private_bytes(seed)
    assert ed25519.public_of(seed) == theirs.public_key().public_bytes_raw()
    assert ed25519.sign_plainly(seed, message) == theirs.sign(message)


def test_without_cryptography_it_signs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = bytes(range(32))
    before = ed25519.sign(seed, b"m")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    assert ed25519.sign(seed, b"m") == before == ed25519.sign_plainly(seed, b"m")


def test_keys_of_edgec_sign_are_read(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from edgec.compiler.signing.keys import fingerprint, new_key, private_key, public_raw

    new_key(tmp_path / "key.pem")
    raw = public_raw(private_key(tmp_path / "key.pem").public_key())
    seed = ed25519.seed_of((tmp_path / "key.pem").read_text())
    assert ed25519.public_of(seed) == raw
    assert ed25519.fingerprint(raw) == fingerprint(raw)


def test_new_keys_are_read_by_edgec_sign(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from edgec.compiler.signing.keys import private_key, public_key, public_raw

    assert ed25519.new_key(tmp_path / "key.pem") == tmp_path / "key.pem.pub"
    assert public_raw(private_key(tmp_path / "key.pem").public_key()) == public_raw(
        public_key(tmp_path / "key.pem.pub")
    )
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(FileExistsError):
        ed25519.new_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


def test_keys_of_openssl_are_read(tmp_path: Path) -> None:
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "key.pem")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no openssl that makes such keys: {error}")
    assert len(ed25519.seed_of((tmp_path / "key.pem").read_text())) == 32


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        ("", "is no unencrypted private key in PEM"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
            "is no unencrypted private",
        ),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "is no unencrypted private key in PEM"),
        ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", "is no private key in PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is no Ed25519 key"),
    ],
)
def test_what_is_no_key(pem: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ed25519.seed_of(pem)
