"""Which receipts are taken, and every way in which one is refused."""

from __future__ import annotations

import base64
import datetime
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.receipts import NOW, digits_bundle, said_of, write_receipt

from edgec.bundle import Bundle
from edgec.compiler.receipts.trust import Trust, age, check_subject, trusted_receipt
from edgec.compiler.signing.keys import fingerprint, public_key, public_raw
from edgec.errors import OptionError, ReceiptError
from edgec.runtimes.device.ed25519 import new_key, seed_of, sign

pytest.importorskip("cryptography")
DAY = datetime.timedelta(days=1)
AGAIN = "Do not trust it: have the device answer again."


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Bundle:
    return digits_bundle(digits, tmp_path_factory.mktemp("bundle") / "digits")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pi.pem`, `other.pem` and their public halves."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("pi.pem", "other.pem"):
        new_key(folder / name)
    return folder


@pytest.fixture
def trust(keys: Path) -> Trust:
    return Trust(keys=(keys / "pi.pem.pub",), max_age=30 * DAY, now=NOW)


@pytest.fixture
def receipt(bundle: Bundle, keys: Path, tmp_path: Path) -> Path:
    return write_receipt(tmp_path / "r.json", said_of(bundle), seed(keys))


def seed(keys: Path, name: str = "pi.pem") -> bytes:
    return seed_of((keys / name).read_text())


def refusal(file: Path, trust: Trust) -> str:
    with pytest.raises(ReceiptError) as caught:
        trusted_receipt(file, trust)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_receipt_is_read(receipt: Path, bundle: Bundle, trust: Trust) -> None:
    found = trusted_receipt(receipt, trust)
    assert (found.digest, found.date, found.nonce, found.steps) == (bundle.digest, NOW, "", 1)
    assert (found.load_seconds, found.timings.threads, found.timings.seconds[0]) == (0.05, 1, 0.001)
    assert found.memory is not None
    assert found.memory.added == 8_000_000
    assert [kernel.op_type for kernel in found.kernels] == ["QLinearConv"]
    key = fingerprint(public_raw(public_key(trust.keys[0])))
    assert str(found) == (
        f"{receipt}: pi (Raspberry Pi 5, aarch64, Linux 6.12), onnxruntime 1.31.1 in Python 3.13.5, "
        f"of 2026-11-22 12:00 UTC, key {key}"
    )
    assert check_subject(found, {"faces/pi": bundle}) == "faces/pi"


def test_any_byte_that_is_changed_is_found(receipt: Path, trust: Trust) -> None:
    raw, draw = receipt.read_bytes(), random.Random(5)
    places = {*range(40), *range(len(raw) - 220, len(raw)), *(draw.randrange(len(raw)) for _ in range(150))}
    for place in places:
        receipt.write_bytes(raw[:place] + bytes([raw[place] ^ draw.randrange(1, 256)]) + raw[place + 1 :])
        refusal(receipt, trust)
    for other in (raw + b"\n", raw[:-1], b"", b"[]\n", raw.replace(b"\n", b" "), b"\xff", b"{}\n"):
        receipt.write_bytes(other)
        assert refusal(receipt, trust) == (
            f"{receipt}: is no receipt, or was changed. Name the file that edgec's runner wrote on the device."
        )
    receipt.write_bytes(raw)
    trusted_receipt(receipt, trust)


def pae(kind: str, body: bytes) -> bytes:
    """DSSE protocol 1.0.2: "DSSEv1", both lengths in decimal, a space between all of it."""
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(body)).encode(), body])


def test_the_envelope_is_that_of_dsse(receipt: Path, keys: Path) -> None:
    """As the protocol says it, its own example first; read without a line of ours."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    values = json.loads(receipt.read_text())
    (signature,) = values["signatures"]
    body = base64.b64decode(values["payload"])
    public_key(keys / "pi.pem.pub").verify(base64.b64decode(signature["sig"]), pae(values["payloadType"], body))
    statement = json.loads(body)
    assert (values["payloadType"], statement["_type"]) == (
        "application/vnd.in-toto+json", "https://in-toto.io/Statement/v1",
    )  # fmt: skip


def test_a_statement_that_was_changed(receipt: Path, trust: Trust) -> None:
    """The whole file is spelled as it must be; a second of latency became a millisecond."""
    values = json.loads(receipt.read_text())
    body = base64.b64decode(values["payload"]).replace(b"1000000,", b"1000,", 1)
    values["payload"] = base64.b64encode(body).decode()
    receipt.write_text(json.dumps(values, indent=1) + "\n")
    assert refusal(receipt, trust) == f"{receipt}: was changed after it was signed. {AGAIN}"


def test_another_key(bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path) -> None:
    file = write_receipt(tmp_path / "r.json", said_of(bundle), seed(keys, "other.pem"))
    theirs, mine = (fingerprint(public_raw(public_key(keys / f"{name}.pem.pub"))) for name in ("other", "pi"))
    assert refusal(file, trust) == (
        f"{file}: is by key {theirs}, where {mine} is trusted. Do not trust it, or give the key that signed with --key."
    )
    both = replace(trust, keys=(*trust.keys, keys / "other.pem.pub"))
    assert trusted_receipt(file, both).key == theirs
    # Under the name of a key that is trusted, the signature does not hold.
    values = json.loads(file.read_text())
    values["signatures"][0]["keyid"] = mine
    file.write_text(json.dumps(values, indent=1) + "\n")
    assert refusal(file, trust) == f"{file}: was changed after it was signed. {AGAIN}"


def test_a_receipt_of_another_type_of_payload_does_not_hold(receipt: Path, trust: Trust) -> None:
    receipt.write_text(receipt.read_text().replace("application/vnd.in-toto+json", "application/json"))
    assert "is no receipt, or was changed" in refusal(receipt, trust)


@pytest.mark.parametrize(
    ("date", "problem"),
    [
        (
            NOW - 31 * DAY,
            "is stale: of 2026-10-22 12:00 UTC, 31 days ago, where 30 days are allowed. "
            "Run it again on the device, or allow more with --max-age.",
        ),
        (
            NOW + datetime.timedelta(hours=3),
            "is of 2026-11-22 15:00 UTC, 3 hours from now. "
            "Set the device's clock, or ask it with --nonce, which needs none.",
        ),
    ],
)
def test_a_date_that_is_not_now(
    bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path, date: datetime.datetime, problem: str
) -> None:
    said = said_of(bundle, date=f"{date:%Y-%m-%dT%H:%M:%SZ}")
    file = write_receipt(tmp_path / "r.json", said, seed(keys))
    assert refusal(file, trust) == f"{file}: {problem}"
    # A nonce needs no clock: a device without a battery may think it is 1970.
    answered = write_receipt(
        tmp_path / "n.json", {**said, "predicate": {**said["predicate"], "nonce": "n"}}, seed(keys)
    )
    assert trusted_receipt(answered, replace(trust, nonce="n", max_age=None)).date == date


@pytest.mark.parametrize("ago", [DAY * 29, -datetime.timedelta(minutes=4), datetime.timedelta()])
def test_a_date_that_will_do(bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path, ago: datetime.timedelta) -> None:
    said = said_of(bundle, date=f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}")
    assert trusted_receipt(write_receipt(tmp_path / "r.json", said, seed(keys)), trust).date == NOW - ago


@pytest.mark.parametrize(("answered", "found"), [("", "answers no nonce"), ("n-1", "answers 'n-1'")])
def test_another_question(bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path, answered: str, found: str) -> None:
    file = write_receipt(tmp_path / "r.json", said_of(bundle, nonce=answered), seed(keys))
    assert refusal(file, replace(trust, nonce="n-2")) == (
        f"{file}: {found}, where 'n-2' was asked. Run it again on the device, with --nonce n-2."
    )


def test_another_payload(bundle: Bundle, receipt: Path, trust: Trust, digits: Path, tmp_path: Path) -> None:
    other = digits_bundle(digits, tmp_path / "other", scheme="w8")
    found = trusted_receipt(receipt, trust)
    with pytest.raises(ReceiptError) as caught:
        check_subject(found, {"faces/pi": other})
    assert str(caught.value) == (
        f"{receipt}: is stale: of the payload {bundle.digest[:12]}, which no bundle here has: "
        f"faces/pi is {other.digest[:12]}. Copy the bundle to the device, and run it again."
    )
    with pytest.raises(ReceiptError, match="which no bundle here has: there is none"):
        check_subject(found, {})


def test_other_providers(bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path) -> None:
    runtime = {**said_of(bundle)["predicate"]["runtime"], "providers": ["XnnpackExecutionProvider"]}
    file = write_receipt(tmp_path / "r.json", said_of(bundle, runtime=runtime), seed(keys))
    with pytest.raises(ReceiptError) as caught:
        check_subject(trusted_receipt(file, trust), {"digits": bundle})
    assert str(caught.value) == (
        f"{file}: was run on XnnpackExecutionProvider, where digits is for CPUExecutionProvider. {AGAIN}"
    )


def without(said: dict[str, Any], name: str) -> dict[str, Any]:
    del said["predicate"][name]
    return said


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda said: said | {"predicateType": "urn:other"}, "it is 'urn:other', not 'urn:edgec:receipt:1'"),
        (lambda said: without(said, "golden"), "lacks 'golden'"),
        (lambda said: without(said, "latency"), "lacks 'latency'"),
        (lambda said: said["predicate"]["latency"].update(ns=[]) or said, "it was not run"),
        (lambda said: said["predicate"]["golden"].update(outputs=[]) or said, "it was not run"),
        (lambda said: said["predicate"].update(load_ns=-1) or said, "it was not run"),
        (lambda said: said["predicate"]["latency"].update(ns=[1, -1]) or said, "it was not run"),
        (
            lambda said: said["predicate"].update(date="yesterday") or said,
            "time data 'yesterday' does not match format '%Y-%m-%dT%H:%M:%SZ'",
        ),
    ],
)
def test_a_statement_of_another_kind(
    bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path, change: Any, problem: str
) -> None:
    file = write_receipt(tmp_path / "r.json", change(said_of(bundle)), seed(keys))
    assert refusal(file, trust) == f"{file}: is no receipt that this edgec reads: {problem}. {AGAIN}"


@pytest.mark.parametrize(
    ("was", "text", "problem"),
    [
        ('"load_ns": 50000000', '"load_ns": NaN', "NaN is no number"),
        ('"load_ns": 50000000', '"load_ns": 1e999', "cannot convert float infinity to integer"),
        ('"load_ns": 50000000', f'"load_ns": 1{"0" * 400}', "int too large to convert to float"),
        ('"sqnr_db": null', '"sqnr_db": NaN', "NaN is no number"),
        ('"sqnr_db": null', '"sqnr_db": Infinity', "Infinity is no number"),
        ('"sqnr_db": null', '"sqnr_db": 1e999', "sqnr_db inf is no number"),
        ('"nonfinite": 0', '"nonfinite": NaN', "NaN is no number"),
    ],
)
def test_a_number_that_is_none(
    bundle: Bundle, keys: Path, trust: Trust, tmp_path: Path, was: str, text: str, problem: str
) -> None:
    """Whatever signed it: NaN is below every limit and above none."""
    body = json.dumps(said_of(bundle)).replace(was, text).encode()
    assert text in body.decode()
    receipt = write_receipt(tmp_path / "r.json", {}, seed(keys))
    values = json.loads(receipt.read_text())
    values["payload"] = base64.b64encode(body).decode()
    values["signatures"][0]["sig"] = base64.b64encode(
        sign(seed(keys), pae("application/vnd.in-toto+json", body))
    ).decode()
    receipt.write_text(json.dumps(values, indent=1) + "\n")
    assert refusal(receipt, trust) == f"{receipt}: is no receipt that this edgec reads: {problem}. {AGAIN}"


def test_a_file_too_deep_or_too_long_is_no_receipt(trust: Trust, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(b"[" * 100_000)
    problem = f"{file}: is no receipt, or was changed. Name the file that edgec's runner wrote on the device."
    assert refusal(file, trust) == problem
    with file.open("wb") as stream:
        stream.truncate(1 << 33)  # takes no place on the disk, and would none in memory
    assert refusal(file, trust) == problem


def test_a_file_that_is_not_there(trust: Trust, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json", trust) == (
        f"{tmp_path / 'none.json'}: cannot be read: No such file or directory. Name the file that the device wrote."
    )


def test_trust_without_a_key_or_without_a_limit_is_none(keys: Path) -> None:
    with pytest.raises(ValueError, match="keys: none is given"):
        Trust(keys=(), max_age=DAY)
    with pytest.raises(ValueError, match="max_age: None needs a nonce"):
        Trust(keys=(keys / "pi.pem.pub",))


@pytest.mark.parametrize(
    ("text", "span"), [("90m", DAY / 16), ("12h", DAY / 2), ("30d", 30 * DAY), ("4w", 28 * DAY), (" 1d ", DAY)]
)
def test_ages(text: str, span: datetime.timedelta) -> None:
    assert age(text, where="--max-age") == span


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "1.5d", "-1d", "30D", "999999d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        age(text, where="--max-age")
    assert str(caught.value) == f"--max-age: {text!r} is no span of time. Write it like 90m, 12h, 30d or 4w."
