"""The JavaScript twin under Node: its reading of arrays, its arithmetic, its answers, a stand-in as its library.

With the real libraries it runs in tests/targets/test_receipts.py.
"""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.node import NEEDS_NODE, library

from edgec.bundle import sha256_of
from edgec.runtimes.device import golden as python_golden
from edgec.runtimes.device import script
from edgec.runtimes.device.ed25519 import fingerprint, new_key, public_of, seed_of

pytestmark = NEEDS_NODE
PARTS = Path(script.__file__).parent
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def node(folder: Path, text: str) -> Any:
    """What a module prints as JSON."""
    file = folder / "test.mjs"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(["node", str(file)], capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def part(name: str) -> str:
    return json.dumps((PARTS / f"{name}.mjs").as_uri())


READ = """
import {{ stepsOf }} from {npz};
const shown = ({{ dtype, shape, data }}) => [dtype, shape, [...data].map(String)];
const steps = stepsOf({file});
console.log(JSON.stringify(steps.map((step) => [...step].map(([name, tensor]) => [name, ...shown(tensor)]))));
"""


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_wrote_them(tmp_path: Path, save: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"{name}@0": rng.integers(0, 100, (2, 3)).astype(name) for name in DTYPES}
    arrays |= {"scalar@1": np.array(7, np.int64), "none@1": np.zeros((0, 4), np.float32), "a@b@1": np.ones(5, np.int8)}
    save(tmp_path / "a.npz", **arrays)
    first, second = node(tmp_path, READ.format(npz=part("npz"), file=json.dumps(str(tmp_path / "a.npz"))))
    for name, dtype, shape, values in first:
        array = arrays[f"{name}@0"]
        assert (dtype, shape) == (name, [2, 3])
        assert [float(each) for each in values] == array.astype(np.float64).reshape(-1).tolist()
    assert {each[0]: each[1:] for each in second} == {
        "scalar": ["int64", [], ["7"]],
        "none": ["float32", [0, 4], []],
        "a@b": ["int8", [5], ["1"] * 5],
    }


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 3, 4, 5), (1, 1)])
def test_arrays_in_fortrans_order_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.asfortranarray(np.arange(math.prod(shape), dtype=np.int32).reshape(shape))
    np.savez(tmp_path / "a.npz", **{"x@0": array})
    ((found,),) = node(tmp_path, READ.format(npz=part("npz"), file=json.dumps(str(tmp_path / "a.npz"))))
    assert found == ["x", "int32", list(shape), [str(each) for each in range(array.size)]]


def test_texts_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"x@0": np.array([["a", ""], ["größer", "日本𝄞"]])})
    ((found,),) = node(tmp_path, READ.format(npz=part("npz"), file=json.dumps(str(tmp_path / "a.npz"))))
    assert found == ["x", "string", [2, 2], ["a", "", "größer", "日本𝄞"]]


def test_arrays_it_does_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"x@0": np.ones(2, np.complex64)})
    text = f"""
    import {{ stepsOf }} from {part("npz")};
    try {{
      stepsOf({json.dumps(str(tmp_path / "a.npz"))});
    }} catch (error) {{
      console.log(JSON.stringify(error.message));
    }}
    """
    assert node(tmp_path, text) == f"{tmp_path}/a.npz holds x@0 as <c8, which this script does not read"


APART = """
import {{ readFileSync }} from "node:fs";
import {{ replayed }} from {golden};
import {{ stepsOf }} from {npz};
const found = [];
const [golden, answers] = ["golden", "answer"].map((name) => stepsOf(`{folder}/${{name}}.npz`));
for (const [step, expected] of golden.entries()) {{
  found.push(await replayed(() => answers[step], [new Map()], [expected], {{}}));
  const once = [new Map([["h", expected.get("y")]])];
  found.push(await replayed(() => answers[step], once, [expected], {{ h: "y" }}));
}}
console.log(JSON.stringify(found));
"""


def test_distances_are_those_of_its_twin(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    golden, answers = [], []
    for dtype in (np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64):
        for noise in (0, 1e-3, 1):
            x = (10 * rng.standard_normal((3, 4))).astype(dtype)
            golden.append({"y": x})
            answers.append({"y": (x + noise * rng.standard_normal(x.shape)).astype(dtype)})
    odd = np.array([1, math.nan, math.inf, -2], np.float32)
    for other in (odd, np.array([1, 1, 1, math.nan], np.float32), np.zeros(4, np.float32), odd[:3]):
        golden += [{"y": odd}, {"y": np.zeros(other.shape, np.float32)}]
        answers += [{"y": other}] * 2
    for name, steps in (("golden", golden), ("answer", answers)):
        np.savez(tmp_path / f"{name}.npz", **{f"y@{step}": each["y"] for step, each in enumerate(steps)})
    found = node(tmp_path, APART.format(golden=part("golden"), npz=part("npz"), folder=tmp_path.as_posix()))
    twice = [(x, y, carried) for x, y in zip(golden, answers, strict=True) for carried in ({}, {"h": "y"})]
    for ours, (x, y, carried) in zip(found, twice, strict=True):
        theirs = python_golden.replayed(lambda _, y=y: y, [{"h": x["y"]}], [x], carried)
        near = [{**each, "sqnr_db": each["sqnr_db"] and pytest.approx(each["sqnr_db"], abs=1e-6)} for each in theirs]
        assert ours == near


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The script, a key, and a bundle of a model that answers what it is fed: two steps, the first one's answer fed
    to the second."""
    folder = tmp_path / "device"
    bundle = folder / "echo"
    (bundle / "golden").mkdir(parents=True)
    (folder / "edgec_runner.mjs").write_text(script.javascript(), encoding="utf-8")
    new_key(folder / "device.pem")
    x = np.array([3.0, 4.0], np.float32)
    np.savez(bundle / "golden" / "inputs.npz", **{"x@0": x, "x@1": x + 1})
    np.savez(bundle / "golden" / "outputs.npz", **{"y@0": x, "y@1": x})
    (bundle / "model.onnx").write_bytes(b"model")
    write_manifest(bundle)
    return folder


def write_manifest(bundle: Path, **changes: Any) -> None:
    names = ("model.onnx", "golden/inputs.npz", "golden/outputs.npz")
    manifest = {
        "model": "model.onnx",
        "files": {name: {"sha256": sha256_of(bundle / name)} for name in names},
        "target": {"providers": ["CPUExecutionProvider"]},
        "session_options": {},
        "state": {"x": "y"},
        **changes,
    }
    text = json.dumps({"additional_metadata": {"edgec": manifest}})
    (bundle / "manifest.json").write_text(text, encoding="utf-8")


def answer(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script says there."""
    kept = {name: value for name, value in os.environ.items() if name != "EDGEC_SIGNING_KEY"}
    return subprocess.run(
        ["node", "edgec_runner.mjs", *words],
        cwd=place, capture_output=True, text=True, encoding="utf-8", env={**kept, **environment}, check=False,
    )  # fmt: skip


PROFILE = """fs.writeSync(1, '{"cat" : "Node","name" :"echo_kernel_time","args" : '
 + '{"op_name" : "Identity","provider" : "CPUExecutionProvider"}},\\n');"""


def test_a_bundle_is_replayed_and_signed_for(place: Path) -> None:
    library(place, profile=PROFILE)
    done = answer(place, "echo", "--key", "device.pem", "--runs", "12", "--nonce", "n-1", "--device", "bench")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    values = json.loads((place / "receipt.json").read_text())
    said = json.loads(base64.b64decode(values["payload"]))
    assert said["subject"] == [{"name": "echo", "digest": {"sha256": sha256_of(place / "echo" / "manifest.json")}}]
    found = said["predicate"]
    assert (found["nonce"], found["device"]["name"]) == ("n-1", "bench")
    # The second step is fed with the first one's answer, not with what lies in the file.
    assert found["golden"] == {"steps": 2, "outputs": [{"name": "y", "exact": True, "sqnr_db": None, "nonfinite": 0}]}
    assert (len(found["latency"]["ns"]), found["latency"]["threads"]) == (12, 1)
    assert (found["runtime"]["library"], found["runtime"]["onnxruntime"]) == ("onnxruntime-web", "1.30.0")
    assert found["placement"]["nodes"] == [{"name": "echo", "op": "Identity", "provider": "CPUExecutionProvider"}]
    assert values["signatures"][0]["keyid"] == fingerprint(public_of(seed_of((place / "device.pem").read_text())))
    assert done.stderr.splitlines()[0] == "edgec runner: y: bit-identical to golden"
    assert done.stderr.splitlines()[1].startswith("edgec runner: 12 runs, one thread: median ")


def test_python_trusts_what_it_signs(place: Path) -> None:
    pytest.importorskip("cryptography")
    from edgec.compiler.receipts.trust import Trust, age, trusted_receipt

    library(place, profile=PROFILE)
    assert answer(place, "--new-key", "own.pem").returncode == 0
    done = answer(place, "echo", "--runs", "10", "-o", "ü.json", EDGEC_SIGNING_KEY=(place / "own.pem").read_text())
    assert done.returncode == 0, done.stderr
    trust = Trust(keys=(place / "own.pem.pub",), max_age=age("1d", where=""))
    receipt = trusted_receipt(place / "ü.json", trust)
    assert receipt.digest == sha256_of(place / "echo" / "manifest.json")
    assert answer(place, "--new-key", "own.pem").returncode == 2  # no key is ever replaced


def flipped(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def listed(at: Path, changes: dict[str, Any]) -> None:
    """Other entries of a manifest's files; None takes one out."""
    files = json.loads((at / "manifest.json").read_text())["additional_metadata"]["edgec"]["files"]
    write_manifest(at, files={name: entry for name, entry in {**files, **changes}.items() if entry is not None})


REFUSED = {
    "model": (
        lambda at: flipped(at / "model.onnx"),
        "model.onnx does not have the sha256 of manifest.json: it was changed",
    ),
    "golden": (
        lambda at: flipped(at / "golden" / "outputs.npz"),
        "golden/outputs.npz does not have the sha256 of manifest.json: it was changed",
    ),
    "missing": (lambda at: (at / "model.onnx").unlink(), "model.onnx is listed in manifest.json, but missing"),
    "manifest": (
        lambda at: (at / "manifest.json").write_text("{}"),
        "{place}/echo/manifest.json is not a bundle's manifest",
    ),
    "no manifest": (
        lambda at: (at / "manifest.json").unlink(),
        "{place}/echo is no bundle: manifest.json is missing",
    ),
    "outside": (
        lambda at: listed(at, {"../x": {"sha256": ""}}),
        "manifest.json lists '../x', which is not inside the bundle",
    ),
    "no golden": (
        lambda at: listed(at, {"golden/inputs.npz": None}),
        "manifest.json does not list golden/inputs.npz, which is to be run",
    ),
    "another in it": (
        lambda at: shutil.copytree(at, at.with_name("b")) and shutil.copytree(at.with_name("b"), at / "b"),
        "b/golden/inputs.npz is not listed in manifest.json: remove it, or copy the bundle anew",
    ),
    "provider": (
        lambda at: write_manifest(at, target={"providers": ["CoreMLExecutionProvider", "CPUExecutionProvider"]}),
        "its target runs on CoreMLExecutionProvider, this onnxruntime-web has wasm",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bundle_that_it_cannot_answer_for(place: Path, name: str) -> None:
    change, problem = REFUSED[name]
    library(place)
    change(place / "echo")
    done = answer(place, "echo", "--key", "device.pem")
    assert (done.returncode, done.stderr) == (2, f"edgec runner: error: {problem.format(place=place)}\n")
    assert not (place / "receipt.json").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "no --key is given, and $EDGEC_SIGNING_KEY is not set: make one with --new-key"),
        (["--key", "none.pem"], "ENOENT: no such file or directory, open 'none.pem'"),
        (["--key", "device.pem.pub"], "device.pem.pub is no unencrypted private key in PEM"),
        (["--key", "device.pem", "--threads", "2"], "onnxruntime-web runs on one thread, 2 are asked for"),
        (["--key", "device.pem", "--runs", "some"], "--runs some is no whole number from 1 on"),
        (["--key", "device.pem", "--runs", "0"], "--runs 0 is no whole number from 1 on"),
        (["--key", "device.pem", "--threads", "1.5"], "--threads 1.5 is no whole number from 0 on"),
        (["--key", "device.pem", "--seconds=-1"], "--seconds -1 is no number from 0 on"),
        (["--new-key", "device.pem"], "device.pem exists"),
    ],
)
def test_what_a_person_there_can_mend(place: Path, words: list[str], problem: str) -> None:
    library(place)
    done = answer(place, "echo", *words)
    assert (done.returncode, done.stderr) == (2, f"edgec runner: error: {problem}\n")


def test_a_model_it_cannot_run(place: Path) -> None:
    library(place, run="throw new Error('no such kernel');")
    done = answer(place, "echo", "--key", "device.pem")
    assert (done.returncode, done.stderr) == (
        2, "edgec runner: error: onnxruntime-web 1.30.0 cannot run it: no such kernel\n",
    )  # fmt: skip


def test_without_the_library(place: Path) -> None:
    done = answer(place, "echo", "--key", "device.pem")
    assert (done.returncode, done.stderr) == (
        2,
        "edgec runner: error: neither onnxruntime-node nor onnxruntime-web is installed: npm install onnxruntime-web\n",
    )


def test_the_library_may_lie_elsewhere(place: Path, tmp_path: Path) -> None:
    library(tmp_path / "elsewhere", profile=PROFILE)
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "around" / "it")
    words = ["echo", "--key", "device.pem", "--runs", "10"]
    assert answer(place, *words, "--modules", str(tmp_path / "elsewhere")).returncode == 0
    assert answer(place, *words, "--modules", str(tmp_path / "around" / "it" / "deeper")).returncode == 0


def test_usage(place: Path) -> None:
    done = answer(place)
    assert done.returncode == 2
    assert done.stderr.startswith("edgec runner: error: name one bundle, or make a key with --new-key\nusage: ")
    done = answer(place, "--dance")
    assert done.returncode == 2
    assert "usage: edgec_runner.mjs" in done.stderr
