"""`model.ort`: asked for, bound to the model it was made of, proved beside it, refused where it cannot be."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from rich.console import Console
from support.graphs import weights
from support.protos import proto
from support.reduced import lacking

import edgec
from edgec.bundle import MANIFEST, Bundle, read_manifest, sha256_of
from edgec.compiler.context import model_digest
from edgec.compiler.ort_format import REQUIRED, make_ort
from edgec.compiler.proving.ort_format import check_ort
from edgec.compiler.report.compiled import ort_text, required_text
from edgec.compiler.report.inspected import bundle_report
from edgec.compiler.report.text import proof_facts
from edgec.compiler.report.units import size
from edgec.compiler.run import opened
from edgec.errors import BundleError, ModelError, OptionError
from edgec.runtimes.ort_format import REPLAY
from edgec.targets import find_target

TEXT = "g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { a = Conv(x, w) b = Relu(a) y = Conv(b, w) }"
RNG = np.random.default_rng(0)
SAMPLES = [{"x": RNG.normal(0, 1, (1, 4, 8, 8)).astype(np.float32)} for _ in range(3)]
Make = Callable[..., Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def compiled(
        name: str = "out", *, scale: float = 1.0, text: str = TEXT, w: np.ndarray | None = None, **options: Any
    ) -> Bundle:
        source = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1) * np.float32(scale) if w is None else w)
        given = {"target": "android-cpu", "calibration": SAMPLES, "search": False, "ort": True, **options}
        return edgec.compile(source, output=tmp_path / name, prove=False, cache=False, **given)

    return compiled


def rewritten(bundle: Bundle, data: bytes) -> Bundle:
    """The bundle with another model.ort, which its manifest binds as if it were its own."""
    manifest = read_manifest(bundle.path / MANIFEST)
    (bundle.path / "model.ort").write_bytes(data)
    manifest["files"]["model.ort"] = {"sha256": sha256_of(bundle.path / "model.ort"), "bytes": len(data)}
    (bundle.path / MANIFEST).write_text(json.dumps(manifest))
    return Bundle.open(bundle.path)


def shown(*parts: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=300).print(*parts)
    return " ".join(stream.getvalue().split())


@pytest.mark.parametrize(
    ("target", "style", "signed", "options"),
    [
        ("android-cpu", "fixed", "1", {}),
        ("x86-64-vnni", "fixed", "0", {}),
        ("pixel-8-nnapi", "runtime", "1", {REPLAY: "1"}),
    ],
)
def test_the_manifest_binds_it_and_says_how_it_was_made(
    target: str, style: str, signed: str, options: dict[str, str], make: Make
) -> None:
    bundle = make(target=target)
    saved = {"optimization.minimal_build_optimizations": "save"} if style == "runtime" else {}
    assert bundle.manifest["ort"] == {
        "model": "model.ort",
        "of": sha256_of(bundle.model),
        "style": style,
        "session_options": options,
        "unfused": 0,
        "required": REQUIRED,
        "made_by": {"session.save_model_format": "ORT", "session.qdqisint8allowed": signed, **saved},
        "made_with": {"onnxruntime": onnxruntime.__version__},
    }
    assert bundle.manifest["session_options"] == {}
    bundle.verify()
    assert check_ort(bundle) == bundle.path / "model.ort"


def test_the_payload_is_the_same_each_time(make: Make) -> None:
    one, two, without = make("one"), make("two"), make("without", ort=False)
    assert one.digest == two.digest
    files = {name: entry for name, entry in one.manifest["files"].items() if name not in ("model.ort", REQUIRED)}
    assert files == without.manifest["files"]
    assert "ort" not in without.manifest
    assert check_ort(without) is None
    assert one.size_bytes == without.size_bytes == one.model.stat().st_size  # the device loads one of them


@pytest.mark.parametrize("target", ["android-cpu", "x86-64-vnni", "pixel-8-nnapi"])
def test_a_build_with_what_it_requires_opens_it(target: str, make: Make, tmp_path: Path) -> None:
    bundle = make(target=target)
    copy = tmp_path / "model.ort"
    copy.write_bytes((bundle.path / "model.ort").read_bytes())
    assert lacking(bundle.path / REQUIRED, copy, bundle.manifest["ort"]["session_options"]) == []
    assert lacking(bundle.path / REQUIRED, copy, {}) == []
    about, version = (bundle.path / REQUIRED).read_text().splitlines()[0], onnxruntime.__version__
    assert about == f"# What model.ort needs of ONNX Runtime, as {version} opens it: build.py --include_ops_by_config"
    line = f"{REQUIRED}: give it to ONNX Runtime's build.py --include_ops_by_config, and no others are built"
    assert required_text(bundle.manifest) == line
    assert line in shown(*bundle_report(bundle, None, None))
    assert required_text({}) is None


def test_a_product_that_cannot_be_fused_as_it_opens_is_told(make: Make) -> None:
    """Style fixed fuses it; of style runtime ONNX Runtime 1.31.1 does not open what it wrote of it."""
    text = "g (float[1, 8, 16] x) => (float[1, 8, 16] y) { a = MatMul(x, w) b = Relu(a) y = MatMul(b, w) }"
    samples = [{"x": RNG.normal(0, 1, (1, 8, 16)).astype(np.float32)} for _ in range(3)]
    made = {
        target: make(text=text, w=weights(16, 16), name=target, target=target, calibration=samples, scheme="a8w8")
        for target in ("android-cpu", "pixel-8-nnapi")
    }
    left = {target: bundle.manifest["ort"]["unfused"] for target, bundle in made.items()}
    assert left["android-cpu"] == 0
    assert left["pixel-8-nnapi"] > 0
    bundle = made["pixel-8-nnapi"]
    told = f", {left['pixel-8-nnapi']} MatMuls in float where left to the CPU"
    assert str(ort_text(bundle.manifest)).endswith(told)
    with opened(bundle, on="onnxruntime-cpu", ort=True, threads=1) as session:
        answer = session.run(samples[0])["y"]
    with opened(bundle, on="onnxruntime-cpu", threads=1) as session:
        wanted = session.run(samples[0])["y"]
    np.testing.assert_allclose(answer, wanted, atol=np.abs(wanted).max() / 100)


def test_what_it_requires_is_bound(make: Make) -> None:
    bundle = make()
    file = bundle.path / REQUIRED
    file.write_text(file.read_text().replace("com.microsoft", "com.example"))
    with pytest.raises(BundleError) as caught:
        bundle.verify()
    assert str(caught.value) == f"{file}: does not have the sha256 of the manifest. Compile the bundle again."


def test_an_altered_one_is_found(make: Make) -> None:
    bundle = make()
    file = bundle.path / "model.ort"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for look in (bundle.verify, bundle.prove):
        with pytest.raises(BundleError) as caught:
            look()
        assert str(caught.value) == f"{file}: does not have the sha256 of the manifest. Compile the bundle again."


def test_a_missing_one_is_found(make: Make) -> None:
    bundle = make()
    (bundle.path / "model.ort").unlink()
    with pytest.raises(BundleError) as caught:
        bundle.prove()
    assert str(caught.value) == (
        f"{bundle.path / 'model.ort'}: is missing. A minimal build has nothing to open. Compile the bundle again with "
        "--ort."
    )


def test_a_model_that_was_changed_makes_it_stale(make: Make) -> None:
    bundle = make()
    was = model_digest(bundle.model)
    changed = onnx.load(bundle.model)
    changed.doc_string = "changed"
    onnx.save(changed, bundle.model)
    with pytest.raises(BundleError) as caught:
        check_ort(bundle)
    assert str(caught.value) == (
        f"{bundle.path / 'model.ort'}: was made of another model: sha256 {was[:12]}, model.onnx's is "
        f"{model_digest(bundle.model)[:12]}. A device that loads it answers as that other model. Compile the bundle "
        "again with --ort."
    )


@pytest.mark.parametrize("target", ["host", "pixel-8-nnapi"])
def test_it_is_proved_beside_the_model(target: str, make: Make) -> None:
    bundle = make(target=target)
    verdict = bundle.prove(latency_runs=10)
    assert verdict.exit_code == 0
    result = next(each for each in verdict.results if each.id == "ort")
    assert (result.status, result.n) == ("met", 1)
    proof = json.loads((bundle.proof / "proof.json").read_text())
    found = proof["ort"]
    assert (found["model"], found["runtime"], found["agrees"]) == ("model.ort", "onnxruntime-cpu", True)
    assert found["style"] == bundle.manifest["ort"]["style"]
    assert "model.ort on onnxruntime-cpu, against the model there: " in shown(proof_facts(proof))


def test_without_one_nothing_is_asked(make: Make) -> None:
    verdict = make(target="host", ort=False).prove(latency_runs=10)
    assert "ort" not in {each.id for each in verdict.results}


def test_one_that_answers_otherwise_breaks_the_verdict(make: Make) -> None:
    """As when the file of an older export is bound by a manifest written by hand."""
    other, bundle = make("other", target="host", scale=0.5), make(target="host")
    bundle = rewritten(bundle, (other.path / "model.ort").read_bytes())
    bundle.verify()  # digests alone do not tell
    verdict = bundle.prove(latency_runs=10)
    assert (verdict.word, verdict.exit_code) == ("broken", 25)
    result = next(each for each in verdict.results if each.id == "ort")
    assert result.reason == f"it does not answer as the model: {result.measured:.1f} dB apart"


def test_it_runs_in_the_models_stead(make: Make) -> None:
    other, bundle = make("other", target="host", scale=0.5), make(target="host")
    wanted = other.run(SAMPLES[0])["y"]
    bundle = rewritten(bundle, (other.path / "model.ort").read_bytes())
    with opened(bundle, ort=True, threads=1) as session:
        np.testing.assert_allclose(session.run(SAMPLES[0])["y"], wanted, atol=1e-5)
    assert not np.allclose(bundle.run(SAMPLES[0])["y"], wanted, atol=1e-2)


def test_the_style_for_compiling_providers_is_fused_as_it_opens(make: Make) -> None:
    """Its option is in the manifest, and every session that opens it here has it."""
    bundle = make(target="pixel-8-nnapi")
    with opened(bundle, on="onnxruntime-cpu", ort=True, threads=1) as session:
        answer = session.run(SAMPLES[0])["y"]
    with opened(bundle, on="onnxruntime-cpu", threads=1) as session:
        np.testing.assert_array_equal(answer, session.run(SAMPLES[0])["y"])
    bytes_ = (bundle.path / "model.ort").stat().st_size
    text = f"model.ort ({size(bytes_)}), ONNX Runtime {onnxruntime.__version__}, opened with {REPLAY} = 1"
    assert ort_text(bundle.manifest) == text
    assert text in shown(*bundle_report(bundle, None, None))
    assert ort_text({}) is None


def test_a_bundle_without_one(make: Make) -> None:
    bundle = make(ort=False)
    with pytest.raises(BundleError) as caught, opened(bundle, ort=True):
        pass
    assert str(caught.value) == f"{bundle.path}: has no model in ORT format. Compile it with --ort, or run it without."


def test_a_provider_that_runs_none(make: Make, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        make(target="pixel-8")
    assert str(caught.value) == (
        "--ort: has no form that is known to run on XnnpackExecutionProvider of target pixel-8. Leave it out: full "
        "packages of ONNX Runtime read model.onnx. It is made for CPUExecutionProvider, NnapiExecutionProvider, "
        "CoreMLExecutionProvider."
    )
    assert not (tmp_path / "out").exists()


def test_float16_is_refused_before_any_work(make: Make, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        make(target="iphone-15", calibration=None)
    assert str(caught.value) == (
        "--ort: cannot hold scheme fp16: ONNX Runtime writes ORT format with its CPU provider, which makes float32 of "
        "it. Leave it out: full packages of ONNX Runtime read model.onnx."
    )
    assert not (tmp_path / "out").exists()


def test_more_than_the_format_holds(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make(ort=False)
    bytes_ = bundle.size_bytes
    monkeypatch.setattr("edgec.compiler.ort_format.MOST_BYTES", bytes_ - 1)
    with pytest.raises(ModelError) as caught:
        make_ort(bundle.model, find_target("android-cpu"))
    assert str(caught.value) == (
        f"model.onnx: has {bytes_} bytes, and ORT format holds at most {bytes_ - 1}. Leave --ort out, or make the "
        "weights smaller."
    )
    monkeypatch.setattr("edgec.compiler.ort_format.MOST_BYTES", bytes_)
    assert make_ort(bundle.model, find_target("android-cpu"))["of"] == model_digest(bundle.model)
