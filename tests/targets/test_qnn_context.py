"""Context binaries of the HTP: made offline, loaded in another process, equal to the bit; never another model's."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgec
from edgec.bundle import Bundle
from edgec.compiler.proving.context import check_context
from edgec.compiler.run import opened
from edgec.errors import BundleError, HostError, ModelError
from edgec.runtimes import runtime

pytestmark = pytest.mark.targets

TARGET = "snapdragon-8-gen-3"


def compiled(digits: Path, output: Path, target: str = TARGET, **options: object) -> Bundle:
    if reason := runtime("qnn-htp").available():
        pytest.skip(f"qnn-htp: {reason}")
    return edgec.compile(
        digits / "digits.onnx",
        target=target,
        calibration=digits / "calibration.npz",
        shapes={"image": (1, 1, 24, 24)},
        output=output,
        prove=False,
        cache=False,
        context=True,
        **options,
    )


@pytest.fixture(scope="module")
def bundle(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compiled(digits, tmp_path_factory.mktemp("qnn") / "out")


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Bundle:
    """The bundle, to be spoiled."""
    return Bundle.open(shutil.copytree(bundle.path, tmp_path / "copy"))


def images(digits: Path, count: int) -> list[np.ndarray]:
    with np.load(digits / "evaluation.npz") as archive:
        return [archive["image"][index : index + 1] for index in range(count)]


@pytest.mark.parametrize("scheme", ["a8w8", "a16w8", "a8w4"])
def test_it_answers_to_the_bit_as_the_model_compiled_when_it_is_opened(
    scheme: str, digits: Path, tmp_path: Path
) -> None:
    made = compiled(digits, tmp_path / "out", scheme=scheme, search=False)
    fed = [{"image": image} for image in images(digits, 8)]
    with opened(made) as session:
        online = [session.run(feeds)["logits"] for feeds in fed]
    with opened(made, context=True) as session:  # in a new process
        offline = [session.run(feeds)["logits"] for feeds in fed]
        placement = session.placement(fed[0])
    assert all(np.array_equal(a, b) for a, b in zip(online, offline, strict=True))
    assert len({each.tobytes() for each in online}) > 1
    on = {
        kernel.provider for kernel in placement.kernels if kernel.op_type not in ("QuantizeLinear", "DequantizeLinear")
    }
    assert on == {"QNNExecutionProvider"}


def test_it_is_one_node_for_the_targets_chip(bundle: Bundle) -> None:
    nodes = [node.op_type for node in onnx.load(bundle.path / "model_ctx.onnx").graph.node]
    assert nodes == ["QuantizeLinear", "EPContext", "DequantizeLinear"]
    context = bundle.manifest["context"]
    assert context["binaries"] == ["model_ctx_qnn.bin"]
    assert context["compatibility"].split(":")[4:6] == ["75", "57"]
    assert context["made_with"]["onnxruntime"] == runtime("qnn-htp").facts().onnxruntime
    assert context["made_with"]["sdk"].startswith("v2.51.")


def test_it_has_the_same_bytes_each_time(bundle: Bundle, digits: Path, tmp_path: Path) -> None:
    """Wherever it is made: a path in it would differ."""
    again = compiled(digits, tmp_path / "another" / "place")
    assert again.manifest["files"] == bundle.manifest["files"]
    assert again.digest == bundle.digest


@pytest.mark.parametrize(("target", "chip"), [("snapdragon-8-elite", ["79", "69"]), ("snapdragon-888", ["68", "30"])])
def test_other_chips_are_compiled_for_here_too(target: str, chip: list[str], digits: Path, tmp_path: Path) -> None:
    """The 888 is not even simulated."""
    made = compiled(digits, tmp_path / "out", target, search=False)
    assert made.manifest["context"]["compatibility"].split(":")[4:6] == chip
    made.verify()
    assert check_context(made) == made.path / "model_ctx.onnx"


def test_its_proof_says_so(bundle: Bundle, digits: Path) -> None:
    verdict = bundle.prove(on=TARGET, evaluation=digits / "evaluation.npz", samples=4)
    assert verdict.word == "proved"
    assert {each.id: each.status for each in verdict.results}["context"] == "met"


def test_one_of_another_chip_is_refused_though_the_simulator_would_load_it(
    copy: Bundle, digits: Path, tmp_path: Path
) -> None:
    other = compiled(digits, tmp_path / "elite", "snapdragon-8-elite", search=False)
    with closing(runtime("qnn-htp")) as place:
        place.open(other.path / "model_ctx.onnx").close()
    for name in ("model_ctx.onnx", "model_ctx_qnn.bin"):
        shutil.copy(other.path / name, copy.path / name)
    with pytest.raises(BundleError) as caught:
        copy.prove(on=TARGET)
    assert str(caught.value).startswith(f"{copy.path / 'model_ctx.onnx'}: was made of another model: sha256 ")
    with pytest.raises(HostError) as elsewhere, opened(other, on="qnn-htp", context=True):
        pass
    assert str(elsewhere.value) == (
        "runtime 'qnn-htp': loads no context of this bundle: qnn-htp is not a place of target snapdragon-8-elite. "
        "Run it on a place of its target, or without --context."
    )


def test_one_that_is_cut_off_is_refused_before_and_by_the_provider(copy: Bundle) -> None:
    binary = copy.path / "model_ctx_qnn.bin"
    whole = binary.read_bytes()
    binary.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError) as caught:
        copy.prove(on=TARGET)
    assert str(caught.value) == (
        f"{binary}: is cut off: {len(whole) // 2} of {len(whole)} bytes. No device can load it. Copy the whole bundle "
        "again. Compile the bundle again with --context if that does not help."
    )
    with closing(runtime("qnn-htp")) as place, pytest.raises(ModelError) as refused:
        place.open(copy.path / "model_ctx.onnx")
    assert "cannot open it: Failed to load from EpContext model." in str(refused.value)


def test_a_binary_altered_in_place_is_no_longer_the_manifests(copy: Bundle) -> None:
    binary = copy.path / "model_ctx_qnn.bin"
    data = bytearray(binary.read_bytes())
    data[len(data) // 2] ^= 0xFF
    binary.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        copy.prove(on=TARGET)
    assert str(caught.value) == f"{binary}: does not have the sha256 of the manifest. Compile the bundle again."
