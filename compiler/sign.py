"""Sign a bundle and verify it: payload and proof apart, since a proof is of one day and one machine.

`signature.json` covers the manifest, which binds every file of the payload; `proof/signature.json` covers every file
of the proof and the payload it is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..bundle import SIGNATURE, Bundle, sha256_of
from ..errors import BundleError, OutputError
from .signing.keys import fingerprint, need_cryptography, private_key, public_key, public_raw
from .signing.record import Record, read_record, write_record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["Verified", "sign", "verify"]

_ALTERED = "Do not use it: it was altered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A bundle whose every byte is what it was.

    Attributes:
        bundle: The bundle.
        payload_key, proof_key: Fingerprint of the key that signed; None where nobody did.
        trusted: The keys were compared with one that was given.
    """

    bundle: Bundle
    payload_key: str | None
    proof_key: str | None
    trusted: bool

    def to_json(self) -> dict[str, object]:
        """The facts as JSON values."""
        return {
            "bundle": str(self.bundle.path),
            "digest": self.bundle.digest,
            "payload_key": self.payload_key,
            "proof_key": self.proof_key,
            "trusted": self.trusted,
        }


def sign(bundle: str | Path | Bundle, key: Path | None = None) -> Verified:
    """Sign payload and proof; earlier signatures are replaced.

    Args:
        bundle: The bundle, which is verified first.
        key: A PEM file of an Ed25519 key; None takes the environment's EDGEC_SIGNING_KEY.

    Raises:
        BundleError: The payload is not what its manifest says.
        OptionError: There is no such key.
        OutputError: The bundle cannot be written to.
        MissingExtraError: `cryptography` is not installed.
    """
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    signer = private_key(key)
    opened.verify()
    try:
        write_record(opened.path / SIGNATURE, "payload", {"manifest": opened.digest}, signer)
        if proof := _digests_of_proof(opened):
            write_record(opened.proof / SIGNATURE, "proof", {"manifest": opened.digest, "files": proof}, signer)
    except OSError as error:
        raise OutputError(
            str(opened.path), f"cannot be written: {error.strerror}", remedy="Correct the permissions, or copy it"
        ) from error
    return _verified(opened, None)


def verify(bundle: str | Path | Bundle, key: Path | None = None) -> Verified:
    """Check every byte of a bundle: the payload against its manifest, both against their signatures.

    Args:
        bundle: The bundle.
        key: A PEM file of the public key that must have signed; None takes any key's word, and none's.

    Raises:
        BundleError: A file is missing, altered or added; or it is not signed by that key.
        OptionError: There is no such key.
        MissingExtraError: It is signed, and `cryptography` is not installed.
    """
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    return _verified(opened, None if key is None else public_key(key))


def _verified(bundle: Bundle, key: Ed25519PublicKey | None) -> Verified:
    payload = _record(bundle.path / SIGNATURE, "payload", bundle, key)
    bundle.verify()
    proved = bundle.proof.is_dir() and any(bundle.proof.iterdir())
    proof = _record(bundle.proof / SIGNATURE, "proof", bundle, key) if proved else None
    if proof is not None:
        _compare_proof(bundle, proof)
    return Verified(
        bundle=bundle,
        payload_key=None if payload is None else fingerprint(payload.public_key),
        proof_key=None if proof is None else fingerprint(proof.public_key),
        trusted=key is not None,
    )


def _record(file: Path, kind: str, bundle: Bundle, key: Ed25519PublicKey | None) -> Record | None:
    """The signature in a file, of this bundle and by this key.

    Raises:
        BundleError: It is not.
    """
    if not file.is_file():
        if key is None:
            return None
        raise BundleError(str(bundle.path), f"has no signature of its {kind}", remedy="Sign it: edgec sign")
    need_cryptography(str(file))
    record = read_record(file, kind)
    if record.signed.get("manifest") != bundle.digest:
        raise BundleError(str(file), "is the signature of another bundle", remedy=_ALTERED)
    if key is not None and record.public_key != public_raw(key):
        raise BundleError(
            str(file),
            f"is by another key: {fingerprint(record.public_key)}, where {fingerprint(public_raw(key))} is needed",
            remedy="Do not trust it, or give the key that signed",
        )
    return record


def _compare_proof(bundle: Bundle, record: Record) -> None:
    found, listed = _digests_of_proof(bundle), record.signed.get("files")
    if found == listed:
        return
    known = listed if isinstance(listed, dict) else {}
    name = next(name for name in sorted({*found, *known}) if found.get(name) != known.get(name))
    problem = "is missing" if name not in found else "was added" if name not in known else "was altered"
    raise BundleError(
        str(bundle.proof / name), f"{problem} after the proof was signed", remedy="Prove it again, and sign that"
    )


def _digests_of_proof(bundle: Bundle) -> dict[str, str]:
    """sha256 of every file of the proof but its signature, by name."""
    files = sorted(file for file in bundle.proof.rglob("*") if file.is_file())
    digests = {file.relative_to(bundle.proof).as_posix(): sha256_of(file) for file in files}
    digests.pop(SIGNATURE, None)
    return digests
