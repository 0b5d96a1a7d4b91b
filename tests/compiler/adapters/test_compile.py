"""Bundles with adapters: as close to merged float as the base is to float, switched without loading again, proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from support.lowrank import WIDTH, factors, merged, model, modules, weights, write_peft

import edgec
from edgec.bundle import Bundle
from edgec.errors import BundleError, HostError, ModelError, OptionError
from edgec.runtimes import ort
from edgec.runtimes.adapters import adapted, write_adapter
from edgec.runtimes.fake import FakeRuntime

W = weights()
GIVEN = {
    "law": factors({"q_proj": 4, "v_proj": 4}, 1, 0.1),
    "tone": factors({"o_proj": 2, "down_proj": 8}, 2, 0.1),
    "all": factors({"proj": 16}, 3, 0.1),
}
# alpha by rank: PEFT's alpha is one number for all ranks of an adapter.
ALPHA = {"law": 8.0, "tone": 4.0, "all": 32.0}
RNG = np.random.default_rng(7)
SAMPLES = [{"x": RNG.standard_normal((5, WIDTH)).astype(np.float32)} for _ in range(4)]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: write_peft(tmp_path / name, given) for name, given in GIVEN.items()}


def compiled(tmp_path: Path, folders: dict[str, Path], **options: Any) -> Bundle:
    how = {"scheme": "w4", "output": tmp_path / "out", "adapters": folders, "cache": False, "report": False, **options}
    return edgec.compile(how.pop("model", None) or model(W), **how)


def float_answers(given: dict[str, np.ndarray], feeds: dict[str, np.ndarray]) -> np.ndarray:
    found: np.ndarray = onnxruntime.InferenceSession(model(given).SerializeToString()).run(None, feeds)[0]
    return found


def merged_weights(name: str) -> dict[str, np.ndarray]:
    return merged(W, GIVEN[name], dict.fromkeys(range(17), ALPHA[name]))


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("packed", [False, True], ids=["apart", "packed"])
@pytest.mark.parametrize("scheme", ["float", "w4"])
def test_three_adapters_are_within_the_error_of_the_base(
    tmp_path: Path, folders: dict[str, Path], scheme: str, packed: bool
) -> None:
    bundle = compiled(tmp_path, folders, scheme=scheme, model=model(W, packed=packed), prove=False)
    errors: dict[str | None, list[float]] = {name: [] for name in (None, *GIVEN)}
    with bundle.session(threads=1) as session:
        for feeds in SAMPLES:
            wanted = float_answers(W, feeds)
            for name, seen in errors.items():
                target = wanted if name is None else float_answers(merged_weights(name), feeds)
                assert name is None or relative(wanted, target) > 0.05  # it does something
                seen.append(relative(session.run(feeds, name)["y"], target))
    base = max(1e-6, float(np.mean(errors.pop(None))))
    assert {name: float(np.mean(seen)) <= 1.25 * base for name, seen in errors.items()} == dict.fromkeys(GIVEN, True)


def test_switching_opens_nothing_again(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = compiled(tmp_path, folders, prove=False)
    opened: list[object] = []
    start = ort.start_session
    monkeypatch.setattr(ort, "start_session", lambda *given: (opened.append(given), start(*given))[1])
    with bundle.session() as session:
        first = {name: session.run(SAMPLES[0], name)["y"] for name in (None, *GIVEN)}
        again = {name: session.run(SAMPLES[0], name)["y"] for name in reversed((None, *GIVEN))}
    assert len(opened) == 1
    for name, answer in first.items():
        np.testing.assert_array_equal(answer, again[name])
        np.testing.assert_array_equal(answer, bundle.run(SAMPLES[0], name)["y"])


def test_the_manifest_lists_them_and_the_same_input_gives_the_same_bytes(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    bundle = compiled(tmp_path, folders, prove=False)
    said = bundle.manifest["adapters"]
    assert {name: (each["file"], each["origin"], each["linears"], each["ranks"]) for name, each in said.items()} == {
        "law": ("adapters/law.onnx_adapter", "law", 4, [4]),
        "tone": ("adapters/tone.onnx_adapter", "tone", 4, [2, 8]),
        "all": ("adapters/all.onnx_adapter", "all", 14, [16]),
    }
    assert {each["file"] for each in said.values()} < set(bundle.manifest["files"])
    bundle.verify()
    assert bundle.digest == compiled(tmp_path, folders, output=tmp_path / "again", prove=False).digest


def test_a_bundle_is_run_as_its_users_do(tmp_path: Path, folders: dict[str, Path]) -> None:
    """A plain session and ONNX Runtime's own words, nothing of edgec's."""
    bundle = compiled(tmp_path, folders, prove=False)
    session = onnxruntime.InferenceSession(str(bundle.model))
    adapter = onnxruntime.LoraAdapter()
    adapter.Load(str(bundle.adapter("law")))
    options = onnxruntime.RunOptions()
    options.add_active_adapter(adapter)
    with bundle.session() as ours:
        np.testing.assert_allclose(
            session.run(None, SAMPLES[0], options)[0], ours.run(SAMPLES[0], "law")["y"], rtol=1e-4, atol=1e-5
        )


def test_of_two_active_adapters_the_first_counts(tmp_path: Path, folders: dict[str, Path]) -> None:
    """They do not add up: an input that both bring is the first one's, what only the second brings is its own."""
    bundle = compiled(tmp_path, folders, scheme="float", prove=False)
    session = onnxruntime.InferenceSession(str(bundle.model))
    loaded = {}
    for name in GIVEN:
        loaded[name] = onnxruntime.LoraAdapter()
        loaded[name].Load(str(bundle.adapter(name)))

    def answer(*names: str) -> np.ndarray:
        options = onnxruntime.RunOptions()
        for name in names:
            options.add_active_adapter(loaded[name])
        found: np.ndarray = session.run(None, SAMPLES[0], options)[0]
        return found

    apart = merged(merged_weights("law"), GIVEN["tone"], dict.fromkeys(range(17), ALPHA["tone"]))
    np.testing.assert_allclose(answer("law", "tone"), float_answers(apart, SAMPLES[0]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        answer("all", "law"), float_answers(merged_weights("all"), SAMPLES[0]), rtol=1e-3, atol=1e-4
    )


def test_the_proof_covers_every_adapter(tmp_path: Path, folders: dict[str, Path]) -> None:
    contract = {"sqnr": "10dB"}
    bundle = compiled(tmp_path, folders, evaluation=SAMPLES, contract=contract, probe=False)
    proof = json.loads((bundle.proof / "proof.json").read_text())
    for name in GIVEN:
        found = proof["adapters"][name]
        assert found["golden"]["exact"]
        against = found["evaluation"]["outputs"]["y"]["against_float"]
        answers = np.concatenate([bundle.run(feeds, name)["y"] for feeds in SAMPLES])
        wanted = np.concatenate([float_answers(merged_weights(name), feeds) for feeds in SAMPLES])
        np.testing.assert_allclose(against["sqnr_db"], -20 * np.log10(relative(answers, wanted)), atol=0.2)
    verdict = json.loads((bundle.proof / "verdict.json").read_text())
    (sqnr,) = (result for result in verdict["results"] if result["id"] == "sqnr")
    base = proof["evaluation"]["outputs"]["y"]["against_float"]["sqnr_db"]
    each = {n: proof["adapters"][n]["evaluation"]["outputs"]["y"]["against_float"]["sqnr_db"] for n in GIVEN}
    worst = min(each, key=lambda name: each[name])
    assert sqnr["measured"] == min(base, each[worst])
    assert sqnr["reason"] == (f"with adapter {worst!r}: worst output: y" if each[worst] < base else "worst output: y")


def test_an_adapter_that_answers_otherwise_breaks_the_golden_clause(tmp_path: Path, folders: dict[str, Path]) -> None:
    bundle = compiled(tmp_path, folders, prove=False)
    file = bundle.path / "golden" / "adapters" / "tone.npz"
    with np.load(file) as archive:
        np.savez(file, **{name: -archive[name] for name in archive.files})  # type: ignore[arg-type]
    manifest = bundle.path / "manifest.json"
    values = json.loads(manifest.read_text())
    said = values["additional_metadata"]["edgec"]["files"]["golden/adapters/tone.npz"]
    said["sha256"] = edgec.bundle.sha256_of(file)
    manifest.write_text(json.dumps(values))
    verdict = Bundle.open(bundle.path).prove(probe=False, report=False, latency_runs=10, threads=(1,))
    (golden,) = (result for result in verdict.results if result.id == "golden")
    assert golden.status == "broken"
    assert golden.reason.startswith("with adapter 'tone': not bit-identical to the golden outputs: -6.0 dB")


def test_float_without_inputs_for_adapters(tmp_path: Path, folders: dict[str, Path]) -> None:
    bundle = compiled(tmp_path, folders, prove=False)
    onnx.save(model(W), tmp_path / "float.onnx")
    how: dict[str, Any] = {"probe": False, "report": False, "latency_runs": 10, "threads": (1,)}
    verdict = bundle.prove(evaluation=SAMPLES, float_model=tmp_path / "float.onnx", **how)
    assert "adapters were not compared with float: the float model given has no inputs for them" in verdict.notes


def test_static_integers_leave_the_adapter_in_float(tmp_path: Path, folders: dict[str, Path]) -> None:
    bundle = compiled(tmp_path, folders, scheme="a8w8", calibration=SAMPLES, search=False, prove=False)
    names = {node.name for node in onnx.load(bundle.model).graph.node if node.op_type == "MatMul"}
    assert sum("_lora_" in name for name in names) == 2 * 14
    wanted = float_answers(merged_weights("law"), SAMPLES[0])
    assert relative(bundle.run(SAMPLES[0], "law")["y"], wanted) < 0.1


def test_names_by_a_map(tmp_path: Path) -> None:
    folder = write_peft(tmp_path / "law", {"model.layers.0.mlp.up_proj": GIVEN["all"]["model.layers.0.mlp.up_proj"]})
    made = model(W, names="none")
    products = [node.name for node in made.graph.node if node.op_type == "MatMul"]
    node = products[list(modules()).index("model.layers.0.mlp.up_proj")]
    bundle = compiled(
        tmp_path, {"law": folder}, model=made, scheme="float", prove=False,
        adapter_map={"model.layers.0.mlp.up_proj": node},
    )  # fmt: skip
    given = {"model.layers.0.mlp.up_proj": GIVEN["all"]["model.layers.0.mlp.up_proj"]}
    wanted = float_answers(merged(W, given, {16: 32.0}), SAMPLES[0])
    np.testing.assert_allclose(bundle.run(SAMPLES[0], "law")["y"], wanted, rtol=1e-3, atol=1e-4)


def test_an_unknown_adapter(tmp_path: Path, folders: dict[str, Path]) -> None:
    bundle = compiled(tmp_path, folders, scheme="float", prove=False)
    with pytest.raises(BundleError) as caught:
        bundle.run(SAMPLES[0], "lore")
    assert str(caught.value) == f"{bundle.path}: has no adapter 'lore'. Its adapters are law, tone, all."
    plain = edgec.compile(model(W), scheme="float", output=tmp_path / "plain", prove=False)
    with pytest.raises(BundleError) as caught:
        plain.run(SAMPLES[0], "law")
    assert str(caught.value) == f"{plain.path}: has no adapter 'law'. Compile it with --adapter NAME=FOLDER."


def test_a_file_that_is_no_adapter(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx_adapter"
    file.write_bytes(b"no")
    session = ort.OrtCpu().open(model(W).SerializeToString())
    with pytest.raises(BundleError) as caught:
        adapted(session, file)
    assert str(caught.value).startswith(f"{file}: is no adapter: ")


def test_adapters_are_of_this_process(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx_adapter"
    write_adapter(file, {"a": np.ones((2, 2), np.float32)})
    with pytest.raises(HostError) as caught:
        adapted(FakeRuntime(answer=dict, inputs=(), outputs=()).open(tmp_path), file)
    assert str(caught.value) == (f"{file}: is made active in this process only. Run it with --on onnxruntime-cpu.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target": "snapdragon-8-gen-3"},
            "--adapter: is switched on by ONNX Runtime's CPU provider, and target snapdragon-8-gen-3 runs elsewhere. "
            "Merge it into the weights with --merge-adapter FOLDER, one bundle for each.",
        ),
        ({"ort": True}, "--adapter: and --ort do not go together. Leave --ort out, or merge the adapter."),
    ],
)
def test_targets_without_adapters(
    tmp_path: Path, folders: dict[str, Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path, folders, prove=False, **options)
    assert str(caught.value) == message


def test_a_name_that_is_no_file(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path, {"../law": folders["law"]}, prove=False)
    assert str(caught.value) == (
        "--adapter ../law=: is no name of letters, digits, `.`, `_` and `-`. Name it like support-de."
    )


def test_a_module_of_another_model(tmp_path: Path) -> None:
    folder = write_peft(tmp_path / "law", {"model.layers.7.mlp.up_proj": (np.ones((1, 64)), np.ones((160, 1)))})
    with pytest.raises(ModelError, match=r"module 'model\.layers\.7\.mlp\.up_proj': is no linear of the graph"):
        compiled(tmp_path, {"law": folder}, prove=False)
