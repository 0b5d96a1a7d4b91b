"""Each command on a small classifier: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.classifier import images, save_npz

from edgec.bundle import Bundle, read_manifest
from edgec.compiler.contract import CLAUSE_KINDS
from edgec.compiler.report.units import size

COMPILE = ("compile", "model.onnx", "--calibration", "calib.npz", "--evaluation", "eval.npz")
Edgec = Callable[..., Any]


def lines_of(text: str, name: str) -> list[str]:
    """What a report says behind a name."""
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(name)]


def test_compile_proves_and_says_so(folder: Path, edgec: Edgec) -> None:
    answer = edgec(*COMPILE, "-o", "new", "--min-sqnr", "10dB", "--max-size", "1MB")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith("verdict: proved\n")
    assert lines_of(answer.out, "scheme") == ["a8w8: calibration samples are given"]
    assert lines_of(answer.out, "samples") == ["8 of calib.npz observed (seed 0)"]
    assert lines_of(answer.out, "integers")[0] == "1 Conv, 1 Gemm compute in integers"
    assert (folder / "new" / "proof" / "verdict.json").is_file()
    assert not [line for line in answer.out.splitlines() if line != line.rstrip()]


def test_compile_as_json_is_json_alone(folder: Path, edgec: Edgec) -> None:
    answer = edgec(*COMPILE, "-o", "new", "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    values = json.loads(answer.out)
    assert values["bundle"] == str(folder / "new")
    assert values["verdict"]["word"] == "proved"
    assert values["proof"]["bundle"] == values["digest"]
    assert values["nodes"]["computing"] == {"Conv": 1, "Gemm": 1}
    assert values["samples"]["calibration"]["count"] == 8
    assert set(values["seconds"]) == {"load", "observe", "passes", "search", "pack", "prove"}


@pytest.mark.parametrize(
    ("limits", "code", "ending"),
    [
        (("--max-size", "1KB"), CLAUSE_KINDS["size"].exit_code, "verdict: broken; broken: size\n"),
        (("--max-size", "1KB", "--min-sqnr", "99dB", "--no-search"), 1, "verdict: broken; broken: sqnr, size\n"),
        (("--min-accuracy", "50%"), 5, "verdict: inconclusive; inconclusive: accuracy\n"),
    ],
)
def test_the_exit_code_is_the_verdicts(
    limits: tuple[str, ...], code: int, ending: str, folder: Path, edgec: Edgec
) -> None:
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=_half_right(folder, edgec))
    answer = edgec(*COMPILE, "-o", "new", *limits)
    assert (answer.code, answer.err) == (code, "")
    assert answer.out.endswith(ending)
    assert (folder / "new" / "manifest.json").is_file()


def _half_right(folder: Path, edgec: Edgec) -> np.ndarray:
    """Labels of which the bundle gets every other one."""
    save_npz(folder / "feeds.npz", image=images(6, seed=1))
    assert edgec("run", "out", "--input", "feeds.npz", "-o", "answers.npz").code == 0
    with np.load(folder / "answers.npz") as answers:
        found = answers["logits"].argmax(axis=1)
    return (found + np.arange(6) % 2) % 4


def test_labels_missing_for_a_limit_leave_it_undecided(folder: Path, edgec: Edgec) -> None:
    save_npz(folder / "eval.npz", image=images(6, seed=1))
    answer = edgec(*COMPILE, "-o", "new", "--metric", "top1", "--max-drop", "1pt")
    assert answer.code == 5
    assert "–  accuracy_drop  unknown" in answer.out
    assert answer.out.endswith("verdict: inconclusive; unknown: accuracy_drop\n")


@pytest.mark.usefixtures("folder")
def test_without_data_the_scheme_is_chosen_and_said(edgec: Edgec) -> None:
    answer = edgec("compile", "model.onnx", "-o", "new", "--no-prove")
    assert answer.code == 0
    (scheme,) = lines_of(answer.out, "scheme")
    assert scheme.startswith("w8: no calibration samples, ")
    assert "verdict" not in answer.out


def test_names_of_other_tools_are_understood(folder: Path, edgec: Edgec) -> None:
    words = ("compile", "--model", "model.onnx", "--calibration_data", "calib.npz", "--precision", "int8",
             "--no_per_channel", "--nodes_to_exclude", "^head$", "--output_path", "new", "--no_prove")  # fmt: skip
    assert edgec(*words).code == 0
    options = read_manifest(folder / "new" / "manifest.json")["options"]
    assert options["per_channel"] is False
    assert options["exclude_nodes"] == ["^head$"]


@pytest.mark.usefixtures("folder")
def test_verbose_lists_every_float_node(edgec: Edgec) -> None:
    answer = edgec(*COMPILE, "-o", "new", "--no-prove", "-v", "--exclude-nodes", "^head$")
    assert "Float nodes\n" in answer.out
    assert [line.split() for line in answer.out.splitlines() if line.startswith("head ")] == [
        ["head", "is", "excluded", "by", "name"]
    ]


@pytest.mark.usefixtures("folder")
def test_an_exclusion_that_meets_nothing_is_said(edgec: Edgec) -> None:
    exclusions = ("--exclude-nodes", "hed", "--op-types-to-exclude", "LSTM")
    answer = edgec(*COMPILE, "-o", "new", "--no-prove", *exclusions)
    assert answer.code == 0
    assert answer.err.splitlines() == [
        "edgec: warning: --exclude-nodes hed: no node's name matches",
        "edgec: warning: --op-types-to-exclude LSTM: the model has no such node",
    ]
    assert edgec(*COMPILE, "-o", "new", "--overwrite", "--no-prove", "-q", *exclusions).err == ""


def test_passes_can_be_dumped_and_checked(folder: Path, edgec: Edgec) -> None:
    assert edgec(*COMPILE, "-o", "new", "--no-prove", "--dump-passes", "dump", "--verify-each").code == 0
    names = [file.stem.partition("_")[2] for file in sorted((folder / "dump").iterdir())]
    assert "InsertQdq" in names
    assert names[-1] == "Stamp"


def test_edgec_toml_is_used_where_it_is_and_flags_go_over_it(folder: Path, edgec: Edgec) -> None:
    (folder / "edgec.toml").write_text(
        '[contract]\nsize = "1KB"\nsqnr = "10dB"\n[calibration]\npath = "calib.npz"\nsamples = 4\n', encoding="utf-8"
    )
    answer = edgec("compile", "model.onnx", "-o", "new", "--evaluation", "eval.npz")
    assert (answer.code, answer.err) == (CLAUSE_KINDS["size"].exit_code, "edgec: using ./edgec.toml\n")
    assert lines_of(answer.out, "samples") == ["4 of calib.npz observed (seed 0)"]
    over = ("--overwrite", "--max-size", "1MB", "--samples", "6", "--config", "edgec.toml")
    answer = edgec("compile", "model.onnx", "-o", "new", "--evaluation", "eval.npz", *over)
    assert (answer.code, answer.err) == (0, "")
    assert lines_of(answer.out, "samples") == ["6 of calib.npz observed (seed 0)"]


@pytest.mark.parametrize("words", [("plan", "model.onnx"), ("compile", "model.onnx", "--dry-run")])
def test_a_plan_writes_nothing(words: tuple[str, ...], folder: Path, edgec: Edgec, tree: Callable[[Path], Any]) -> None:
    before = tree(folder)
    answer = edgec(*words, "--calibration", "calib.npz")
    assert (answer.code, answer.err) == (0, "")
    passes = [line.split()[1] for line in answer.out.splitlines() if line[:2].strip().isdigit()]
    assert passes[:3] == ["DropIdentity", "FoldConstants", "FuseConvBn"]
    schemes = [line.split()[0] for line in answer.out.partition("Will it fit")[2].splitlines()[2:]]
    assert schemes == ["float", "fp16", "bf16", "w8", "w4", "d8w8", "a16w8", "a16w4", "a8w8", "a8w4"]
    assert tree(folder) == before


@pytest.mark.usefixtures("folder")
def test_a_plan_as_json_holds_the_recipe(edgec: Edgec) -> None:
    values = json.loads(edgec("plan", "model.onnx", "--calibration", "calib.npz", "--format", "json").out)
    assert values["scheme"] == values["recipe"]["scheme"] == "a8w8"
    schemes = "float fp16 bf16 w8 w4 d8w8 a16w8 a16w4 a8w8 a8w4"
    assert [each["scheme"] for each in values["schemes"]] == schemes.split()
    assert values["compile_peak_bytes"] > 0


def test_a_plan_says_whether_it_fits(folder: Path, edgec: Edgec) -> None:
    (folder / "small.toml").write_text('base = "arm64"\n[limits]\nmemory_bytes = 1000\n', encoding="utf-8")
    answer = edgec("plan", "model.onnx", "--target", "small.toml")
    assert lines_of(answer.out, "memory") == ["1.00 kB on the target"]
    assert [line.split()[-1] for line in answer.out.splitlines()[-4:]] == ["no"] * 4


@pytest.mark.usefixtures("folder")
def test_inspect_a_model(edgec: Edgec) -> None:
    answer = edgec("inspect", "model.onnx")
    assert answer.code == 0
    assert lines_of(answer.out, "inputs") == ["image  float[N, 3, 8, 8]"]
    assert lines_of(answer.out, "parameters") == ["516 (2.06 kB)"]
    assert lines_of(answer.out, "quantized") == ["no"]
    table = answer.out.partition("Operators\n")[2].splitlines()
    assert table[1].split() == ["Conv", "1", "27.6", "k", "99.8%"]
    values = json.loads(edgec("inspect", "model.onnx", "--format", "json").out)
    assert values["opsets"] == {"": 17}
    assert values["macs"] == {"Conv": 27648, "Gemm": 64}
    assert values["nodes"]["computing"] == {"Conv": 1, "Gemm": 1}


@pytest.mark.usefixtures("folder")
def test_inspect_a_quantized_model(edgec: Edgec) -> None:
    answer = edgec("inspect", "out/model.onnx")
    assert lines_of(answer.out, "quantized") == ["already: DequantizeLinear, QuantizeLinear"]
    assert "On host" not in answer.out


def test_inspect_a_bundle_before_and_after_its_proof(folder: Path, edgec: Edgec) -> None:
    answer = edgec("inspect", "out")
    assert answer.code == 0
    assert lines_of(answer.out, "files") == [f"6 files verified, model {size(Bundle.open(folder / 'out').size_bytes)}"]
    assert answer.out.endswith("\nNot proved yet\n")
    proved = edgec("prove", "out", "--evaluation", "eval.npz", "--model", "model.onnx", "--min-cosine", "0.9cos")
    assert (proved.code, proved.err) == (0, "")
    again = edgec("inspect", "out")
    assert again.out.endswith("verdict: proved\n")
    assert again.out.partition("Contract\n")[2] == proved.out.partition("Contract\n")[2]
    values = json.loads(edgec("inspect", "out", "--format", "json").out)
    assert values["verdict"]["word"] == "proved"
    assert values["manifest"]["scheme"] == "a8w8"


@pytest.mark.usefixtures("folder")
def test_prove_as_json(edgec: Edgec) -> None:
    answer = edgec("prove", "out", "--evaluation", "eval.npz", "--threads", "1", "--format", "json")
    values = json.loads(answer.out)
    assert (answer.code, answer.err) == (values["verdict"]["exit_code"], "")
    assert [each["threads"] for each in values["proof"]["latency"]] == [1]


@pytest.mark.usefixtures("folder")
def test_run_replays_the_golden_sample(edgec: Edgec) -> None:
    assert edgec("run", "out").out == "golden: 1 step, identical\n"
    assert json.loads(edgec("run", "out", "--format", "json").out)["golden"]["agrees"] is True


def test_run_answers_feeds(folder: Path, edgec: Edgec) -> None:
    save_npz(folder / "feeds.npz", image=images(3))
    answer = edgec("run", "out", "--input", "feeds.npz", "-o", "answers.npz")
    assert answer.code == 0
    assert answer.out.splitlines()[1].split()[:2] == ["logits", "float32[3,"]
    with np.load(folder / "answers.npz") as answers:
        assert answers["logits"].shape == (3, 4)
    summary = json.loads(edgec("run", "out", "-i", "feeds.npz", "--format", "json").out)["steps"][0]["logits"]
    assert (summary["dtype"], summary["shape"], summary["nonfinite"]) == ("float32", [3, 4], 0)


def test_golden_inputs_can_be_run_as_feeds(folder: Path, edgec: Edgec) -> None:
    assert edgec("run", "out", "--input", "out/golden/inputs.npz", "-o", "answers.npz").code == 0
    with np.load(folder / "answers.npz") as answers, np.load(folder / "out" / "golden" / "outputs.npz") as golden:
        assert np.array_equal(answers["logits"], golden["logits@0"])


def test_run_with_other_golden_outputs_exits_with_their_clause(folder: Path, edgec: Edgec) -> None:
    file = folder / "out" / "golden" / "outputs.npz"
    with np.load(file) as golden:
        save_npz(file, **{"logits@0": -golden["logits@0"]})
    _accept(folder / "out", "golden/outputs.npz")
    answer = edgec("run", "out")
    assert answer.code == CLAUSE_KINDS["golden"].exit_code
    assert answer.out.endswith(": not the same model\n")


def _accept(bundle: Path, name: str) -> None:
    """Bind an altered file into the manifest."""
    from edgec.bundle import sha256_of

    manifest = read_manifest(bundle / "manifest.json")
    manifest["files"][name]["sha256"] = sha256_of(bundle / name)
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_targets_are_listed(edgec: Edgec) -> None:
    from edgec.targets import target_names

    answer = edgec("targets")
    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()[1:]] == list(target_names())
    values = json.loads(edgec("targets", "--format", "json").out)
    assert [each["name"] for each in values["targets"]] == list(target_names())


def test_a_target_is_shown_with_its_sources(edgec: Edgec) -> None:
    from edgec.targets import find_target

    target = find_target("arm64")
    answer = edgec("targets", "arm64")
    for fact in target.facts:
        assert f"{fact.source}" in answer.out
        assert f"{fact.date}" in answer.out
    values = json.loads(edgec("targets", "arm64", "--format", "json").out)
    assert len(values["rules"]) == len(target.rules)
    assert values["facts"][0]["source"] == target.facts[0].source


def test_a_target_of_ones_own(folder: Path, edgec: Edgec) -> None:
    (folder / "board.toml").write_text('base = "arm64"\ndescription = "My board"\n', encoding="utf-8")
    assert lines_of(edgec("targets", "board.toml").out, "description") == ["My board"]
