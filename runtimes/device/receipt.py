"""A device's answer: its bundle checked byte by byte, replayed and timed; what came of it, signed.

A receipt is an in-toto statement (https://in-toto.io/Statement/v1) about the payload's digest, in a DSSE envelope
(secure-systems-lab/dsse 1.0.2): the bytes that were signed stand in it, so that no two programs need to agree on how
JSON is spelled. It tells what was measured; the verdict is `edgec check`'s.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import platform
import re
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..runner import RefusedError, fresh_peak, hello, kernel_events, open_session, options, peak_bytes
from .ed25519 import fingerprint, public_of, sign
from .golden import replayed, steps_of

__all__ = ["Asked", "checked_payload", "signed", "statement", "summary"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_FEWEST = 10  # runs, however long they take
_MEMORY_RUNS = 2


class Asked(NamedTuple):
    """What a receipt is asked to show.

    Attributes:
        device: What the device is called; "" takes its host name.
        nonce: A word of whoever asks, which makes the answer one to this very question; "" where nobody gave one.
        threads: Intra-op threads; 0 is ONNX Runtime's choice.
        warmup: Runs before those that are timed.
        runs: Timed runs; fewer when `seconds` have passed, at least ten.
        seconds: For all timed runs together.
        emulated: What emulates the processor; "" where it is real.
    """

    device: str = ""
    nonce: str = ""
    threads: int = 1
    warmup: int = 5
    runs: int = 100
    seconds: float = 10.0
    emulated: str = ""


def checked_payload(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest of a bundle whose every file has the sha256 that it lists, and the digest of the manifest.

    Raises:
        RefusedError: It is no bundle, or a file is missing, altered or not listed.
    """
    try:
        raw = (folder / "manifest.json").read_bytes()
        values = json.loads(raw)
        manifest = values["additional_metadata"]["edgec"] if "additional_metadata" in values else values
        listed = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
    except OSError as error:
        raise RefusedError("bundle", f"{folder} is no bundle: manifest.json: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError("bundle", f"{folder / 'manifest.json'} is not a bundle's manifest") from error
    for name, digest in listed.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise RefusedError("bundle", f"manifest.json lists {name!r}, which is not inside the bundle")
        if not (folder / name).is_file():
            raise RefusedError("bundle", f"{name} is listed in manifest.json, but missing")
        if _sha256(folder / name) != digest:
            raise RefusedError("bundle", f"{name} does not have the sha256 of manifest.json: it was changed")
    return manifest, hashlib.sha256(raw).hexdigest()


def statement(folder: Path, asked: Asked) -> dict[str, Any]:
    """What this device shows of a bundle.

    Raises:
        RefusedError: The bundle was changed, this ONNX Runtime lacks what its target needs, or cannot run it.
    """
    manifest, digest = checked_payload(folder)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": folder.name, "digest": {"sha256": digest}}],
        "predicateType": "urn:edgec:receipt:1",
        "predicate": {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "nonce": asked.nonce,
            **_measured(folder, manifest, asked),
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


def _measured(folder: Path, manifest: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """What this device shows of a bundle."""
    here = hello()
    if "error" in here:
        raise RefusedError(here["error"], f"onnxruntime cannot be imported: {here['message']}")
    wanted, absent = _providers(manifest, here)
    if absent:
        there = ", ".join(here["providers"])
        raise RefusedError("provider", f"its target runs on {absent[0]}, this ONNX Runtime has {there}")
    config = dict(manifest["session_options"])
    feeds, expected = (steps_of(folder / "golden" / f"{name}.npz") for name in ("inputs", "outputs"))
    model = str(folder / str(manifest["model"]))
    before = fresh_peak()
    try:
        started = time.perf_counter_ns()
        session, _ = open_session(model, options(threads=asked.threads, config=config), wanted)
        load = time.perf_counter_ns() - started
        for _ in range(_MEMORY_RUNS):
            session.run(None, feeds[0])
        peak = peak_bytes()
        latency = _timed(session, feeds[0], asked)
        names = [value.name for value in session.get_outputs()]
        golden = replayed(
            lambda given: dict(zip(names, session.run(None, given), strict=True)), feeds, expected, manifest["state"]
        )
        used = session.get_providers()
        if used[: len(wanted)] != manifest["target"]["providers"]:
            raise RefusedError("provider", f"ONNX Runtime opened it with {', '.join(used)}")
        placement = _placement(model, config, wanted, feeds[0])
    except RefusedError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base
        raise RefusedError("run", f"ONNX Runtime {here['onnxruntime']} cannot run it: {error}") from error
    return {
        "device": {
            "name": asked.device or platform.node(),
            "system": here["system"],
            "machine": here["machine"],
            "processor": _processor(),
            "cores": os.cpu_count(),
            "features": here["features"],
            "emulated": asked.emulated,
        },
        "runtime": {
            "language": f"Python {here['python']}",
            "library": "onnxruntime",
            "onnxruntime": here["onnxruntime"],
            "providers": used,
        },
        "model": str(manifest["model"]),
        "golden": {"steps": len(feeds), "outputs": golden},
        "load_ns": load,
        "latency": latency,
        "memory": None if before is None or peak is None else {"before": before, "peak": peak, "runs": _MEMORY_RUNS},
        "placement": placement,
    }


def _providers(manifest: dict[str, Any], here: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """The providers of the bundle's target with their options, and those that are not here."""
    chosen = manifest.get("provider_options", {})
    names = [str(name) for name in manifest["target"]["providers"]]
    wanted = [(name, dict(chosen[name])) if name in chosen else name for name in names]
    return wanted, [name for name in names if name not in here["providers"]]


def _timed(session: Any, feeds: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Nanoseconds of every timed run; with one thread, also what the processor computed meanwhile."""
    for _ in range(asked.warmup):
        session.run(None, feeds)
    taken: list[int] = []
    began, computed = time.perf_counter(), time.thread_time_ns()
    while len(taken) < asked.runs and (len(taken) < _FEWEST or time.perf_counter() - began < asked.seconds):
        started = time.perf_counter_ns()
        session.run(None, feeds)
        taken.append(time.perf_counter_ns() - started)
    computed = time.thread_time_ns() - computed
    alone = computed if asked.threads == 1 else None
    return {"threads": asked.threads, "warmup": asked.warmup, "ns": taken, "computing_ns": alone}


def _placement(model: str, config: dict[str, str], wanted: list[Any], feeds: dict[str, Any]) -> dict[str, Any]:
    """Which provider ran each node, of the profile of one run."""
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        made = options(config=config)
        made.enable_profiling = True
        made.profile_file_prefix = str(Path(folder) / "profile")
        session, _ = open_session(model, made, wanted)
        session.run(None, feeds)
        events = kernel_events(session)
    nodes = {
        event["name"].rpartition("_kernel_time")[0]: (event["args"]["op_name"], event["args"]["provider"])
        for event in events
    }
    return {
        "evidence": "profile of one run",
        "nodes": [{"name": name, "op": op, "provider": provider} for name, (op, provider) in nodes.items()],
    }


def _processor() -> str:
    """What the system calls its processor or its board; "" where it does not tell."""
    for file, pattern in (("/proc/device-tree/model", r"(.+)"), ("/proc/cpuinfo", r"(?m)^model name\s*:\s*(.+)$")):
        try:
            found = re.search(pattern, Path(file).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found is not None:
            return found[1].strip("\0 \n")
    return platform.processor()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
