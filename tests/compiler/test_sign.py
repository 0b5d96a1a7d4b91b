"""Signed bundles: every byte counts, and whose key it was."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from support.classifier import CLASSES, classifier, images, save_npz

import edgec
from edgec.bundle import SIGNATURE, Bundle
from edgec.compiler.sign import sign, verify
from edgec.compiler.signing.keys import SIGNING_KEY, fingerprint, new_key, private_key, public_key, public_raw
from edgec.errors import BundleError, EdgecError, MissingExtraError, OptionError, OutputError

FLIPS = 250

pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A proved and signed bundle, `key.pem` and `key.pem.pub`."""
    folder = tmp_path_factory.mktemp("signed")
    save_npz(folder / "calib.npz", image=images())
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=np.arange(6) % CLASSES)
    bundle = edgec.compile(
        classifier(), calibration=folder / "calib.npz", evaluation=folder / "eval.npz", output=folder / "out"
    )
    new_key(folder / "key.pem")
    sign(bundle, folder / "key.pem")
    return folder


@pytest.fixture
def signed(made: Path, tmp_path: Path) -> Path:
    """A copy of the signed bundle."""
    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path / "out"


def files_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_it_verifies(made: Path, signed: Path) -> None:
    own = fingerprint(public_raw(public_key(made / "key.pem.pub")))
    found = verify(signed, made / "key.pem.pub")
    assert (found.payload_key, found.proof_key, found.trusted) == (own, own, True)
    assert verify(signed).trusted is False
    assert Bundle.open(signed).run({"image": images()[:1]}).keys()
    assert public_raw(public_key(made / "key.pem")) == public_raw(public_key(made / "key.pem.pub"))


def test_signing_again_gives_the_same_bytes(made: Path, signed: Path) -> None:
    """Ed25519 is deterministic (RFC 8032)."""
    before = (signed / SIGNATURE).read_bytes()
    sign(signed, made / "key.pem")
    assert (signed / SIGNATURE).read_bytes() == before


def test_any_byte_that_is_flipped_is_found(signed: Path) -> None:
    """Whichever file: of the payload, of the proof, a signature."""
    draw = random.Random(11)
    files = [file for file in files_of(signed) if file.stat().st_size]
    assert {file.name for file in files} >= {"model.onnx", "manifest.json", "verdict.json", SIGNATURE, "recipe.lock"}
    for number in range(FLIPS):
        file = files[number % len(files)]
        raw = file.read_bytes()
        place, bits = draw.randrange(len(raw)), draw.randrange(1, 256)
        file.write_bytes(raw[:place] + bytes([raw[place] ^ bits]) + raw[place + 1 :])
        with pytest.raises(BundleError):
            verify(signed)
        file.write_bytes(raw)
    verify(signed)


def test_every_byte_of_the_signatures(signed: Path) -> None:
    for file in (signed / SIGNATURE, signed / "proof" / SIGNATURE):
        raw = file.read_bytes()
        for place in range(len(raw)):
            file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
            with pytest.raises(BundleError):
                verify(signed)
        for other in (raw + b"\n", raw[:-1], b"", b"[]\n", raw.replace(b"\n", b" ")):
            file.write_bytes(other)
            with pytest.raises(BundleError):
                verify(signed)
        file.write_bytes(raw)


@pytest.mark.parametrize("name", ["extra.bin", "golden/extra.npz", "proof/extra.json"])
def test_a_file_that_is_added(signed: Path, name: str) -> None:
    (signed / name).write_bytes(b"")
    with pytest.raises(BundleError):
        verify(signed)


@pytest.mark.parametrize("name", ["model.onnx", "golden/inputs.npz", "proof/verdict.json"])
def test_a_file_that_is_gone(signed: Path, name: str) -> None:
    (signed / name).unlink()
    with pytest.raises(BundleError, match="missing"):
        verify(signed)


def test_a_proof_of_another_payload(made: Path, signed: Path, tmp_path: Path) -> None:
    """Signed by the same key, and so is the payload: they do not belong together."""
    other = edgec.compile(classifier(), scheme="w8", output=tmp_path / "other", prove=False)
    shutil.copytree(signed / "proof", other.proof, dirs_exist_ok=True)
    proof = (other.proof / SIGNATURE).read_bytes()
    sign(other, made / "key.pem")
    (other.proof / SIGNATURE).write_bytes(proof)
    with pytest.raises(BundleError) as caught:
        verify(other)
    assert str(caught.value) == (
        f"{other.proof / SIGNATURE}: is the signature of another bundle. Do not use it: it was altered."
    )


def test_a_proof_made_after_signing(signed: Path) -> None:
    (signed / "proof" / "verdict.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError) as caught:
        verify(signed)
    assert str(caught.value) == (
        f"{signed}/proof/verdict.json: was altered after the proof was signed. Prove it again, and sign that."
    )


def test_another_key(made: Path, signed: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "mine.pem")
    theirs, mine = (fingerprint(public_raw(public_key(path))) for path in (made / "key.pem", tmp_path / "mine.pem"))
    with pytest.raises(BundleError) as caught:
        verify(signed, tmp_path / "mine.pem.pub")
    assert str(caught.value) == (
        f"{signed / SIGNATURE}: is by another key: {theirs}, where {mine} is needed. "
        "Do not trust it, or give the key that signed."
    )


def test_unsigned(made: Path, signed: Path) -> None:
    for file in (signed / SIGNATURE, signed / "proof" / SIGNATURE):
        file.unlink()
    assert verify(signed).payload_key is None
    with pytest.raises(BundleError) as caught:
        verify(signed, made / "key.pem.pub")
    assert str(caught.value) == f"{signed}: has no signature of its payload. Sign it: edgec sign."


def test_an_altered_bundle_is_not_signed(made: Path, signed: Path) -> None:
    (signed / "recipe.lock").write_text("{}", encoding="utf-8")
    before = (signed / SIGNATURE).read_bytes()
    with pytest.raises(BundleError, match="does not have the sha256"):
        sign(signed, made / "key.pem")
    assert (signed / SIGNATURE).read_bytes() == before


def test_the_key_of_the_environment(made: Path, signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, (made / "key.pem").read_text(encoding="utf-8"))
    assert public_raw(private_key(None).public_key()) == public_raw(public_key(made / "key.pem"))
    assert sign(signed).payload_key == verify(signed).payload_key


MAKE = "Make one with `edgec sign --new-key FILE`, or openssl genpkey -algorithm ed25519"


def _other_algorithm() -> bytes:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = generate_private_key(SECP256R1())
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def _encrypted() -> bytes:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, secret = Ed25519PrivateKey.generate(), form.BestAvailableEncryption(b"secret")
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, secret)


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (lambda: b"no key", "is no private key in PEM"),
        (_other_algorithm, "is no Ed25519 key but ECPrivateKey"),
        (_encrypted, "is encrypted"),
    ],
)
def test_keys_that_cannot_sign(tmp_path: Path, pem: object, problem: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem())  # type: ignore[operator]
    with pytest.raises(OptionError) as caught:
        private_key(file)
    assert str(caught.value) == f"{file}: {problem}. {MAKE}."


def test_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIGNING_KEY, raising=False)
    with pytest.raises(OptionError) as caught:
        private_key(None)
    assert str(caught.value) == f"--key: is not given, and $EDGEC_SIGNING_KEY is not set. {MAKE}."
    with pytest.raises(OptionError) as caught:
        private_key(tmp_path / "none.pem")
    assert str(caught.value) == f"{tmp_path / 'none.pem'}: cannot be read: No such file or directory. {MAKE}."
    (tmp_path / "public.pem").write_bytes(b"no key")
    with pytest.raises(OptionError) as caught:
        public_key(tmp_path / "public.pem")
    assert str(caught.value) == (
        f"{tmp_path / 'public.pem'}: is no public key in PEM. "
        "Give the file that `edgec sign --new-key` wrote beside the key."
    )


def test_no_key_is_replaced(tmp_path: Path) -> None:
    new_key(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(OutputError) as caught:
        new_key(tmp_path / "key.pem")
    assert str(caught.value) == f"{tmp_path / 'key.pem'}: exists. Name another file: no key is ever replaced."
    assert (tmp_path / "key.pem").read_bytes() == before
    if sys.platform != "win32":
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_without_the_extra(made: Path, signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    line = "needs the package 'cryptography', which is not installed. Install it with: pip install \"edgec[sign]\""
    for attempt, where in (
        (lambda: sign(signed, made / "key.pem"), made / "key.pem"),
        (lambda: verify(signed), signed / SIGNATURE),
    ):
        with pytest.raises(MissingExtraError) as caught:
            attempt()
        assert str(caught.value) == f"{where}: {line}"


def test_an_unsigned_bundle_needs_no_extra(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (signed / SIGNATURE, signed / "proof" / SIGNATURE):
        file.unlink()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert verify(signed).payload_key is None


def test_refusals_leave_the_bundle(signed: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in files_of(signed)}
    with pytest.raises(EdgecError):
        sign(signed, tmp_path / "none.pem")
    assert {file: file.read_bytes() for file in files_of(signed)} == before
