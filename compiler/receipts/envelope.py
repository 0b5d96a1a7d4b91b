"""The envelope of a receipt (DSSE 1.0.2): whose signature holds for which bytes.

A receipt has one spelling only. Whatever byte of its file is changed, it is another's, or none.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ...errors import ReceiptError
from ..signing.keys import fingerprint, public_raw

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["AGAIN", "open_envelope"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
AGAIN = "Do not trust it: have the device answer again"
_MOST = 1 << 26  # bytes: hundreds of thousands of nodes and runs


def open_envelope(file: Path, keys: Sequence[Ed25519PublicKey]) -> tuple[bytes, str]:
    """The bytes that one of the keys signed, and that key's fingerprint.

    Raises:
        ReceiptError: It is no receipt, was changed, or is by another key.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST + 1)
    except OSError as error:
        raise ReceiptError(
            str(file), f"cannot be read: {error.strerror}", remedy="Name the file that the device wrote"
        ) from error
    body, signature, named = _parts(file, raw)
    by_print = {fingerprint(public_raw(key)): key for key in keys}
    if named not in by_print:
        raise ReceiptError(
            str(file),
            f"is by key {named}, where {' or '.join(by_print)} is trusted",
            remedy="Do not trust it, or give the key that signed with --key",
        )
    kind = PAYLOAD_TYPE.encode()
    try:
        by_print[named].verify(signature, b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))
    except InvalidSignature as error:
        raise ReceiptError(str(file), "was changed after it was signed", remedy=AGAIN) from error
    return body, named


def _parts(file: Path, raw: bytes) -> tuple[bytes, bytes, str]:
    """Body, signature and the name of the key, of a file in the one spelling."""
    if len(raw) > _MOST:
        _refuse(file)
    try:
        values = json.loads(raw)
        (signed,) = values["signatures"]
        body, signature = (base64.b64decode(text, validate=True) for text in (values["payload"], signed["sig"]))
        named = str(signed["keyid"])
    except (ValueError, KeyError, TypeError, RecursionError):
        _refuse(file)
    again = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": named, "sig": base64.b64encode(signature).decode()}],
    }
    if (json.dumps(again, indent=1) + "\n").encode() != raw:
        _refuse(file)
    return body, signature, named


def _refuse(file: Path) -> NoReturn:
    raise ReceiptError(
        str(file), "is no receipt, or was changed", remedy="Name the file that edgec's runner wrote on the device"
    )
