"""What `edgec compile` takes as an option `edgec.toml` can say, too: the same request comes of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from edgec.compiler.building.job import jobs_of, request_of_job
from edgec.compiler.clauses import CLAUSE_KINDS
from edgec.compiler.cli.app import app
from edgec.compiler.metrics import Metric
from edgec.compiler.request import CompileRequest

Edgec = Callable[..., Any]

# Option → how it is written on the command line and in the file, behind the path of [model].
SAID: dict[str, tuple[tuple[str, ...], str]] = {
    "shape": (("--shape", "image=1,3,8,8"), "[compile]\nshapes = { image = [1, 3, 8, 8] }"),
    "state": (("--state", "h=h_out"), '[state]\nh = "h_out"'),
    "calibration": (("--calibration", "calib.npz"), '[calibration]\npath = "calib.npz"'),
    "evaluation": (("--evaluation", "eval.npz"), '[evaluation]\npath = "eval.npz"'),
    "samples": (
        ("--calibration", "calib.npz", "--samples", "4"),
        '[calibration]\npath = "calib.npz"\nsamples = 4',
    ),
    "seed": (("--seed", "7"), "[compile]\nseed = 7"),
    "metric": (("--metric", "top5"), '[metric]\nname = "top5"'),
    "metric_output": (
        ("--metric", "top1", "--metric-output", "logits"),
        '[metric]\nname = "top1"\noutput = "logits"',
    ),
    "bake_input": (("--input", "image:uint8,nhwc"), '[model.inputs.image]\ndtype = "uint8"\nlayout = "nhwc"'),
    "bake_output": (("--postprocess", "logits:softmax"), "[model.outputs.logits]\nsoftmax = true"),
    "adapter": (("--adapter", "law={here}/law"), 'adapters = { law = "law" }'),
    "adapter_map": (("--adapter-map", "a.*.b=/a.*/b"), 'adapter_map = { "a.*.b" = "/a.*/b" }'),
    "merge_adapter": (("--merge-adapter", "{here}/law"), 'merge_adapter = "law"'),
    "license": (("--license", "Apache-2.0"), 'license = "Apache-2.0"'),
    "scheme": (("--scheme", "a16w8"), '[compile]\nscheme = "a16w8"'),
    "per_channel": (("--no-per-channel",), "[compile]\nper_channel = false"),
    "recurrent": (("--recurrent", "dynamic"), '[compile]\nrecurrent = "dynamic"'),
    "block_size": (("--block-size", "64"), "[compile]\nblock_size = 64"),
    "zero_points": (("--zero-points",), "[compile]\nzero_points = true"),
    "double_scales": (("--double-scales", "--scheme", "nf4"), '[compile]\ndouble_scales = true\nscheme = "nf4"'),
    "kv_cache": (("--kv-cache", "int8"), '[compile]\nkv_cache = "int8"'),
    "long_inputs": (("--long-inputs",), "[compile]\nlong_inputs = true"),
    "product_tables": (("--product-tables", "8"), "[compile]\nproduct_tables = 8"),
    "keep": (("--keep", "lm_head=int8"), '[compile]\nkeep = ["lm_head=int8"]'),
    "target_bpw": (("--target-bpw", "3.5"), "[compile]\ntarget_bpw = 3.5"),
    "fit_bits": (("--fit-bits", "--max-size", "1MB"), '[compile]\nfit_bits = true\n[contract]\nsize = "1MB"'),
    "weight_form": (("--weight-form", "packed"), '[compile]\nweight_form = "packed"'),
    "in_turn": (("--in-turn", "--rounding", "gptq"), '[compile]\nin_turn = true\nrounding = "gptq"'),
    "reduce_range": (("--reduce-range",), "[compile]\nreduce_range = true"),
    "reduce_range_auto": (("--reduce-range-auto",), "[compile]\nreduce_range_auto = true"),
    "reduce_range_nodes": (("--reduce-range-node", "^stem"), '[compile]\nreduce_range_nodes = ["^stem"]'),
    "calibration_method": (("--calibration-method", "mse"), '[compile]\ncalibration_method = "mse"'),
    "percentile": (("--percentile", "99.9"), "[compile]\npercentile = 99.9"),
    "ranges": (("--range", "a=-1:1"), '[compile]\nranges = ["a=-1:1"]'),
    "split_concats": (("--split-concat", "^cat"), '[compile]\nsplit_concats = ["^cat"]'),
    "equalize": (("--equalize",), "[compile]\nequalize = true"),
    "balance": (("--balance",), "[compile]\nbalance = true"),
    "smooth": (("--smooth", "0.5"), '[compile]\nsmooth = "0.5"'),
    "awq": (("--awq",), "[compile]\nawq = true"),
    "rotate": (("--rotate",), "[compile]\nrotate = true"),
    "clip_weights": (("--clip-weights",), "[compile]\nclip_weights = true"),
    "rounding": (("--rounding", "gptq"), '[compile]\nrounding = "gptq"'),
    "bias_correction": (("--bias-correction", "fast"), '[compile]\nbias_correction = "fast"'),
    "prune_channels": (("--prune-channels", "30%"), '[compile]\nprune_channels = "30%"'),
    "prune_heads": (("--prune-heads", "25%"), '[compile]\nprune_heads = "25%"'),
    "prune_layers": (("--prune-layers", "10%"), '[compile]\nprune_layers = "10%"'),
    "prune_budget": (("--prune-budget", "parameters"), '[compile]\nprune_budget = "parameters"'),
    "prune_by": (("--prune-by", "magnitude"), '[compile]\nprune_by = "magnitude"'),
    "prune_exclude": (("--prune-exclude", "^stem"), '[compile]\nprune_exclude = ["^stem"]'),
    "sparsity": (("--sparsity", "2:4"), '[compile]\nsparsity = "2:4"'),
    "sparsity_by": (("--sparsity-by", "wanda"), '[compile]\nsparsity_by = "wanda"'),
    "exclude_nodes": (("--exclude-nodes", "^head"), '[compile]\nexclude_nodes = ["^head"]'),
    "op_types_to_quantize": (("--op-types-to-quantize", "Conv"), '[compile]\nonly_ops = ["Conv"]'),
    "op_types_to_exclude": (("--op-types-to-exclude", "Gemm"), '[compile]\nexclude_ops = ["Gemm"]'),
    "search": (("--no-search",), "[compile]\nsearch = false"),
    "recipe": (("--recipe", "{here}/out"), '[compile]\nrecipe = "out"'),
    "context": (("--context",), "[compile]\ncontext = true"),
    "ort": (("--ort",), "[compile]\nort = true"),
    "diagnose": (("--no-diagnose",), "[compile]\ndiagnose = false"),
    "probe": (("--no-probe",), "[compile]\nprobe = false"),
    "proof": (("--proof", "executed"), '[contract]\nproof = "executed"'),
    **{
        kind.option: ((kind.flag, kind.example), f'[contract]\n{kind.key} = "{kind.example}"')
        for kind in CLAUSE_KINDS.values()
        if kind.flag
    },
}
# Option → why the file cannot say it, or says it otherwise.
APART = {
    "model": "[model] path",
    "model_option": "the same",
    "weights": "[model] weights, which an ONNX file has no use for: tests/compiler/exploring/test_candidate.py",
    "dynamic": "[model] dynamic, the same",
    "target": "[targets.NAME], and target in it",
    "config": "it names the file",
    "output": "edgec build -o",
    "overwrite": "a build replaces the bundles it made",
    "prove": "a build proves what it makes",
    "report": "a build writes it, as it proves",
    "depfile": "edgec build --depfile",
    "dry_run": "edgec plan",
    "threads": "of the machine that compiles, not of the project: edgec build --jobs",
    "max_memory": "of the machine that compiles: edgec build --max-memory",
    "cache": "of the machine that compiles: edgec build --cache",
    "cache_dir": "of the machine that compiles: edgec build --cache-dir",
    "dump_passes": "for one look at one compile",
    "verify_each": "for one look at one compile",
    "format": "of who calls it",
    "verbose": "of who calls it",
    "quiet": "of who calls it",
    "log_level": "of who calls it",
}
# Of a request, what says where things go and who watches.
_ELSEWHERE = {"model", "output", "overwrite", "progress", "observers", "proving"}


@pytest.fixture
def requested(edgec: Edgec, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CompileRequest]:
    """The request that a command line comes to."""

    def call(*words: str) -> CompileRequest:
        found: list[CompileRequest] = []

        def keep(request: CompileRequest) -> None:
            found.append(request)
            raise SystemExit  # it ends a command that is not to run

        monkeypatch.setattr("edgec.compiler.compile.compile_request", keep)
        with pytest.raises(SystemExit):
            edgec("compile", "model.onnx", "-o", "new", *words)
        return found[0]

    return call


def plain(request: CompileRequest) -> dict[str, Any]:
    found = {each.name: getattr(request, each.name) for each in dataclasses.fields(request)}
    for name in ("calibration", "evaluation"):  # a project names them from its folder
        found[name] = None if found[name] is None else str(Path(found[name]).absolute())
    found["recipe"] = None if found["recipe"] is None else found["recipe"].absolute()
    metric, state = found["metric"], found["state"]
    found["metric"] = None if metric is None else (metric.name, _score(metric))
    found["state"] = dict(state.carried), {name: np.shape(array) for name, array in state.start.items()}
    return {name: value for name, value in found.items() if name not in _ELSEWHERE}


def _score(metric: Metric) -> float:
    """What tells the output a metric looks at: it is right in one of two, and that is not the first."""
    outputs = {"first": np.array([[1.0, 0, 0, 0, 0, 0]]), "logits": np.array([[0, 1.0, 0, 0, 0, 0]])}
    return float(metric.record(outputs, np.array(1))[0])


def options_of_compile() -> list[str]:
    command = typer.main.get_command(app).commands["compile"]  # type: ignore[attr-defined]
    return [str(param.name) for param in command.params]


def test_every_option_has_a_key_or_a_reason() -> None:
    options = {name for name in options_of_compile() if name != "help"}
    assert options - SAID.keys() - APART.keys() == set()
    assert (SAID.keys() | APART.keys()) - options == set()
    assert SAID.keys() & APART.keys() == set()


@pytest.mark.parametrize("option", SAID)
def test_flag_and_key_ask_for_the_same(option: str, folder: Path, requested: Callable[..., CompileRequest]) -> None:
    words, text = SAID[option]
    by_flag = requested(*(word.replace("{here}", str(folder)) for word in words))
    file = folder / "project.toml"
    file.write_text(f'[model]\npath = "model.onnx"\n{text}\n[targets.host]\n', encoding="utf-8")
    by_file = requested("--config", "project.toml")
    (job,) = jobs_of([file], folder / "build")
    by_build = request_of_job(job)
    assert plain(by_flag) == plain(by_file) == plain(by_build)
    assert plain(by_flag) != plain(requested())


def test_a_key_of_one_target_goes_over_that_of_all_and_a_flag_over_both(
    folder: Path, requested: Callable[..., CompileRequest]
) -> None:
    text = """[model]\npath = "model.onnx"\n[compile]\nort = true\nprobe = false\n[targets.host]\n[targets.board]
target = "raspberry-pi-4"\nort = false\nrecipe = "out"\n"""
    (folder / "edgec.toml").write_text(text, encoding="utf-8")
    host, board = (request_of_job(job) for job in jobs_of([folder / "edgec.toml"], folder / "build"))
    assert (host.ort, host.probe, host.recipe, host.search) == (True, False, None, True)
    assert (board.ort, board.probe, board.target) == (False, False, "raspberry-pi-4")
    assert board.recipe == folder / "out"
    by_flag = requested("-t", "board", "--ort", "--probe")
    assert (by_flag.ort, by_flag.probe, by_flag.target, by_flag.recipe) == (
        True,
        True,
        "raspberry-pi-4",
        folder / "out",
    )
    assert requested("--no-ort").ort is False


def test_so_many_evaluation_samples(folder: Path, requested: Callable[..., CompileRequest]) -> None:
    text = '[model]\npath = "model.onnx"\n[evaluation]\npath = "eval.npz"\nsamples = 3\n[targets.host]\n'
    (folder / "edgec.toml").write_text(text, encoding="utf-8")
    (job,) = jobs_of([folder / "edgec.toml"], folder / "build")
    assert request_of_job(job).evaluation_samples == requested().evaluation_samples == 3
    assert requested("--evaluation", "calib.npz").evaluation_samples is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[compile]\nort = 1", "edgec.toml: compile.ort: is an integer, true or false is needed. Write true or false."),
        ("[targets.host]\ncontxt = true", "edgec.toml: targets.host.contxt: unknown key, did you mean 'context'?"),
    ],
)
def test_wrong_ones_name_their_place(text: str, message: str, folder: Path, edgec: Edgec) -> None:
    (folder / "edgec.toml").write_text(f'[model]\npath = "model.onnx"\n{text}\n', encoding="utf-8")
    answer = edgec("build")
    assert answer.code == 2
    assert answer.err.startswith(f"edgec: error: {message}")
