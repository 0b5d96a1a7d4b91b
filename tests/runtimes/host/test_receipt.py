"""Receipts of places: asked through the pipe, signed there, refused there."""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support.hosts import place
from support.node import NEEDS_NODE, library, node_place
from support.receipts import digits_bundle, recurrent_bundle

from edgec.bundle import MANIFEST, Bundle, sha256_of
from edgec.errors import BundleError, HostError, ModelError, OptionError
from edgec.runtimes.device.ed25519 import new_key
from edgec.runtimes.host.receipt import receipt_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A key and two bundles, `digits` and `cell`."""
    folder = tmp_path_factory.mktemp("made")
    new_key(folder / "device.pem")
    digits_bundle(digits, folder / "digits")
    recurrent_bundle(folder / "cell")
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy of `digits` of one's own."""
    return Path(shutil.copytree(made / "digits", tmp_path / "digits"))


def ask(folder: Path, key: Path | str, runtime: Any = None, **asked: Any) -> str:
    files = [MANIFEST, *Bundle.open(folder).manifest["files"]]
    found = runtime or place(name="board", mend="Install it there")
    return receipt_of(found, folder, files, key=str(key), asked={"runs": 10, **asked})


def said(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(text)["payload"]))
    return found


@pytest.mark.parametrize(("name", "steps"), [("digits", 1), ("cell", 6)])
def test_a_bundle_is_sent_and_answered_for(made: Path, name: str, steps: int) -> None:
    emulated = place(name="board", emulated="qemu-any 10.0")
    receipt = said(ask(made / name, made / "device.pem", emulated, nonce="n", device="bench"))
    assert receipt["subject"] == [{"name": name, "digest": {"sha256": sha256_of(made / name / MANIFEST)}}]
    found = receipt["predicate"]
    assert (found["nonce"], found["device"]["name"], found["device"]["emulated"]) == ("n", "bench", "qemu-any 10.0")
    assert found["golden"]["steps"] == steps
    assert all(each["exact"] for each in found["golden"]["outputs"])


def test_what_changes_on_the_way_is_refused_there(made: Path, bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes()[:-1])
    with pytest.raises(BundleError) as caught:
        ask(bundle, made / "device.pem")
    assert str(caught.value) == (
        f"{bundle}: is not what it was: model.onnx does not have the sha256 of manifest.json: it was changed. "
        "Compile the bundle again."
    )


def test_a_key_that_does_not_lie_there(bundle: Path) -> None:
    with pytest.raises(OptionError) as caught:
        ask(bundle, "/no/key.pem")
    assert str(caught.value) == (
        "runtime 'board': /no/key.pem cannot be read: No such file or directory. "
        "Name with --key a file that lies there; edgec_runner.py --new-key makes one."
    )


def rewrite(bundle: Path, **changes: Any) -> None:
    """Change what the manifest says, its digests made right."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    values = manifest["additional_metadata"]["edgec"]
    values.update(changes)
    for name, entry in values["files"].items():
        entry["sha256"] = sha256_of(bundle / name)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def test_a_provider_that_is_not_there(made: Path, bundle: Path) -> None:
    target = {**Bundle.open(bundle).manifest["target"], "providers": ["QNNExecutionProvider", "CPUExecutionProvider"]}
    rewrite(bundle, target=target)
    with pytest.raises(HostError) as caught:
        ask(bundle, made / "device.pem")
    message = str(caught.value)
    assert message.startswith("runtime 'board': its target runs on QNNExecutionProvider, this ONNX Runtime has ")
    assert message.endswith("CPUExecutionProvider. Install it there.")


def test_a_model_that_it_cannot_run(made: Path, bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"no model")
    rewrite(bundle)
    with pytest.raises(ModelError) as caught:
        ask(bundle, made / "device.pem")
    assert str(caught.value).startswith(f"{bundle}: ONNX Runtime ")
    assert "cannot run it: " in str(caught.value)


def test_a_place_that_dies_meanwhile(made: Path, bundle: Path, tmp_path: Path) -> None:
    """Its interpreter ends when the work begins: at the first look at the golden inputs."""
    script = tmp_path / "mortal.py"
    script.write_text(
        "import numpy, os, sys\n"
        "def load(*words, **more):\n"
        "    print('out of memory', file=sys.stderr, flush=True)\n"
        "    os._exit(137)\n"
        "numpy.load = load\n"
        "exec(compile(sys.argv[2], 'bootstrap', 'exec'), {'__name__': '__main__'})\n"
    )
    with pytest.raises(HostError) as caught:
        ask(bundle, made / "device.pem", place([sys.executable, str(script)], name="board"))
    assert str(caught.value) == (
        f"runtime 'board': died (receipt of {bundle}): killed by SIGKILL. Its last words: out of memory. "
        "See its last words; `edgec runtime list` says what is installed."
    )


@NEEDS_NODE
def test_a_place_that_is_no_python(made: Path, bundle: Path, tmp_path: Path) -> None:
    node = node_place(library(tmp_path / "library"))
    with pytest.raises(HostError) as caught:
        ask(bundle, made / "device.pem", node)
    node.close()
    assert str(caught.value) == (
        "runtime 'place': is no Python, and gives no receipt over its pipe. "
        "Copy the script there: edgec runner --write runner.mjs --language javascript."
    )
