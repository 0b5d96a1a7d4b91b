"""A device's answer, signed.

A receipt is an in-toto statement (https://in-toto.io/Statement/v1) about the payload's digest, in a DSSE envelope
(secure-systems-lab/dsse 1.0.2): the bytes that were signed stand in it, so that no two programs need to agree on how
JSON is spelled. It tells what was measured; the verdict is `edgec check`'s.
"""

from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Any

from .ed25519 import fingerprint, public_of, sign
from .measured import Asked, measured
from .payload import checked_payload

__all__ = ["signed", "statement", "summary"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def statement(folder: Path, asked: Asked) -> dict[str, Any]:
    """What this device shows of a bundle.

    Raises:
        RefusedError: The bundle was changed, this ONNX Runtime lacks what its target needs, or cannot run it.
    """
    manifest, digest = checked_payload(folder)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": folder.resolve().name, "digest": {"sha256": digest}}],
        "predicateType": "urn:edgec:receipt:1",
        "predicate": {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "nonce": asked.nonce,
            **measured(folder, manifest, asked),
        },
    }


def signed(said: dict[str, Any], seed: bytes) -> str:
    """A statement in its envelope, as a file holds it.

    DSSE signs the type and the bytes, each behind its length (protocol 1.0.2: PAE).
    """
    kind, body = PAYLOAD_TYPE.encode(), json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    signature = {
        "keyid": fingerprint(public_of(seed)),
        "sig": base64.b64encode(sign(seed, b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))).decode(),
    }
    values = {"payload": base64.b64encode(body).decode(), "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
    return json.dumps(values, indent=1) + "\n"


def summary(said: dict[str, Any]) -> list[str]:
    """What a person at the device wants to know of a statement."""
    golden, latency = (said["predicate"][name] for name in ("golden", "latency"))
    lines = []
    for each in golden["outputs"]:
        far = "differs" if each["sqnr_db"] is None else f"{each['sqnr_db']:.1f} dB from golden"
        lines.append(f"{each['name']}: {'bit-identical to golden' if each['exact'] else far}")
    median, most = (1e-6 * _quantile(sorted(latency["ns"]), share) for share in (0.5, 0.95))
    threads = {0: "as many threads as fit", 1: "one thread"}.get(latency["threads"], f"{latency['threads']} threads")
    return [*lines, f"{len(latency['ns'])} runs, {threads}: median {median:.4g} ms, 95% within {most:.4g} ms"]


def _quantile(taken: list[int], share: float) -> float:
    """Between the two neighbours, as numpy's percentile."""
    at = share * (len(taken) - 1)
    low, high = taken[math.floor(at)], taken[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))
