"""`edgec runner` and `edgec check --receipt`: from the script to the gate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.adb import plug_in
from support.receipts import said_of, write_receipt
from support.sshd import MACHINE, sshd

from edgec.bundle import Bundle
from edgec.runtimes.device.ed25519 import new_key, seed_of
from edgec.runtimes.device.script import javascript, python

pytest.importorskip("cryptography")
Edgec = Callable[..., Any]
FOREIGN = """
[model]
path = "model.onnx"
name = "faces"
[evaluation]
path = "eval.npz"
[contract]
p95 = "10ms"
[targets.raspberry-pi-5]
scheme = "w8"
"""


@pytest.fixture
def keys(folder: Path) -> Path:
    """`pi.pem` and its public half, in the folder."""
    new_key(folder / "pi.pem")
    return folder


def answered(folder: Path, bundle: Path, name: str = "r.json", **predicate: Any) -> Path:
    """A receipt of now."""
    import datetime

    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    said = said_of(Bundle.open(bundle), **{"date": now, **predicate})
    return write_receipt(folder / name, said, seed_of((folder / "pi.pem").read_text()))


@pytest.mark.parametrize(
    ("words", "text", "language"),
    [
        (["run.py"], python, "python"),
        (["run.mjs"], javascript, "javascript"),
        (["run", "--language", "javascript"], javascript, "javascript"),
        (["run.mjs", "--language", "python"], python, "python"),
    ],
)
def test_the_script_is_handed_out(
    folder: Path, edgec: Edgec, words: list[str], text: Callable[[], str], language: str
) -> None:
    answer = edgec("runner", "--write", *words)
    assert (answer.code, answer.out, answer.err) == (0, f"wrote {words[0]} ({language})\n", "")
    assert (folder / words[0]).read_text(encoding="utf-8") == text()


def test_a_bundle_answers_here_and_the_gate_takes_it(keys: Path, edgec: Edgec) -> None:
    answer = edgec("runner", "out", "--key", "pi.pem", "--runs", "10", "--nonce", "n-1", "--device", "bench")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "logits: bit-identical to golden"
    assert lines[1].startswith("10 runs, one thread: median ")
    assert lines[2:] == ["wrote receipt.json"]
    answer = edgec("check", "out", "--receipt", "receipt.json", "--key", "pi.pem.pub", "--nonce", "n-1")
    assert answer.code == 0, answer.err
    words = " ".join(answer.out.split())
    assert words.startswith("bundle verdict seconds folder out proved ")
    assert "Receipts device where golden median 95% threads load memory of key bench " in words


def test_as_json(keys: Path, edgec: Edgec) -> None:
    words = ["--key", "pi.pem", "--runs", "10", "--write", "r.py", "--format", "json"]
    values = json.loads(edgec("runner", "out", *words).out)
    assert (values["script"], values["language"], values["receipt"]) == ("r.py", "python", "receipt.json")
    assert values["statement"]["subject"][0]["digest"]["sha256"] == Bundle.open("out").digest
    answer = edgec("check", "out", "--receipt", "receipt.json", "--key", "pi.pem.pub", "--format", "json")
    (receipt,) = json.loads(answer.out)["receipts"]
    assert (receipt["digest"], receipt["golden"]["steps"]) == (Bundle.open("out").digest, 1)
    assert receipt["latency"]["runs"] == 10
    assert receipt["device"]["library"] == "onnxruntime"


def test_ssh_brings_a_receipt_signed_there(
    keys: Path, edgec: Edgec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEC_SIGNING_KEY", raising=False)
    with sshd(tmp_path, monkeypatch) as remote:
        (keys / "pi.pem").rename(remote / "pi.pem")  # the key never leaves that machine
        place = f"ssh:{MACHINE}:{sys.executable}"
        answer = edgec("runner", "out", "--on", place, "--key", str(remote / "pi.pem"), "--runs", "10", "-o", "pi.json")
        assert answer.code == 0, answer.err
        answer = edgec("runner", "out", "--on", place, "--key", "pi.pem")
        assert (answer.code, answer.err) == (
            2,
            f"edgec: error: runtime '{place}': pi.pem cannot be read: No such file or directory. "
            "Name with --key a file that lies there; edgec_runner.py --new-key makes one.\n",
        )
        answer = edgec("runner", "out", "--on", place)
        assert answer.err == (
            f"edgec: error: runtime '{place}': no --key is given, and $EDGEC_SIGNING_KEY is not set: make one with "
            "--new-key. Name with --key a file that lies there; edgec_runner.py --new-key makes one.\n"
        )
    assert edgec("check", "out", "--receipt", "pi.json", "--key", "pi.pem.pub").code == 0


def test_adb_brings_a_receipt_signed_there(
    keys: Path, edgec: Edgec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = plug_in(tmp_path, monkeypatch)
    phone.disk().mkdir(parents=True)
    (keys / "pi.pem").rename(phone.disk() / "pi.pem")
    key = str(phone.disk() / "pi.pem")
    answer = edgec("runner", "out", "--on", f"adb::{sys.executable}", "--key", key, "--runs", "10")
    assert answer.code == 0, answer.err
    assert edgec("check", "out", "--receipt", "receipt.json", "--key", "pi.pem.pub").code == 0
    phone.sees(A="unauthorized")
    answer = edgec("runner", "out", "--on", "adb:", "--key", "pi.pem")
    assert (answer.code, answer.err) == (
        3,
        "edgec: error: runtime 'adb:': is not available here: it has not authorized this machine: unlock its screen "
        "and allow USB debugging. See `edgec runtime list`.\n",
    )


def test_a_device_answers_what_this_machine_cannot_time(
    keys: Path, edgec: Edgec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project for another processor: nobody knows p95 until the device has answered."""

    def p95(*words: str) -> tuple[str, str]:
        values = json.loads(edgec("check", *words, "--format", "json").out)
        (found,) = [each for each in values["bundles"][0]["verdict"]["results"] if each["id"] == "p95"]
        return found["status"], found["reason"]

    monkeypatch.setenv("EDGEC_RUNTIMES", str(keys / "none"))
    (keys / "edgec.toml").write_text(FOREIGN, encoding="utf-8")
    assert edgec("build", "--no-cache", "--no-gate", "-q").code == 0
    bundle = keys / "build" / "faces" / "raspberry-pi-5"
    assert p95()[0] == "unknown"
    answered(keys, bundle)
    words = ["check", "--receipt", "r.json", "--key", "pi.pem.pub"]
    assert p95(*words[1:]) == ("met", "on pi")
    answer = edgec(*words, "--junit", "j.xml", "--markdown", "m.md")
    assert answer.code == 0, answer.out + answer.err
    assert ElementTree.parse(keys / "j.xml").getroot()[0].get("failures") == "0"
    slow = {"threads": 1, "warmup": 5, "ns": [20_000_000] * 20, "computing_ns": 400_000_000}
    answered(keys, bundle, latency=slow)
    answer = edgec(*words, "--junit", "j.xml", "--markdown", "m.md")
    assert answer.code == 18
    assert "p95 (20ms, limit 10ms)" in (keys / "m.md").read_text(encoding="utf-8")
    failed = [
        case.get("name")
        for case in ElementTree.parse(keys / "j.xml").iter("testcase")
        if len(case) and case[0].tag == "failure"
    ]
    assert failed == ["p95"]


def test_a_device_executes_what_this_machine_cannot(keys: Path, edgec: Edgec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contract that asks for execution: a receipt is that, here and beside what was checked."""
    monkeypatch.setenv("EDGEC_RUNTIMES", str(keys / "none"))
    (keys / "edgec.toml").write_text(FOREIGN.replace("[contract]", '[contract]\nproof = "executed"'), encoding="utf-8")
    # What is built for the device alone is no answer to whoever asks for execution here.
    cached = ("build", "--cache-dir", "cache", "-q")
    assert [edgec(*cached, *more).code for more in (["--no-gate"], ["-o", "again"], ["--no-gate"])] == [0, 3, 0]
    answer = edgec("check")
    assert answer.code == 3
    assert "the contract asks for proof by execution, which is not possible here" in answer.out + answer.err
    answered(keys, keys / "build" / "faces" / "raspberry-pi-5")
    answer = edgec("check", "--receipt", "r.json", "--key", "pi.pem.pub", "--format", "json")
    assert answer.code == 0, answer.out + answer.err
    verdict = json.loads(answer.out)["bundles"][0]["verdict"]
    assert verdict["word"] == "proved"


def test_the_three_refusals(keys: Path, edgec: Edgec) -> None:
    """A changed receipt, a stale one, one of another payload: exit code 2, and the reason."""
    file = answered(keys, keys / "out")
    words = ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub"]
    assert edgec(*words).code == 0
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b'"sig": "', b'"sig": "A', 1))
    answer = edgec(*words)
    assert (answer.code, answer.err) == (
        2,
        "edgec: error: r.json: is no receipt, or was changed. Name the file that edgec's runner wrote on the device.\n",
    )
    answered(keys, keys / "out", date="2020-01-01T00:00:00Z")
    answer = edgec(*words)
    assert answer.code == 2
    assert answer.err.startswith("edgec: error: r.json: is stale: of 2020-01-01 00:00 UTC, ")
    assert edgec(*words, "--nonce", "n").code == 2
    assert edgec(*words, "--max-age", "9999w").code == 0
    answered(keys, keys / "out")
    assert edgec("compile", "model.onnx", "--scheme", "w8", "-o", "other", "--no-prove", "-q").code == 0
    answer = edgec("check", "other", *words[2:])
    assert answer.code == 2
    assert answer.err.startswith("edgec: error: r.json: is stale: of the payload ")


def test_a_payload_that_was_changed_gives_no_receipt(keys: Path, edgec: Edgec) -> None:
    answered(keys, keys / "out")
    model = keys / "out" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    for words in (["runner", "out", "--key", "pi.pem"], ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub"]):
        answer = edgec(*words)
        assert (answer.code, answer.err) == (
            2, f"edgec: error: {model}: does not have the sha256 of the manifest. Compile the bundle again.\n",
        )  # fmt: skip


OPTIONS = {
    "nothing": (
        ["runner"], "BUNDLE: is missing. Name the bundle, or ask for the script with --write.",
    ),
    "language": (
        ["runner", "out", "--language", "python"], "--language: is given without a file. Name it with --write.",
    ),
    "no such language": (
        ["runner", "--write", "r", "--language", "cobol"],
        "--language cobol: is unknown. Choose one of python, javascript.",
    ),
    "nowhere": (
        ["runner", "--write", "no/r.py"], "no/r.py: cannot be written: No such file or directory. Name another file.",
    ),
    "no key": (
        ["check", "out", "--receipt", "r.json"],
        "--receipt: is given without a key: one that anybody may have signed shows nothing. "
        "Name the device's public key with --key.",
    ),
    "no receipt": (["check", "--nonce", "n"], "--nonce: is given without a receipt. Name it with --receipt."),
    "a bundle": (
        ["check", "out"],
        "out: is a bundle: there is no project to check it by. "
        "Name a device's --receipt, or measure it: edgec prove.",
    ),
    "among others": (
        ["check", "out", "edgec.toml", "--receipt", "r.json", "--key", "pi.pem.pub"],
        "out: is a bundle among others. Check one bundle, or projects.",
    ),
    "on": (
        ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub", "--on", "host"],
        "out: is a bundle: --baseline, --bundle, --on and --target are of projects. "
        "Leave them out, or name the project.",
    ),
    "an empty nonce": (
        ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub", "--nonce", ""],
        "--nonce: is empty. Give a word that nobody could know, or leave it out.",
    ),
    "an empty nonce there": (
        ["runner", "out", "--key", "pi.pem", "--nonce", " "],
        "--nonce: is empty. Give a word that nobody could know, or leave it out.",
    ),
    "no nonce of a receipt": (["check", "--nonce", ""], "--nonce: is given without a receipt. Name it with --receipt."),
    "no runs": (
        ["runner", "out", "--key", "pi.pem", "--runs", "0"], "--runs: 0 is not a positive number. Give at least 1.",
    ),
    "no age": (
        ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub", "--max-age", ""],
        "--max-age: '' is no span of time. Write it like 90m, 12h, 30d or 4w.",
    ),
    "age": (
        ["check", "out", "--receipt", "r.json", "--key", "pi.pem.pub", "--max-age", "soon"],
        "--max-age: 'soon' is no span of time. Write it like 90m, 12h, 30d or 4w.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_be_meant(keys: Path, edgec: Edgec, name: str) -> None:
    answered(keys, keys / "out")
    words, problem = OPTIONS[name]
    answer = edgec(*words)
    assert (answer.code, answer.err) == (2, f"edgec: error: {problem}\n")
