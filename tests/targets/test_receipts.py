"""Both scripts with real bundles: on this processor, on an emulated Cortex-A76, in Node with either library.

One payload is answered for in every place; what it is of: an image net, a net with state, a sentence encoder.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.receipts import digits_bundle, recurrent_bundle

import edgec
from edgec.bundle import Bundle
from edgec.compiler.contract import Contract
from edgec.compiler.receipts.fetch import fetch_receipt
from edgec.compiler.receipts.judge import judge_receipts
from edgec.compiler.receipts.receipt import Receipt
from edgec.compiler.receipts.trust import Trust, check_subject, trusted_receipt
from edgec.runtimes import runtime
from edgec.runtimes.device.ed25519 import new_key
from edgec.runtimes.device.script import NAMES, script
from edgec.runtimes.install.component import components
from edgec.runtimes.install.home import home
from edgec.runtimes.places import places

pytest.importorskip("cryptography")
pytestmark = pytest.mark.targets
TARGET = "raspberry-pi-5"
ARM = "arm64-cortex-a76"
ZOO = ("kws_dscnn", "gtcrn_stream", "sentence_encoder")
RUNS = ["--runs", "10", "--warmup", "1"]


@pytest.fixture(
    scope="module", params=["digits", "cell", *(pytest.param(name, marks=pytest.mark.slow) for name in ZOO)]
)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Bundle:
    output = tmp_path_factory.mktemp("receipts") / str(request.param)
    if request.param == "digits":
        return digits_bundle(digits, output, TARGET)
    if request.param == "cell":
        return recurrent_bundle(output, TARGET)
    return _of_zoo(request.getfixturevalue("zoo"), request.param, output)


def _of_zoo(zoo: Path, name: str, output: Path) -> Bundle:
    os.environ.setdefault("EDGEC_ZOO", str(zoo))
    from feeds import read_samples, write_samples
    from models import MODELS

    from edgec.compiler.samples.base import State

    model = MODELS[name]
    if model.absent:
        pytest.skip(model.absent)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "calibration.npz"
        write_samples(model.task, 4, file)
        return edgec.compile(
            model.path,
            target=TARGET,
            calibration=file if model.task.uniform else read_samples(file),
            state=State(carried=model.task.carried, start=model.task.start),
            output=output,
            prove=False,
            cache=False,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Both scripts and a key."""
    for language, name in NAMES.items():
        (tmp_path / name).write_text(script(language), encoding="utf-8")
    new_key(tmp_path / "device.pem")
    return tmp_path


def python_here(bundle: Bundle, desk: Path) -> None:
    _run([sys.executable, str(desk / NAMES["python"])], bundle, desk)


def python_on_arm(bundle: Bundle, desk: Path) -> None:
    """The script by hand, as it would be typed on that board."""
    if reason := runtime(ARM).available():
        pytest.skip(f"{ARM}: {reason}")
    launch = places()[ARM].launch()
    site = os.pathsep.join(map(str, launch.site))
    command = [*launch.command, str(desk / NAMES["python"])]
    _run(command, bundle, desk, **launch.environment, PYTHONPATH=site)


def python_on_arm_by_pipe(bundle: Bundle, desk: Path) -> None:
    if reason := runtime(ARM).available():
        pytest.skip(f"{ARM}: {reason}")
    key = str(desk / "device.pem")
    text = fetch_receipt(bundle, on=ARM, key=key, nonce="n-1", runs=10, warmup=1)
    (desk / "receipt.json").write_text(text, encoding="ascii")


def javascript_as_wasm(bundle: Bundle, desk: Path) -> None:
    _in_node("onnxruntime-web-", "web-wasm", bundle, desk)


def javascript_native(bundle: Bundle, desk: Path) -> None:
    _in_node("onnxruntime-node-", "webgpu-node", bundle, desk)


def _in_node(component: str, place: str, bundle: Bundle, desk: Path) -> None:
    folder = home() / next(name for name in components() if name.startswith(component))
    if not folder.is_dir():
        pytest.skip(f"{place}: {runtime(place).available()}")
    _run(["node", str(desk / NAMES["javascript"]), "--modules", str(folder)], bundle, desk)


def _run(command: list[str], bundle: Bundle, desk: Path, **environment: str) -> None:
    words = [str(bundle.path), "--key", "device.pem", "--nonce", "n-1", *RUNS]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*command, *words], cwd=desk, env={**kept, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def taken(bundle: Bundle, desk: Path) -> Receipt:
    """The receipt, as a checker with its public half takes it."""
    receipt = trusted_receipt(desk / "receipt.json", Trust(keys=(desk / "device.pem.pub",), nonce="n-1"))
    assert check_subject(receipt, {"it": bundle}) == "it"
    return receipt


PLACES = (python_here, python_on_arm, python_on_arm_by_pipe, javascript_as_wasm, javascript_native)


@pytest.mark.parametrize("answer", PLACES, ids=lambda answer: answer.__name__)
def test_a_place_answers_as_the_bundle_was_packed(
    answer: Callable[[Bundle, Path], None], bundle: Bundle, desk: Path
) -> None:
    answer(bundle, desk)
    receipt = taken(bundle, desk)
    feeds, expected = bundle.golden()
    assert receipt.steps == len(feeds)
    assert (len(feeds) > 1) == bool(bundle.manifest["state"])
    assert {each.name for each in receipt.golden} == set(expected[0])
    assert receipt.kernels
    assert len(receipt.timings.seconds) == 10
    verdict = judge_receipts(Contract(), bundle, [receipt])
    assert verdict.word == "proved", verdict.results
    assert {each.id for each in verdict.results} == {"golden", "finite", "off_provider"}
    arm = answer in (python_on_arm, python_on_arm_by_pipe)
    assert (receipt.device.machine == "aarch64") == (arm or platform.machine() == "aarch64")
    assert bool(receipt.device.emulated) == (answer is python_on_arm_by_pipe)


@pytest.mark.parametrize("name", ["model.onnx", "golden/outputs.npz"])
def test_a_board_refuses_what_was_changed(bundle: Bundle, desk: Path, name: str) -> None:
    if reason := runtime(ARM).available():
        pytest.skip(f"{ARM}: {reason}")
    file = bundle.path / name
    raw = file.read_bytes()
    file.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    launch = places()[ARM].launch()
    environment = {**launch.environment, "PYTHONPATH": os.pathsep.join(map(str, launch.site))}
    command = [*launch.command, NAMES["python"], str(bundle.path), "--key", "device.pem"]
    try:
        done = subprocess.run(
            command, cwd=desk, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
    finally:
        file.write_bytes(raw)
    assert (done.returncode, done.stderr) == (
        2, f"edgec runner: error: {name} does not have the sha256 of manifest.json: it was changed\n",
    )  # fmt: skip
    assert not (desk / "receipt.json").exists()


@pytest.mark.parametrize(
    ("target", "place", "options"),
    [
        ("pixel-8", "xnnpack-x86-64", {}),
        ("intel-openvino", "openvino-cpu", {}),
        ("snapdragon-8-gen-3", "qnn-htp", {"shapes": {"image": (1, 1, 24, 24)}}),
    ],
)
def test_an_accelerator_answers_with_its_own_provider(
    target: str, place: str, options: dict[str, object], digits: Path, desk: Path
) -> None:
    if reason := runtime(place).available():
        pytest.skip(f"{place}: {reason}")
    bundle = digits_bundle(digits, desk / "digits", target, **options)
    text = fetch_receipt(bundle, on=place, key=str(desk / "device.pem"), nonce="n-1", runs=10, warmup=1)
    (desk / "receipt.json").write_text(text, encoding="ascii")
    receipt = taken(bundle, desk)
    wanted = bundle.manifest["target"]["providers"][0]
    assert receipt.device.providers[0] == wanted != "CPUExecutionProvider"
    assert any(kernel.provider == wanted for kernel in receipt.kernels)
    verdict = judge_receipts(Contract(), bundle, [receipt])
    assert verdict.word == "proved", verdict.results
