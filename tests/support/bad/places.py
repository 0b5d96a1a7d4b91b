# ruff: noqa: E501 (messages are tested as they are: in one piece)
"""Outputs that cannot be written, and bundles that are not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.classifier import classifier, images, save_npz

from edgec.bundle import read_manifest
from edgec.targets import target_names

from .case import DATA, Case

__all__ = ["CASES"]

KNOWN = ", ".join(target_names())


def _compiling(*more: str) -> tuple[str, ...]:
    return ("compile", "model.onnx", *DATA, "--no-prove", *more)


def _altered(name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        file = folder / "out" / name
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    return make


def _manifest(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        file = folder / "out" / "manifest.json"
        values = read_manifest(file)
        change(values)
        file.write_text(json.dumps(values), encoding="utf-8")

    return make


def _feeds(**arrays: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: save_npz(folder / "feeds.npz", **arrays)


def _gone(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "out" / name).unlink()


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def _other_model(folder: Path) -> None:
    model = classifier()
    model.graph.node[-1].output[0] = model.graph.output[0].name = "scores"
    (folder / "other.onnx").write_bytes(model.SerializeToString())


_RUN = ("run", "out", "--input", "feeds.npz")

CASES = (
    Case(
        name="output exists",
        words=_compiling("-o", "out"),
        message="out: exists. Give --overwrite to replace it, or another -o.",
    ),
    Case(
        name="output is a file",
        words=_compiling("-o", "calib.npz", "--overwrite"),
        message="calib.npz: exists and is not a bundle. --overwrite replaces bundles only, so that nothing else is lost. Remove it yourself, or give another -o.",
    ),
    Case(
        name="output is a folder of something else",
        words=_compiling("-o", "mine", "--overwrite"),
        make=lambda folder: ((folder / "mine").mkdir(), (folder / "mine" / "thesis.txt").write_text("x")),
        message="mine: exists and is not a bundle. --overwrite replaces bundles only, so that nothing else is lost. Remove it yourself, or give another -o.",
    ),
    Case(
        name="output lies below a file",
        words=_compiling("-o", "model.onnx/out"),
        message="model.onnx/out: cannot be created: model.onnx is not a folder. Give another -o.",
    ),
    Case(
        name="output's name is too long",
        words=_compiling("-o", "x" * 300),
        message="x" * 300
        + ": cannot be used: File name too long. Check the path and its permissions, or give another.",
    ),
    Case(
        name="dump folder is a file",
        words=_compiling("-o", "new", "--dump-passes", "calib.npz"),
        message="calib.npz: cannot be made: File exists. Name another folder.",
    ),
    Case(
        name="bundle is missing",
        words=("prove", "uot"),
        message="uot: is not a bundle: manifest.json is missing. Give the folder that `edgec compile -o` wrote.",
    ),
    Case(
        name="bundle has no manifest",
        words=("prove", "out"),
        make=_gone("manifest.json"),
        message="out: is not a bundle: manifest.json is missing. Give the folder that `edgec compile -o` wrote.",
    ),
    Case(
        name="manifest is garbage",
        words=("inspect", "out"),
        make=_text("out/manifest.json", "{"),
        message="out/manifest.json: is not a bundle manifest (",
        starts=True,
    ),
    Case(
        name="manifest is a list",
        words=("inspect", "out"),
        make=_text("out/manifest.json", "[]"),
        message="out/manifest.json: is not a bundle manifest (",
        starts=True,
    ),
    Case(
        name="manifest lacks a key",
        words=("run", "out"),
        make=_manifest(lambda values: values.pop("files")),
        message="out/manifest.json: lacks 'files', or has it in a wrong form. Compile the bundle again.",
    ),
    Case(
        name="manifest is of another time",
        words=("prove", "out"),
        make=_manifest(lambda values: values.update(schema_version="9")),
        message="out/manifest.json: schema_version is '9', this edgec reads '1'. Compile the bundle again with this edgec, or read it with the one that wrote it.",
    ),
    Case(
        name="manifest has a key in a wrong form",
        words=("prove", "out"),
        make=_manifest(lambda values: values.update(target="host")),
        message="out/manifest.json: lacks 'target', or has it in a wrong form. Compile the bundle again.",
    ),
    Case(
        name="manifest leads outside",
        words=("inspect", "out"),
        make=_manifest(lambda values: values["files"].update({"../model.onnx": {"sha256": "", "bytes": 1}})),
        message="out/manifest.json: lists '../model.onnx', which is not inside the bundle. Do not use it: it was altered.",
    ),
    Case(
        name="model is altered",
        words=("prove", "out"),
        make=_altered("model.onnx"),
        message="out/model.onnx: does not have the sha256 of the manifest. Compile the bundle again.",
    ),
    Case(
        name="golden inputs are altered",
        words=("run", "out"),
        make=_altered("golden/inputs.npz"),
        message="out/golden/inputs.npz: does not have the sha256 of the manifest. Compile the bundle again.",
    ),
    Case(
        name="a file is missing",
        words=("inspect", "out"),
        make=_gone("recipe.lock"),
        message="out/recipe.lock: is listed in the manifest but missing. Compile the bundle again.",
    ),
    Case(
        name="a file is left over",
        words=("inspect", "out"),
        make=_text("out/notes.txt", "x"),
        message="out/notes.txt: is not listed in the manifest. Remove it, or compile again.",
    ),
    Case(
        name="the stored proof is garbage",
        words=("inspect", "out"),
        make=lambda folder: (
            (folder / "out" / "proof").mkdir(exist_ok=True),
            _text("out/proof/proof.json", "[]")(folder),
        ),
        message="out/proof/proof.json: is not a proof (",
        starts=True,
    ),
    Case(
        name="feeds are missing",
        words=_RUN,
        message="feeds.npz: cannot be read: No such file or directory. Give an .npz with one array per input.",
    ),
    Case(
        name="feeds are no npz",
        words=_RUN,
        make=_text("feeds.npz", "hello"),
        message="feeds.npz: is not an .npz file. Give an .npz with one array per input.",
    ),
    Case(
        name="feeds lack an input",
        words=_RUN,
        make=_feeds(img=images(1)),
        message="input 'img': is not an input of the model. The model's inputs are: image.",
    ),
    Case(
        name="feeds have another dtype",
        words=_RUN,
        make=_feeds(image=images(1).astype(np.float64)),
        message="input 'image': has dtype float64, the model needs float32. Convert the array, or declare its preprocessing.",
    ),
    Case(
        name="feeds have another shape",
        words=_RUN,
        make=_feeds(image=images(1)[:, :1]),
        message="input 'image': has shape [1, 1, 8, 8], the model needs [N, 3, 8, 8]. Reshape the array, or declare its preprocessing.",
    ),
    Case(
        name="feeds skip a step",
        words=_RUN,
        make=_feeds(**{"image@0": images(1), "image@2": images(1)}),
        message="feeds.npz: has the steps [0, 2]. Number the steps from 0 without gaps: `name@0`, `name@1`.",
    ),
    Case(
        name="outputs exist",
        words=("run", "out", "-o", "calib.npz"),
        message="calib.npz: exists. Give --overwrite to replace it, or another -o.",
    ),
    Case(
        name="outputs have no folder",
        words=("run", "out", "-o", "nowhere/y.npz"),
        message="nowhere/y.npz: its folder does not exist. Make the folder first.",
    ),
    Case(
        name="float model is missing",
        words=("prove", "out", "--model", "no.onnx"),
        message="no.onnx: cannot be read: No such file or directory. Give the float model's ONNX file.",
    ),
    Case(
        name="float model is another one",
        words=("prove", "out", "--model", "other.onnx", "--evaluation", "eval.npz"),
        make=_other_model,
        message="float model: has outputs scores; the bundle has logits. Give the model that this bundle was compiled from.",
    ),
    Case(
        name="float model is no model",
        words=("prove", "out", "--model", "calib.npz"),
        message="calib.npz: cannot be read: it is not an ONNX file. Give the float model's ONNX file.",
    ),
    Case(
        name="thread counts cannot be read",
        words=("prove", "out", "--threads", "two"),
        message="--threads two: is not a list of numbers above 0. Write it like --threads 1,2.",
    ),
    Case(
        name="target cannot be executed here",
        words=("prove", "out", "--proof", "executed"),
        code=3,
        make=_manifest(lambda values: values["target"].update(isa="sparc")),
        message="out: the contract asks for proof by execution, which is not possible here: the target's instruction set is sparc, ",
        starts=True,
    ),
    Case(
        name="target is unknown, shown",
        words=("targets", "arm46"),
        message=f"target 'arm46': is not known, did you mean 'arm64'? Known are {KNOWN}; a file of your own ends in .toml.",
    ),
)
