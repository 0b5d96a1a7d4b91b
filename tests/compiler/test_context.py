"""Context binaries: asked for, bound to the model they were made of, refused when they are anything else's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console
from support.graphs import weights
from support.protos import proto

import edgec
from edgec import runtimes
from edgec.bundle import MANIFEST, Bundle, read_manifest, sha256_of
from edgec.compiler.context import OF, model_digest
from edgec.compiler.proving.context import check_context
from edgec.compiler.report.compiled import context_text
from edgec.compiler.report.inspected import bundle_report
from edgec.compiler.report.text import proof_facts
from edgec.compiler.report.units import size
from edgec.errors import BundleError, HostError, OptionError
from edgec.runtimes import compilers
from edgec.runtimes.base import Kernel, ModelSource, Session, SessionSettings
from edgec.runtimes.compilers import compiled_for
from edgec.runtimes.fake import FakeRuntime
from edgec.runtimes.host.context import CompiledContext
from edgec.runtimes.places import places
from edgec.targets import find_target, target_names

TARGET = "snapdragon-8-gen-3"
QNN = "QNNExecutionProvider"
SOURCE = proto(
    "g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { y = Conv(x, w) }",
    opset=21,
    ir_version=10,
    w=weights(4, 4, 1, 1),
)
RNG = np.random.default_rng(0)
SAMPLES = [{"x": RNG.normal(0, 1, (1, 4, 8, 8)).astype(np.float32)} for _ in range(3)]
BINARY = b"what the HTP executes" * 10
Make = Callable[..., Bundle]


class FakeCompiler:
    """Compiles nothing: answers a model of one EPContext node."""

    name = "qnn-htp"
    providers = (QNN, "CPUExecutionProvider")

    def __init__(self, options: Mapping[str, str], reason: str | None = None) -> None:
        self.options = options
        self.reason = reason

    def available(self) -> str | None:
        return self.reason

    def compile(self, model: Path, name: str) -> CompiledContext:
        assert model.is_file()
        arch, soc = self.options["htp_arch"], self.options["soc_model"]
        node = helper.make_node(
            "EPContext", ["x"], ["y"], domain="com.microsoft", embed_mode=0, ep_cache_context="model_ctx_qnn.bin",
            ep_sdk_version="v9.9",
        )  # fmt: skip
        values = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4, 8, 8]) for each in "xy"]
        made = helper.make_model(helper.make_graph([node], "g", values[:1], values[1:]))
        helper.set_model_props(made, {f"ep_compatibility_info.{QNN}": f"v2:6:9.9.0:5.51.0:{arch}:{soc}:0:0"})
        files = {name: made.SerializeToString(), "model_ctx_qnn.bin": BINARY}
        arrays = {each: np.frombuffer(data, np.uint8) for each, data in files.items()}
        return CompiledContext(files=arrays, seconds=0.5, onnxruntime="1.99")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeCompiler]:
    """The compilers that were asked for, all of them fakes."""
    found: list[FakeCompiler] = []

    def maker(options: Mapping[str, str]) -> FakeCompiler:
        found.append(FakeCompiler(options))
        return found[-1]

    monkeypatch.setitem(compilers.COMPILERS, QNN, maker)  # type: ignore[arg-type]
    return found


@pytest.fixture
def make(tmp_path: Path, made: list[FakeCompiler]) -> Make:
    def compiled(name: str = "out", **options: Any) -> Bundle:
        given = {"target": TARGET, "calibration": SAMPLES, "search": False, "context": True, **options}
        return edgec.compile(SOURCE, output=tmp_path / name, prove=False, cache=False, **given)

    return compiled


def rewritten(bundle: Bundle, **files: bytes) -> Bundle:
    """The bundle with other files (`.` written `__`), which its manifest binds as if they were its own."""
    manifest = read_manifest(bundle.path / MANIFEST)
    for key, data in files.items():
        name = key.replace("__", ".")
        (bundle.path / name).write_bytes(data)
        manifest["files"][name] = {"sha256": sha256_of(bundle.path / name), "bytes": len(data)}
    (bundle.path / MANIFEST).write_text(json.dumps(manifest))
    return Bundle.open(bundle.path)


def test_the_manifest_binds_it_and_says_what_a_device_needs(make: Make) -> None:
    bundle = make()
    digest = sha256_of(bundle.model)
    assert bundle.manifest["context"] == {
        "model": "model_ctx.onnx",
        "binaries": ["model_ctx_qnn.bin"],
        "of": digest,
        "compatibility": "v2:6:9.9.0:5.51.0:75:57:0:0",
        "made_with": {"onnxruntime": "1.99", "sdk": "v9.9"},
    }
    assert bundle.manifest["provider_options"] == {QNN: {"backend_type": "htp", "soc_model": "57", "htp_arch": "75"}}
    assert {"model_ctx.onnx", "model_ctx_qnn.bin"} <= set(bundle.manifest["files"])
    assert (bundle.path / "model_ctx_qnn.bin").read_bytes() == BINARY
    props = {each.key: each.value for each in onnx.load(bundle.path / "model_ctx.onnx").metadata_props}
    assert props[OF] == digest
    bundle.verify()
    assert check_context(bundle) == bundle.path / "model_ctx.onnx"


def test_it_is_compiled_for_the_targets_own_chip(make: Make, made: list[FakeCompiler]) -> None:
    """Also for one that nothing here simulates."""
    check_context(make(target="snapdragon-888"))
    assert made[0].options == {"backend_type": "htp", "soc_model": "30", "htp_arch": "68"}


def test_the_model_beside_it_is_the_same_to_the_byte(make: Make) -> None:
    with_, without = make("with"), make("without", context=False)
    assert {name: without.manifest["files"][name] for name in without.manifest["files"]} == {
        name: entry for name, entry in with_.manifest["files"].items() if not name.startswith("model_ctx")
    }
    assert check_context(without) is None
    assert with_.size_bytes == without.size_bytes  # the device loads one of them


def test_the_digest_covers_external_data(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"ab")
    alone = model_digest(tmp_path / "model.onnx")
    assert alone == sha256_of(tmp_path / "model.onnx")
    (tmp_path / "model.onnx.data").write_bytes(b"cd")
    (tmp_path / "joined").write_bytes(b"abcd")
    assert model_digest(tmp_path / "model.onnx") == sha256_of(tmp_path / "joined") != alone


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("snapdragon-888", {QNN: {"backend_type": "htp", "soc_model": "30", "htp_arch": "68"}}),
        ("intel-openvino", {"OpenVINOExecutionProvider": {"device_type": "CPU"}}),
        ("pixel-8", {}),
    ],
)
def test_a_manifest_says_how_a_device_opens_a_session(target: str, options: object, make: Make) -> None:
    manifest = make(target=target, context=False).manifest
    assert (manifest["provider_options"], manifest["session_options"]) == (options, {})
    assert "context" not in manifest


@pytest.mark.parametrize("name", [name for name in target_names() if find_target(name).provider_options])
def test_a_place_of_a_target_has_its_devices_options(name: str) -> None:
    target = find_target(name)
    for place in set(target.proof) & set(places()):
        plugin = places()[place].starts(Path("home")).plugin
        assert plugin is not None
        assert plugin.provider == target.providers[0]
        assert plugin.options
        assert plugin.options.items() <= target.provider_options.items()  # what changes no result may be left out
        assert plugin.options == target.provider_options or plugin.provider != QNN


def test_a_target_without_offline_compiler(make: Make) -> None:
    with pytest.raises(OptionError) as caught:
        make(target="x86-64-vnni")
    assert str(caught.value) == (
        "--context: asks for a context binary, and CPUExecutionProvider of target x86-64-vnni makes none. Leave it "
        "out, or compile for one of snapdragon-8-gen-3, snapdragon-8-elite, snapdragon-x-elite, snapdragon-888."
    )


def test_a_compiler_that_is_not_installed(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reason = "it is not installed: edgec runtime install qnn-htp"
    monkeypatch.setitem(compilers.COMPILERS, QNN, lambda options: FakeCompiler(options, reason))  # type: ignore[arg-type,return-value]
    with pytest.raises(HostError) as caught:
        make()
    assert str(caught.value) == (
        "--context: needs runtime 'qnn-htp', which is not available here: it is not installed: edgec runtime install "
        "qnn-htp. Install it, or leave --context out."
    )
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model_ctx.onnx", "model_ctx_qnn.bin"])
def test_one_that_is_cut_off(name: str, make: Make) -> None:
    bundle = make()
    whole = (bundle.path / name).read_bytes()
    (bundle.path / name).write_bytes(whole[:-1])
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value) == (
        f"{bundle.path / name}: is cut off: {len(whole) - 1} of {len(whole)} bytes. No device can load it. "
        "Copy the whole bundle again. Compile the bundle again with --context if that does not help."
    )


def test_one_whose_binary_is_gone(make: Make) -> None:
    bundle = make()
    (bundle.path / "model_ctx_qnn.bin").unlink()
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value) == (
        f"{bundle.path / 'model_ctx_qnn.bin'}: is missing. The context cannot be loaded without it. "
        "Compile the bundle again with --context."
    )


def test_one_of_another_model_is_stale(make: Make) -> None:
    """As when a model is exported anew and the old context copied beside it."""
    other = make("other", scheme="a16w8")
    old = {name: (other.path / name.replace("__", ".")).read_bytes() for name in ("model_ctx__onnx",)}
    bundle = rewritten(make(), **old)
    bundle.verify()  # digests alone do not tell
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value) == (
        f"{bundle.path / 'model_ctx.onnx'}: was made of another model: sha256 {model_digest(other.model)[:12]}, "
        f"model.onnx's is {model_digest(bundle.model)[:12]}. A device that loads it answers as that other model. "
        "Compile the bundle again with --context."
    )


def test_a_model_that_was_changed_makes_it_stale(make: Make) -> None:
    bundle = make()
    was = model_digest(bundle.model)
    changed = onnx.load(bundle.model)
    changed.doc_string = "changed"
    bundle = rewritten(bundle, model__onnx=changed.SerializeToString())
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value).startswith(
        f"{bundle.path / 'model_ctx.onnx'}: was made of another model: sha256 {was[:12]},"
    )


def test_one_for_another_chip(make: Make) -> None:
    """The simulator loads it all the same (ONNX Runtime 1.31.1, onnxruntime-qnn 2.7.0)."""
    bundle = make()
    compiled = onnx.load(bundle.path / "model_ctx.onnx")
    props = {each.key: each.value for each in compiled.metadata_props}
    key = f"ep_compatibility_info.{QNN}"
    for info, text in (
        ("v2:6:9.9.0:5.51.0:79:69:0:0", f"htp_arch 79, soc_model 69; target {TARGET} has htp_arch 75, soc_model 57"),
        ("v2:6:9.9.0:5.51.0:75,79:43,69:0,0:0", f"soc_model 43 and 69; target {TARGET} has soc_model 57"),
    ):
        helper.set_model_props(compiled, {**props, key: info})
        bundle = rewritten(bundle, model_ctx__onnx=compiled.SerializeToString())
        with pytest.raises(BundleError) as caught:
            check_context(bundle)
        assert str(caught.value) == (
            f"{bundle.path / 'model_ctx.onnx'}: is for another chip: {text}. The provider may load it all the same, "
            "and compute something else. Compile the bundle again with --context."
        )
    helper.set_model_props(compiled, {**props, key: "1:2.0.0:1.22.0:3.0.0:73:0"})
    bundle = rewritten(bundle, model_ctx__onnx=compiled.SerializeToString())
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value) == (
        f"{bundle.path / 'model_ctx.onnx'}: does not say which chip it is for: 1:2.0.0:1.22.0:3.0.0:73:0. The provider "
        "checks no chip when it loads it. Compile the bundle again with --context."
    )


def test_one_for_several_chips_fits_each(make: Make) -> None:
    bundle = make()
    compiled = onnx.load(bundle.path / "model_ctx.onnx")
    props = {each.key: each.value for each in compiled.metadata_props}
    helper.set_model_props(compiled, {**props, f"ep_compatibility_info.{QNN}": "v2:6:9.9:5.5:73,75:43,57:0,0:0"})
    bundle = rewritten(bundle, model_ctx__onnx=compiled.SerializeToString())
    assert check_context(bundle) == bundle.path / "model_ctx.onnx"


@pytest.mark.parametrize("info", ["", "v3:6", "v2:1:2:3", "nonsense"])
def test_words_that_name_no_chip(info: str) -> None:
    assert compiled_for(QNN, info) == {}
    assert compiled_for("OtherProvider", "v2:6:9.9:5.5:75:57:0:0") == {}


def test_one_that_is_no_model(make: Make) -> None:
    bundle = make()
    bundle = rewritten(bundle, model_ctx__onnx=b"\xff" * 4000)
    with pytest.raises(BundleError) as caught:
        check_context(bundle)
    assert str(caught.value) == (
        f"{bundle.path / 'model_ctx.onnx'}: is not an ONNX model. Compile the bundle again with --context."
    )


def shown(*parts: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=300).print(*parts)
    return " ".join(stream.getvalue().split())


def test_what_a_reader_sees_of_it(make: Make) -> None:
    bundle = make()
    text = shown(*bundle_report(bundle, None, None))
    assert f"provider {QNN}: backend_type = htp, soc_model = 57, htp_arch = 75 context model_ctx.onnx (" in text
    assert "SDK v9.9, ONNX Runtime 1.99 made with" in text
    bytes_ = len(BINARY) + (bundle.path / "model_ctx.onnx").stat().st_size
    assert context_text(bundle.manifest) == f"model_ctx.onnx ({size(bytes_)}), SDK v9.9, ONNX Runtime 1.99"
    assert context_text({}) is None


@pytest.mark.parametrize(("apart", "word", "code"), [(0.0, "proved", 0), (0.5, "broken", 24)])
def test_a_context_that_answers_otherwise_breaks_the_verdict(
    apart: float, word: str, code: int, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    (outputs,) = bundle.golden()[1]
    opened: list[tuple[FakeRuntime, str]] = []
    here = runtimes.runtime("onnxruntime-cpu").open(bundle.model)
    kernel = Kernel(name="c", op_type="Conv2d", provider=QNN, inputs=(), outputs=(), macs=1, integer=True)

    class Simulator(FakeRuntime):
        __slots__ = ()

        def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
            assert isinstance(model, Path)
            opened.append((self, model.name))
            off = np.float32(apart if model.name == "model_ctx.onnx" else 0.0)
            answering = replace(self, answer=lambda feeds: {"y": outputs["y"] + off})
            return FakeRuntime.open(answering, model, settings)

    def simulator() -> FakeRuntime:
        return Simulator(
            answer=dict,
            inputs=here.inputs,
            outputs=here.outputs,
            kernels=(kernel,),
            name="qnn-htp",
            providers=FakeCompiler.providers,
        )

    monkeypatch.setitem(runtimes.RUNTIMES, "qnn-htp", simulator)
    verdict = bundle.prove(on="qnn-htp")
    assert (verdict.word, verdict.exit_code) == (word, code)
    result = next(each for each in verdict.results if each.id == "context")
    assert (result.status, result.n) == ("broken" if apart else "met", 1)
    whole = json.loads((bundle.proof / "proof.json").read_text())
    proof = whole["context"]
    how = f"{proof['sqnr_db']:.1f} dB apart" if apart else "identical"
    line = f"context model_ctx.onnx in a process of its own, against the model compiled there: {how}"
    assert line in shown(proof_facts(whole))
    assert {name: proof[name] for name in ("model", "runtime", "exact", "steps")} == {
        "model": "model_ctx.onnx",
        "runtime": "qnn-htp",
        "exact": not apart,
        "steps": 1,
    }
    if apart:
        assert result.reason == (f"it does not answer as the model compiled there: {proof['sqnr_db']:.1f} dB apart")
    (model,) = [place for place, file in opened if file == "model.onnx"]
    (context,) = [place for place, file in opened if file == "model_ctx.onnx"]
    assert model is not context  # another runtime: another process


def test_where_it_cannot_be_loaded_the_proof_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make(target="snapdragon-888")
    verdict = bundle.prove()
    assert verdict.word == "checked"
    assert "context" not in {each.id for each in verdict.results}
    assert any(note.startswith("the context binary was not loaded: ") for note in verdict.notes)
