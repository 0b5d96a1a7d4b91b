"""The Python script as a device runs it: a process of its own, a folder that was copied there."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import tiny_config, tiny_weights
from support.lowrank import WIDTH, factors, model, weights, write_peft
from support.receipts import digits_bundle, recurrent_bundle

import edgec
from edgec.bundle import Bundle, sha256_of
from edgec.runtimes.device import program
from edgec.runtimes.device.ed25519 import new_key
from edgec.runtimes.device.script import python


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A folder with the script, a key and two bundles, `digits` and `cell`."""
    folder = tmp_path_factory.mktemp("device")
    (folder / "edgec_runner.py").write_text(python(), encoding="utf-8")
    new_key(folder / "device.pem")
    digits_bundle(digits, folder / "digits")
    recurrent_bundle(folder / "cell")
    return folder


@pytest.fixture
def place(device: Path, tmp_path: Path) -> Path:
    """A copy of it of one's own."""
    return Path(shutil.copytree(device, tmp_path / "device"))


def answer(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script says there."""
    script = next(
        folder / "edgec_runner.py" for folder in (place, *place.parents) if (folder / "edgec_runner.py").exists()
    )
    command = [sys.executable, str(script), *words]
    kept = {name: value for name, value in os.environ.items() if name != "EDGEC_SIGNING_KEY"}
    return subprocess.run(command, cwd=place, capture_output=True, text=True, env={**kept, **environment}, check=False)


def said(file: Path) -> dict[str, Any]:
    """The statement in a receipt."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(file.read_text())["payload"]))
    return found


@pytest.mark.parametrize(("name", "steps"), [("digits", 1), ("cell", 6)])
def test_a_bundle_is_replayed_and_signed_for(place: Path, name: str, steps: int) -> None:
    words = ["--key", "device.pem", "--runs", "12", "--nonce", "n-1", "--device", "bench", "-o", "r.json"]
    done = answer(place, name, *words)
    assert (done.returncode, done.stdout) == (0, "")
    bundle = Bundle.open(place / name)
    receipt = said(place / "r.json")
    assert receipt["subject"] == [{"name": name, "digest": {"sha256": sha256_of(place / name / "manifest.json")}}]
    found = receipt["predicate"]
    assert (found["nonce"], found["device"]["name"], found["device"]["emulated"]) == ("n-1", "bench", "")
    assert found["golden"]["steps"] == steps
    names = sorted(each["name"] for each in bundle.manifest["outputs"])
    assert sorted(each["name"] for each in found["golden"]["outputs"]) == names
    assert all(each["exact"] for each in found["golden"]["outputs"])
    assert (len(found["latency"]["ns"]), found["latency"]["threads"], found["latency"]["warmup"]) == (12, 1, 5)
    assert min(found["latency"]["ns"]) > 0 < found["load_ns"]
    assert found["latency"]["computing_ns"] > 0
    assert found["runtime"]["providers"] == ["CPUExecutionProvider"]
    assert {each["provider"] for each in found["placement"]["nodes"]} == {"CPUExecutionProvider"}
    assert {each["op"] for each in found["placement"]["nodes"]} & {
        "QLinearConv",
        "QGemm",
        "Gemm",
        "MatMulIntegerToFloat",
    }
    lines = done.stderr.splitlines()
    assert sorted(lines[:-2]) == [f"edgec runner: {each}: bit-identical to golden" for each in names]
    assert lines[-2].startswith("edgec runner: 12 runs, one thread: median ")
    assert lines[-1] == "edgec runner: wrote r.json"


def test_a_decoder_is_replayed_with_its_cache(place: Path, tmp_path: Path) -> None:
    """A prompt, then tokens one by one; keys and values are carried in int8, none of them at first."""
    pytest.importorskip("tokenizers")
    config = tiny_config()
    write_checkpoint(tmp_path / "tiny", config, tiny_weights(config))
    (tmp_path / "text.txt").write_text(" ".join(f"w{3 + 7 * index % 58}" for index in range(120)), encoding="utf-8")
    how = {"scheme": "w8", "kv_cache": "int8", "calibration": tmp_path / "text.txt"}
    bundle = edgec.compile(tmp_path / "tiny", output=place / "decoder", cache=False, prove=False, **how)
    assert len(bundle.manifest["state"]) == 4
    done = answer(place, "decoder", "--key", "device.pem", "--runs", "10")
    assert done.returncode == 0, done.stderr
    golden = said(place / "receipt.json")["predicate"]["golden"]
    assert golden["steps"] > 1
    assert [(each["name"], each["exact"]) for each in golden["outputs"]] == [
        (each["name"], True) for each in bundle.manifest["outputs"]
    ]


def test_every_adapter_is_replayed(place: Path, tmp_path: Path) -> None:
    folders = {name: write_peft(tmp_path / name, factors({"proj": 4}, seed, 0.1)) for seed, name in enumerate("ab", 1)}
    samples = [{"x": np.random.default_rng(3).standard_normal((5, WIDTH)).astype(np.float32)}]
    bundle = edgec.compile(
        model(weights()), scheme="w4", calibration=samples, adapters=folders, output=place / "tuned", cache=False,
        prove=False,
    )  # fmt: skip
    done = answer(place, "tuned", "--key", "device.pem", "--runs", "10")
    assert done.returncode == 0, done.stderr
    golden = said(place / "receipt.json")["predicate"]["golden"]
    outputs = [{"name": "y", "exact": True, "sqnr_db": None, "nonfinite": 0}]
    assert golden == {"steps": 1, "outputs": outputs, "adapters": {"a": outputs, "b": outputs}}
    # One that answers as the other does is found.
    file = bundle.path / "manifest.json"
    text = file.read_text()
    a, b = (bundle.path / "adapters" / f"{name}.onnx_adapter" for name in "ab")
    text = text.replace(sha256_of(a), sha256_of(b))
    shutil.copy(b, a)
    file.write_text(text)
    assert answer(place, "tuned", "--key", "device.pem", "--runs", "10").returncode == 0
    swapped = said(place / "receipt.json")["predicate"]["golden"]["adapters"]
    assert (swapped["a"][0]["exact"], swapped["b"][0]["exact"]) == (False, True)


def test_a_key_is_made_there_and_in_the_environment_it_does_too(place: Path) -> None:
    done = answer(place, "--new-key", "own.pem")
    assert (done.returncode, done.stderr) == (0, "edgec runner: wrote own.pem and own.pem.pub\n")
    done = answer(place, "digits", "--runs", "10", EDGEC_SIGNING_KEY=(place / "own.pem").read_text())
    assert done.returncode == 0, done.stderr
    keyid = json.loads((place / "receipt.json").read_text())["signatures"][0]["keyid"]
    assert answer(place, "digits", "--runs", "10", "--key", "own.pem", "-o", "b.json").returncode == 0
    assert json.loads((place / "b.json").read_text())["signatures"][0]["keyid"] == keyid


def flipped(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def listed(at: Path, changes: dict[str, Any]) -> None:
    """Other entries of a manifest's files; None takes one out."""
    file = at / "manifest.json"
    manifest = json.loads(file.read_text())
    files = manifest["additional_metadata"]["edgec"]["files"]
    manifest["additional_metadata"]["edgec"]["files"] = {
        name: entry for name, entry in {**files, **changes}.items() if entry is not None
    }
    file.write_text(json.dumps(manifest))


REFUSED = {
    "model": (
        lambda at: flipped(at / "model.onnx"),
        "model.onnx does not have the sha256 of manifest.json: it was changed",
    ),
    "golden": (
        lambda at: flipped(at / "golden" / "outputs.npz"),
        "golden/outputs.npz does not have the sha256 of manifest.json: it was changed",
    ),
    "missing": (lambda at: (at / "recipe.lock").unlink(), "recipe.lock is listed in manifest.json, but missing"),
    "manifest": (
        lambda at: (at / "manifest.json").write_text("{}"),
        "{place}/digits/manifest.json is not a bundle's manifest",
    ),
    "no manifest": (
        lambda at: (at / "manifest.json").unlink(),
        "{place}/digits is no bundle: manifest.json: No such file or directory",
    ),
    "outside": (
        lambda at: listed(at, {"../x": {"sha256": ""}}),
        "manifest.json lists '../x', which is not inside the bundle",
    ),
    "absolute": (
        lambda at: listed(at, {"/etc/hostname": {"sha256": ""}}),
        "manifest.json lists '/etc/hostname', which is not inside the bundle",
    ),
    "no golden": (
        lambda at: listed(at, {"golden/inputs.npz": None}),
        "manifest.json does not list golden/inputs.npz, which is to be run",
    ),
    "another in it": (
        lambda at: shutil.copytree(at.parent / "cell", at / "cell"),
        "cell/NOTICE.txt is not listed in manifest.json: remove it, or copy the bundle anew",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bundle_that_was_changed_is_refused(place: Path, name: str) -> None:
    change, problem = REFUSED[name]
    change(place / "digits")
    done = answer(place, "digits", "--key", "device.pem")
    assert (done.returncode, done.stderr) == (2, f"edgec runner: error: {problem.format(place=place)}\n")
    assert not (place / "receipt.json").exists()


def test_a_provider_that_is_not_there_is_refused(place: Path) -> None:
    file = place / "digits" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["additional_metadata"]["edgec"]["target"]["providers"] = ["QNNExecutionProvider", "CPUExecutionProvider"]
    file.write_text(json.dumps(manifest))
    done = answer(place, "digits", "--key", "device.pem")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "edgec runner: error: its target runs on QNNExecutionProvider, this ONNX Runtime has "
    )


def test_a_file_that_is_no_model_is_refused(place: Path) -> None:
    (place / "digits" / "model.onnx").write_bytes(b"no model")
    file = place / "digits" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["additional_metadata"]["edgec"]["files"]["model.onnx"]["sha256"] = sha256_of(
        place / "digits" / "model.onnx"
    )
    file.write_text(json.dumps(manifest))
    done = answer(place, "digits", "--key", "device.pem")
    assert done.returncode == 2
    assert done.stderr.startswith("edgec runner: error: ONNX Runtime ")
    assert "cannot run it: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "no --key is given, and $EDGEC_SIGNING_KEY is not set: make one with --new-key"),
        (["--key", "none.pem"], "none.pem cannot be read: No such file or directory"),
        (["--key", "device.pem.pub"], "device.pem.pub is no unencrypted private key in PEM"),
        (["--key", "image.pem"], "image.pem is no unencrypted private key in PEM"),
        (["--new-key", "device.pem"], "device.pem: File exists"),
        (["--key", "device.pem", "--runs", "10", "-o", "no/r.json"], "no/r.json: No such file or directory"),
    ],
)
def test_what_a_person_there_can_mend(place: Path, words: list[str], problem: str) -> None:
    (place / "image.pem").write_bytes(bytes(range(256)))
    done = answer(place, "digits", *words)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"edgec runner: error: {problem}")


def test_half_a_key_is_never_made(place: Path) -> None:
    (place / "new.pem.pub").write_text("another's")
    done = answer(place, "--new-key", "new.pem")
    assert (done.returncode, done.stderr) == (2, "edgec runner: error: new.pem.pub: File exists\n")
    assert not (place / "new.pem").exists()


def test_a_receipt_that_is_there_is_replaced_whole(place: Path) -> None:
    (place / "receipt.json").write_text("of yesterday")
    (place / "digits" / "inside").mkdir()
    done = answer(place / "digits" / "inside", "..", "--key", "../../device.pem", "-o", "../../receipt.json")
    assert done.returncode == 0, done.stderr
    assert said(place / "receipt.json")["subject"][0]["name"] == "digits"
    assert not list(place.glob(".receipt*"))


def test_interrupted_it_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "statement", interrupted)
    words = [str(place / "digits"), "--key", str(place / "device.pem"), "-o", str(place / "receipt.json")]
    assert program.by_hand(words) == 130
    assert capsys.readouterr().err == "edgec runner: interrupted\n"
    assert not list(place.glob("*receipt.json*"))


def test_no_bundle_is_a_matter_of_usage(place: Path) -> None:
    done = answer(place)
    assert done.returncode == 2
    assert done.stderr.endswith("error: name a bundle, or make a key with --new-key\n")
    for option, problem in (
        ("--threads=-1", "-1 is below 0"),
        ("--runs=0", "0 is below 1"),
        ("--runs=x", "x is no whole number"),
    ):
        done = answer(place, "digits", option)
        assert done.returncode == 2
        assert done.stderr.endswith(f"error: argument {option.partition('=')[0]}: {problem}\n")
