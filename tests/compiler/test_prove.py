"""From a bundle on disk to a verdict, on small models; numbers are checked by hand or against numpy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.bundle import Bundle, read_manifest, sha256_of
from edgec.compiler.contract import Contract, Verdict
from edgec.compiler.prove import measure, prove
from edgec.errors import BundleError, ContractError, ExecutionRequiredError, ModelError, OutputError, SamplesError
from edgec.runtimes import runtime
from edgec.runtimes.base import SessionSettings
from edgec.targets.cpu.host import host

GENERATOR = np.random.default_rng(2)
WEIGHTS = GENERATOR.normal(size=(8, 5)).astype(np.float32)
LINEAR = """<ir_version: 8, opset_import: ["": 17]>
linear (float[1, 8] x) => (float[1, 5] y) { y = MatMul(x, w) }"""
STATEFUL = """<ir_version: 8, opset_import: ["": 17]>
sum (float[1, 8] x, float[1, 5] h) => (float[1, 5] y, float[1, 5] h_out) {
    z = MatMul(x, w)
    h_out = Add(z, h)
    y = Tanh(h_out)
}"""


def proto(text: str, weights: np.ndarray = WEIGHTS) -> onnx.ModelProto:
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    return model


def rounded(step: float) -> np.ndarray:
    """The weights as a quantizer of that step would leave them."""
    return (np.round(WEIGHTS / step) * step).astype(np.float32)


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Bundle]:
    """`pack(model, steps, ...)`: a bundle on disk, as `edgec compile` writes it."""

    def make(
        model: onnx.ModelProto,
        steps: Sequence[Mapping[str, np.ndarray]],
        *,
        state: Mapping[str, str] | None = None,
        isa: str | None = None,
        calibration: Mapping[str, object] | None = None,
        session_options: Mapping[str, str] | None = None,
    ) -> Bundle:
        folder = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
        (folder / "golden").mkdir(parents=True)
        onnx.save(model, folder / "model.onnx")
        session = runtime("onnxruntime-cpu").open(folder / "model.onnx", SessionSettings(threads=1))
        feeds, outputs, carried = [], [], {}
        for step in steps:
            feeds.append({**carried, **step})
            outputs.append(session.run(feeds[-1]))
            carried = {name: outputs[-1][output] for name, output in (state or {}).items()}
        for name, arrays in (("inputs", feeds), ("outputs", outputs)):
            named = {f"{key}@{index}": array for index, step in enumerate(arrays) for key, array in step.items()}
            np.savez(folder / "golden" / f"{name}.npz", **named)
        names = ("model.onnx", "golden/inputs.npz", "golden/outputs.npz")
        manifest = {
            "schema_version": "1",
            "edgec": "0",
            "scheme": "float",
            "source": {},
            "versions": {},
            "inputs": [],
            "outputs": [],
            "notes": [],
            "model": "model.onnx",
            "files": {name: _entry(folder / name) for name in names},
            "target": {
                "name": "host",
                "runtime": "onnxruntime-cpu",
                "isa": isa or host().isa,
                "providers": ["CPUExecutionProvider"],
            },
            "session_options": dict(session_options or {}),
            "state": dict(state or {}),
            "samples": {"calibration": calibration},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return Bundle.open(folder)

    return make


def _entry(file: Path) -> dict[str, object]:
    return {"sha256": sha256_of(file), "bytes": file.stat().st_size}


def samples(n: int = 40) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(9)
    found = []
    for _ in range(n):
        x = generator.normal(size=(1, 8)).astype(np.float32)
        found.append({"x": x, "label": (x @ WEIGHTS).argmax()})
    return found


def quick(bundle: Bundle, **options) -> Verdict:
    return prove(bundle, latency_runs=1, threads=(1,), **options)


def results(verdict: Verdict) -> dict[str, tuple[str, float | None]]:
    return {result.id: (result.status, result.measured) for result in verdict.results}


X = np.ones((1, 8), np.float32)


# --- the main road ----------------------------------------------------------------------------------------------------


def test_a_bundle_is_proved_against_float(pack):
    bundle = pack(proto(LINEAR, rounded(0.02)), [{"x": X}])
    contract = Contract.from_flags(
        max_drop="60pt", min_sqnr="30dB", min_cosine="0.99cos", max_error="0.1abs", max_size="1MB", max_load_time="9s"
    )
    verdict = prove(bundle, evaluation=samples(), float_model=proto(LINEAR), contract=contract, latency_runs=10)
    assert (verdict.word, verdict.exit_code) == ("proved", 0), verdict.results

    xs = np.concatenate([sample["x"] for sample in samples()]).astype(np.float64)
    theirs, ours = xs @ WEIGHTS.astype(np.float64), xs @ rounded(0.02).astype(np.float64)
    expected = 10 * math.log10((theirs**2).sum() / ((theirs - ours) ** 2).sum())
    assert results(verdict)["sqnr"][1] == pytest.approx(expected, abs=0.01)
    assert results(verdict)["max_error"][1] == pytest.approx(np.abs(theirs - ours).max(), abs=1e-5)
    share = (ours.argmax(1) == theirs.argmax(1)).mean()
    assert results(verdict)["accuracy_drop"][1] == pytest.approx(100 * (1 - share))
    assert verdict.notes == ("metric top1: chosen because the labels are class indices; name another with --metric",)


def test_the_proof_is_written_beside_the_payload_and_bound_to_it(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    verdict = quick(bundle, evaluation=samples(), float_model=proto(LINEAR))
    proof = json.loads((bundle.proof / "proof.json").read_text(encoding="utf-8"))
    written = json.loads((bundle.proof / "verdict.json").read_text(encoding="utf-8"))
    assert proof["bundle"] == written["bundle"] == bundle.digest
    assert {key: written[key] for key in verdict.to_json()} == verdict.to_json()
    assert written["contract"] == {"proof": "checked"}
    assert proof["machine"]["cores"] >= 1
    assert proof["machine"]["cpu"]
    assert proof["evaluation"]["samples"] == 40
    assert proof["evaluation"]["outputs"]["y"]["against_float"]["exact"] is True
    assert proof["placement"]["kernels"][0]["provider"] == "CPUExecutionProvider"
    assert [latency["threads"] for latency in proof["latency"]] == [1]
    assert sorted(file.name for file in bundle.proof.iterdir()) == ["proof.json", "report.html", "verdict.json"]
    bundle.verify()  # the payload is untouched


def test_nothing_is_written_when_not_asked(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    quick(bundle, write=False)
    assert not bundle.proof.exists()


def test_the_folder_may_stand_for_the_bundle(pack):
    assert quick(pack(proto(LINEAR), [{"x": X}]).path).word == "proved"


@pytest.mark.parametrize("form", ["proto", "bytes", "path", "string", "ir", "external"])
def test_the_float_model_may_come_in_any_form(pack, tmp_path, form):
    bundle = pack(proto(LINEAR), [{"x": X}])
    model, file = proto(LINEAR), tmp_path / "float.onnx"
    onnx.save(model, file, save_as_external_data=form == "external", size_threshold=0, location="float.bin")
    given = {
        "proto": model,
        "bytes": model.SerializeToString(),
        "path": file,
        "string": str(file),
        "ir": ir.serde.deserialize_model(model),
        "external": file,
    }[form]
    proof = measure(bundle, evaluation=samples(3), float_model=given, latency_runs=1, threads=(1,))
    assert proof.evaluation is not None
    against = proof.evaluation.outputs[0].against_float
    assert against is not None
    assert against.exact
    assert proof.float_bytes is not None
    assert proof.float_bytes >= WEIGHTS.nbytes


# --- what breaks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"max_drop": "0.1pt"}, 10),
        ({"min_accuracy": "99%"}, 11),
        ({"min_sqnr": "60dB"}, 12),
        ({"min_cosine": "0.99999cos"}, 13),
        ({"max_error": "0.001abs"}, 14),
        ({"max_size": "10MB", "max_size_ratio": "0.1x"}, 16),
        ({"min_integer_macs": "90%"}, 20),
        ({"min_sqnr": "60dB", "max_drop": "0.1pt"}, 1),
    ],
)
def test_one_broken_clause_has_its_own_exit_code(pack, flags, code):
    bundle = pack(proto(LINEAR, rounded(0.9)), [{"x": X}])
    verdict = quick(bundle, evaluation=samples(200), float_model=proto(LINEAR), contract=Contract.from_flags(**flags))
    assert (verdict.word, verdict.exit_code) == ("broken", code), verdict.results


def test_twenty_samples_without_a_difference_do_not_prove_one_point(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    one = Contract.from_flags(max_drop="1pt")
    few = quick(bundle, evaluation=samples(20), float_model=proto(LINEAR), contract=one)
    assert (few.word, few.exit_code) == ("inconclusive", 5)
    assert few.results[0].measured == 0
    many = quick(bundle, evaluation=samples(400), float_model=proto(LINEAR), contract=one)
    assert many.word == "proved"


def test_nan_is_found(pack):
    weights = WEIGHTS.copy()
    weights[3, 2] = np.nan
    verdict = quick(pack(proto(LINEAR, weights), [{"x": X}]), evaluation=samples(4), float_model=proto(LINEAR))
    assert verdict.exit_code == 22
    assert verdict.results[0].reason == "4 elements are NaN or infinite in y"


def test_another_model_in_the_bundle_breaks_golden(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    onnx.save(proto(LINEAR, WEIGHTS * 1.1), bundle.model)
    with pytest.raises(BundleError, match="does not have the sha256 of the manifest"):
        quick(bundle)
    manifest = read_manifest(bundle.path / "manifest.json")
    manifest["files"]["model.onnx"] = _entry(bundle.model)
    (bundle.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    verdict = quick(Bundle.open(bundle.path))
    assert verdict.exit_code == 23
    assert verdict.results[1].reason == "not bit-identical to the golden outputs: 20.0 dB"


# --- sequences --------------------------------------------------------------------------------------------------------


def sequences(n: int = 6, steps: int = 4) -> list[list[dict[str, np.ndarray]]]:
    generator = np.random.default_rng(4)
    return [[{"x": generator.normal(size=(1, 8)).astype(np.float32)} for _ in range(steps)] for _ in range(n)]


def test_each_model_carries_its_own_state(pack):
    start = np.zeros((1, 5), np.float32)
    steps = sequences(1)[0]
    golden = [{**steps[0], "h": start}, *steps[1:]]
    bundle = pack(proto(STATEFUL, rounded(0.1)), golden, state={"h": "h_out"})
    proof = measure(bundle, evaluation=sequences(), float_model=proto(STATEFUL), latency_runs=1, threads=(1,))
    assert proof.golden is not None
    assert (proof.golden.steps, proof.golden.exact) == (4, True)
    assert proof.evaluation is not None
    assert (proof.evaluation.samples, proof.evaluation.steps) == (6, 24)
    assert [(output.name, output.carried) for output in proof.evaluation.outputs] == [("y", False), ("h_out", True)]

    signal = noise = 0.0
    for sequence in sequences():
        theirs, ours = np.zeros((1, 5)), np.zeros((1, 5))
        for step in sequence:
            theirs, ours = theirs + step["x"] @ WEIGHTS, ours + step["x"] @ rounded(0.1)
            signal += (np.tanh(theirs) ** 2).sum()
            noise += ((np.tanh(theirs) - np.tanh(ours)) ** 2).sum()
    against = proof.evaluation.outputs[0].against_float
    assert against is not None
    assert against.sqnr_db == pytest.approx(10 * math.log10(signal / noise), abs=0.01)


def test_a_sequence_is_scored_over_its_steps(pack):
    sequence = sequences(1)[0]
    golden = [{**sequence[0], "h": np.zeros((1, 5), np.float32)}, *sequence[1:]]
    bundle = pack(proto(STATEFUL), golden, state={"h": "h_out"})
    labelled = [(steps, np.zeros(4, np.int64)) for steps in sequences()]
    proof = measure(bundle, evaluation=labelled, metric=_metric("top1"), latency_runs=1, threads=(1,))
    assert proof.evaluation is not None
    metric = proof.evaluation.metric
    assert metric is not None
    hits = 0
    for steps in sequences():
        total = np.cumsum([step["x"][0] @ WEIGHTS for step in steps], axis=0)
        hits += int((total.argmax(1) == 0).sum())
    assert metric.value == pytest.approx(hits / 24)
    assert metric.n == 6


def _metric(name: str):
    from edgec.compiler.metrics import metric_named

    return metric_named(name)


# --- what is missing --------------------------------------------------------------------------------------------------


def test_without_samples_and_float_the_rest_is_still_proved(pack):
    verdict = quick(pack(proto(LINEAR), [{"x": X}]), contract=Contract.from_flags(max_size="1MB", max_p95="9s"))
    assert (verdict.word, verdict.exit_code) == ("proved", 0)


def test_a_clause_without_its_evidence_is_unknown(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    verdict = quick(bundle, evaluation=samples(), contract=Contract.from_flags(max_drop="1pt"))
    assert (verdict.word, verdict.exit_code) == ("inconclusive", 5)
    unlabelled = [{"x": sample["x"]} for sample in samples()]
    verdict = quick(bundle, evaluation=unlabelled, contract=Contract.from_flags(min_accuracy="1%"))
    assert verdict.results[0].reason == (
        "the evaluation samples have no labels: add them (npz key `label`, or `labels.csv`)"
    )


def test_labels_that_the_default_metric_does_not_fit_are_no_error(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    strange = [{**sample, "label": np.array(77)} for sample in samples(3)]
    verdict = quick(bundle, evaluation=strange, contract=Contract.from_flags(min_accuracy="1%"))
    assert verdict.results[0].reason == (
        "there are labels but no metric is named (top1 does not fit them: is class 77, the output has 5 classes): "
        "name one with --metric"
    )
    with pytest.raises(SamplesError) as caught:
        quick(bundle, evaluation=strange, metric="top1")
    assert str(caught.value).startswith("label of ")
    assert caught.value.problem == "is class 77, the output has 5 classes"


def test_calibration_samples_used_again_stand_in_the_verdict(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    found = measure(bundle, evaluation=samples(3), latency_runs=1, threads=(1,))
    assert found.evaluation is not None
    known = {"origin": "list", "digest": found.evaluation.digest, "count": 3, "seed": 0}
    again = pack(proto(LINEAR), [{"x": X}], calibration=known)
    verdict = quick(again, evaluation=samples(3), notes=("seen",))
    assert verdict.notes[0] == "seen"
    assert verdict.notes[-1] == (
        "the evaluation samples are the calibration samples: accuracy on new data may be lower"
    )


def test_a_proof_names_the_file_of_the_samples_and_not_where_it_lies(pack, tmp_path):
    np.savez(tmp_path / "eval.npz", x=np.stack([X, X]))
    found = measure(pack(proto(LINEAR), [{"x": X}]), evaluation=tmp_path / "eval.npz", latency_runs=1, threads=(1,))
    assert found.evaluation is not None
    assert found.evaluation.origin == "eval.npz"
    assert str(tmp_path) not in json.dumps(found.to_json()["evaluation"])


def test_fewer_samples_are_drawn_on_request(pack):
    proof = measure(pack(proto(LINEAR), [{"x": X}]), evaluation=samples(), samples=7, latency_runs=1, threads=(1,))
    assert proof.evaluation is not None
    assert proof.evaluation.samples == 7


# --- another machine --------------------------------------------------------------------------------------------------


def test_another_instruction_set_is_checked_not_proved(pack):
    bundle = pack(proto(LINEAR), [{"x": X}], isa="riscv64")
    verdict = quick(bundle, contract=Contract.from_flags(max_p95="1us"))
    assert (verdict.word, verdict.exit_code) == ("checked", 0)
    with pytest.raises(ExecutionRequiredError) as caught:
        quick(bundle, contract=Contract.from_flags(proof="executed"))
    assert str(caught.value) == (
        f"{bundle.path}: the contract asks for proof by execution, which is not possible here: the target's "
        f"instruction set is riscv64, this machine's is {host().isa}. Prove it on the target, "
        'check a receipt of it, or accept proof = "checked"'
    )
    assert caught.value.exit_code == 3


def test_session_options_are_applied_and_their_absence_is_timed(pack):
    bundle = pack(proto(LINEAR), [{"x": X}], session_options={"session.disable_prepacking": "1"})
    proof = measure(bundle, latency_runs=1, threads=(1,))
    assert proof.session_options == {"session.disable_prepacking": "1"}
    assert proof.latency[0].without_options is not None


# --- what the user got wrong ------------------------------------------------------------------------------------------


def test_a_limit_that_does_not_fit_the_metric_is_found_before_anything_runs(pack):
    with pytest.raises(ContractError, match="'1dB' does not fit the metric top1"):
        quick(pack(proto(LINEAR), [{"x": X}]), metric="top1", contract=Contract.from_flags(max_drop="1dB"))


def test_another_models_float_is_refused(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    other = proto(LINEAR.replace("float[1, 5] y)", "float[1, 5] logits)").replace("y =", "logits ="))
    with pytest.raises(ModelError) as caught:
        quick(bundle, evaluation=samples(2), float_model=other)
    assert str(caught.value) == (
        "float model: has outputs logits; the bundle has y. Give the model that this bundle was compiled from."
    )
    wide = proto(LINEAR.replace("float[1, 5] y", "float[1, n] y"), np.ones((8, 6), np.float32))
    with pytest.raises(ModelError, match=r"differs between bundle and float: shape \[1, 5\] against \[1, 6\]"):
        quick(bundle, evaluation=samples(2), float_model=wide)


def test_a_float_model_that_is_no_model(pack, tmp_path):
    bundle = pack(proto(LINEAR), [{"x": X}])
    with pytest.raises(ModelError) as caught:
        quick(bundle, float_model=tmp_path / "nowhere.onnx")
    assert caught.value.problem == "cannot be read: No such file or directory"
    (tmp_path / "text.onnx").write_text("hello, this is text", encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        quick(bundle, float_model=tmp_path / "text.onnx")
    assert caught.value.problem == "cannot be read: it is not an ONNX file"


def test_a_proof_that_cannot_be_written_is_an_error(pack):
    bundle = pack(proto(LINEAR), [{"x": X}])
    in_the_way = bundle.proof / "proof.json"
    in_the_way.mkdir(parents=True)
    with pytest.raises(OutputError) as caught:
        quick(bundle)
    assert caught.value.affects == "The verdict stands, its record does not"
    assert list(bundle.proof.iterdir()) == [in_the_way]  # and no partial file


def test_progress_is_told_samples_and_thread_counts(pack):
    from contextlib import contextmanager

    told: list[tuple[str, int | None, int]] = []

    class Watcher:
        @contextmanager
        def stage(self, name, total=None):
            done = 0

            def advance(units):
                nonlocal done
                done += units

            yield advance
            told.append((name, total, done))

    prove(pack(proto(LINEAR), [{"x": X}]), evaluation=samples(5), latency_runs=1, threads=(1, 2), progress=Watcher())
    assert told == [("prove", 5, 5), ("latency", 2, 2)]
