# ruff: noqa: E501 (messages are tested as they are: in one piece)
"""Options and project files that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgec.targets import target_names

from .case import COMPILE, DATA, Case, compiling

__all__ = ["CASES"]

KNOWN = ", ".join(target_names())


def _file(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def _toml(text: str) -> Callable[[Path], object]:
    return _file("edgec.toml", text)


def _with(*more: str) -> tuple[str, ...]:
    return compiling("model.onnx", *more)


CASES = (
    Case(
        name="no command of that name",
        words=("compil", "model.onnx"),
        message="No such command 'compil'",
        starts=True,
    ),
    Case(
        name="no option of that name",
        words=_with("--calibratoin", "calib.npz"),
        message="No such option: --calibratoin",
        starts=True,
    ),
    Case(
        name="MODEL is not given",
        words=("compile", *DATA, *COMPILE),
        message="MODEL: is missing. Give it as the first word, or with -m/--model.",
    ),
    Case(
        name="MODEL is given twice",
        words=_with("-m", "model.onnx"),
        message="MODEL: is given twice: 'model.onnx' and -m/--model 'model.onnx'. Give it once.",
    ),
    Case(
        name="a word too many",
        words=_with("again.onnx"),
        message="Got unexpected extra argument",
        starts=True,
    ),
    Case(
        name="an alpha beyond 1",
        words=_with("--smooth", "1.5"),
        message="--smooth: '1.5' is not off, auto or a number from 0 to 1. Choose one of them.",
    ),
    Case(
        name="a number is no number",
        words=_with("--seed", "lucky"),
        message="Invalid value for '--seed': ",
        starts=True,
    ),
    Case(
        name="output is not given",
        words=("compile", "model.onnx", *DATA),
        message="-o/--output: is missing. Name the folder of the bundle, say -o out/.",
    ),
    Case(
        name="target is unknown",
        words=_with("--target", "x86-64-vni"),
        message=f"target 'x86-64-vni': is not known, did you mean 'x86-64-vnni'? Known are {KNOWN}; a file of your own ends in .toml.",
    ),
    Case(
        name="target's file is missing",
        words=_with("--target", "board.toml"),
        message="board.toml: does not exist. Give the path of the target's TOML file.",
    ),
    Case(
        name="target's file has an unknown key",
        words=_with("--target", "board.toml"),
        make=_file("board.toml", 'base = "arm64"\nmemroy = 1\n'),
        message="board.toml: memroy: unknown key. Keys here: name, family, description, runtime, isa, providers, provider_options, native, opset, max_opset, max_ir_version, static_shapes, weights_alone, wide_share, golden_margin_db, rules, proof, support, limits, facts.",
    ),
    Case(
        name="scheme is unknown",
        words=_with("--scheme", "int9"),
        message="--scheme int9: is unknown, did you mean 'int8'? Choose one of auto, a8w8 (int8), a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, a2w2, d8w8 (dynamic int8), w8, w4, w3, w2, nf4, fp4, w2e8, w2h, w8f (weights only), fp8, fp16, bf16, float (fp32).",
    ),
    Case(
        name="scheme is not built",
        words=_with("--precision", "mxfp4"),
        message="--scheme mxfp4: is not built in this edgec. Choose one of auto, a8w8 (int8), a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, a2w2, d8w8 (dynamic int8), w8, w4, w3, w2, nf4, fp4, w2e8, w2h, w8f (weights only), fp8, fp16, bf16, float (fp32).",
    ),
    Case(
        name="a8w8 without data",
        words=compiling("model.onnx", "--scheme", "a8w8", data=()),
        message="--scheme a8w8: needs calibration samples: static ranges are measured, never guessed. Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only).",
    ),
    Case(
        name="limit has no unit",
        words=_with("--max-drop", "0.5"),
        message="--max-drop: '0.5' has no unit. Write it like '1pt'; units here: pt, %, dB, abs.",
    ),
    Case(
        name="limit has an unknown unit",
        words=_with("--max-size", "5mb"),
        message="--max-size: unit 'mb' is unknown, did you mean 'MB'? Write it like '5MB'; units here: KB, MB, GB, KiB, MiB, GiB.",
    ),
    Case(
        name="limit is no number",
        words=_with("--max-p95", "fast"),
        message="--max-p95: 'fast' is not a number with a unit. Write it like '10ms'; units here: us, ms, s.",
    ),
    Case(
        name="limit does not fit the metric",
        words=_with("--metric", "top1", "--max-drop", "0.3dB"),
        message="contract: accuracy_drop: '0.3dB' does not fit the metric top1. Write it in 'pt', '%', 'abs'.",
    ),
    Case(
        name="proof is unknown",
        words=_with("--proof", "maybe"),
        message="--proof: 'maybe' is not one of checked, executed. Choose one of them.",
    ),
    Case(
        name="metric is unknown",
        words=_with("--metric", "top2"),
        message="metric 'top2': is not a built-in metric. Choose one of top1, top5, f1, spearman, recall, mse, psnr, auc, perplexity, miou, map, map50, si-snr, ctc, or give module:function.",
    ),
    Case(
        name="metric's module is missing",
        words=_with("--metric", "no_such_module:score"),
        message="metric 'no_such_module:score': cannot be imported: there is no module 'no_such_module'. Give module:function or file.py:function.",
    ),
    Case(
        name="metric's output without a metric",
        words=_with("--metric-output", "logits"),
        message="--metric-output: is given without a metric. Name one with --metric.",
    ),
    Case(
        name="samples is 0",
        words=_with("--samples", "0"),
        message="--samples: 0 is not a positive number. Give at least 1.",
    ),
    Case(
        name="threads is negative", words=_with("--threads", "-1"), message="--threads: -1 is negative. Give 0 or more."
    ),
    Case(
        name="shape cannot be read",
        words=_with("--shape", "image:1,3,8,8"),
        message="--shape image:1,3,8,8: is not NAME=D,D,... with whole numbers above 0. Write it like --shape input=1,3,224,224.",
    ),
    Case(
        name="shape has a 0",
        words=_with("--shape", "image=0,3,8,8"),
        message="--shape image=0,3,8,8: is not NAME=D,D,... with whole numbers above 0. Write it like --shape input=1,3,224,224.",
    ),
    Case(
        name="shape of no input",
        words=_with("--shape", "img=1,3,8,8"),
        message="--shape img=1,3,8,8: the model has no input 'img'. Did you mean 'image'?",
    ),
    Case(
        name="shape contradicts the model",
        words=_with("--shape", "image=1,3,9,9"),
        message="--shape image=1,3,9,9: dimension 2 of input 'image' is fixed to 8 in the model. Give 8, or export the model with a dynamic dimension.",
    ),
    Case(
        name="state cannot be read",
        words=_with("--state", "image"),
        message="--state image: is not INPUT=OUTPUT. Write it like --state state=stateN, once per pair.",
    ),
    Case(
        name="state of no input",
        words=_with("--state", "h=logits"),
        message="state 'h': is not an input of the model. The model's inputs are 'image'.",
    ),
    Case(
        name="state of no output",
        words=_with("--state", "image=h"),
        message="calib.npz: gives 'image', which the state carries from output 'h'. Leave it out of the data; a value to start from goes into the state's start.",
    ),
    Case(
        name="regular expression is broken",
        words=_with("--exclude-nodes", "conv["),
        message="--exclude-nodes conv[: is not a regular expression: unterminated character set at position 4. Escape special characters with a backslash.",
    ),
    Case(
        name="operator type is unknown",
        words=_with("--op-types-to-quantize", "Conv,Gem"),
        message="--op-types-to-quantize Gem: is not an ONNX operator, did you mean 'Gemm'? Write operator types as the model has them; `edgec inspect MODEL` lists them.",
    ),
    Case(
        name="nothing is left to quantize",
        words=_with("--nodes_to_exclude", "."),
        message="graph 'classifier': has no operator that runs in integers on this target (Conv is excluded by name; GlobalAveragePool is excluded by name; Flatten is excluded by name). Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes.",
    ),
    Case(
        name="preprocessing has no such word",
        words=_with("--input", "image:uint8,nwhc"),
        message="--input image:uint8,nwhc: 'nwhc' is no word of it. Write it like --input image:uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225.",
    ),
    Case(
        name="preprocessing of an unknown input",
        words=_with("--input", "imgae:uint8,nhwc"),
        message="--input imgae: is not an input of the model, did you mean 'image'? There is 'image'.",
    ),
    Case(
        name="postprocessing wants more classes than there are",
        words=_with("--postprocess", "logits:topk=5"),
        message="--postprocess logits: has 4 classes, fewer than topk=5. Ask for fewer.",
    ),
    Case(
        name="recipe is missing",
        words=_with("--recipe", "recipe.lock"),
        message="--recipe: recipe.lock cannot be read: No such file or directory. Give a recipe.lock or a bundle.",
    ),
    Case(
        name="recipe is garbage",
        words=_with("--recipe", "recipe.lock"),
        make=_file("recipe.lock", "[1]"),
        message="--recipe: recipe.lock is not a recipe: needs an object at the top. Correct it, or compile without --recipe.",
    ),
    Case(
        name="recipe names an unknown pass",
        words=_with("--recipe", "recipe.lock"),
        make=_file("recipe.lock", '{"scheme": "a8w8", "passes": [{"kind": "FuseConv"}]}'),
        message="--recipe: recipe.lock is not a recipe: passes[0]: kind 'FuseConv' is not one of ",
        starts=True,
    ),
    Case(
        name="config is missing",
        words=_with("--config", "edegc.toml"),
        message="edegc.toml: does not exist. Check the path, or begin a project: edgec init MODEL.",
    ),
    Case(
        name="config is not TOML",
        words=_with("--config", "bad.toml"),
        make=_file("bad.toml", "[contract\n"),
        message="bad.toml: is not TOML: ",
        starts=True,
    ),
    Case(
        name="config has an unknown table",
        words=_with("--config", "bad.toml"),
        make=_file("bad.toml", "[contarct]\n"),
        message="bad.toml: contarct: unknown key, did you mean 'contract'? Keys here: model, inputs, state, metric, contract, calibration, evaluation, compile, targets, search.",
    ),
    Case(
        name="config has an unknown key",
        words=_with("--config", "bad.toml"),
        make=_file("bad.toml", '[contract]\naccuracy_dorp = "1pt"\n'),
        message="bad.toml: contract.accuracy_dorp: unknown key, did you mean 'accuracy_drop'? Keys here: accuracy_drop, accuracy, sqnr, cosine, max_error, size, size_ratio, load_time, p95, latency_ratio, integer_macs, off_provider, p95_ratio, peak_memory, partitions, oldest_onnxruntime, opset, ir_version, proof.",
    ),
    Case(
        name="config has a bare limit",
        words=_with("--config", "bad.toml"),
        make=_file("bad.toml", "[contract]\nsqnr = 20\n"),
        message="bad.toml: contract.sqnr: 20 has no unit. Write it like '20dB'; units here: dB.",
    ),
    Case(
        name="config has a wrong type",
        words=_with("--config", "bad.toml"),
        make=_file("bad.toml", '[calibration]\npath = "calib.npz"\nsamples = "all"\n'),
        message="bad.toml: calibration.samples: is a string, an integer is needed. Write an integer.",
    ),
    Case(
        name="log level is unknown",
        words=_with("--log-level", "loud"),
        message="--log-level: 'loud' is not one of debug, info, warning, error. Choose one of them.",
    ),
    Case(
        name="format is unknown",
        words=_with("--format", "xml"),
        message="Invalid value for '--format': ",
        starts=True,
    ),
)
