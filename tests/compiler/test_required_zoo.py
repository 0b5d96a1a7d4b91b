"""What `--ort` says a build needs, on every real model: nothing that ONNX Runtime makes a kernel for is left out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from feeds import read_samples, write_samples
from models import MODELS, ZooModel
from support.reduced import lacking

import edgec
from edgec.compiler.ort_format import REQUIRED, make_ort
from edgec.compiler.samples.base import State
from edgec.targets import find_target

SAMPLES = 2
OTHERS = ("x86-64-vnni", "pixel-8-nnapi")  # uint8 activations; fused as it opens


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize("scheme", ["auto", "d8w8"])
@pytest.mark.parametrize("each", MODELS.values(), ids=list(MODELS))
def test_a_reduced_build_opens_it(each: ZooModel, scheme: str, tmp_path: Path) -> None:
    source = each.path
    if not source.is_file():
        pytest.skip(f"{each.name} is not in the zoo: `make bench-zoo` builds it")
    file = tmp_path / "samples.npz"
    write_samples(each.task, SAMPLES, file)
    bundle = edgec.compile(
        source,
        target="android-cpu",
        scheme=scheme,
        calibration=file if each.task.uniform else read_samples(file),
        state=State(carried=each.task.carried, start=each.task.start),
        ort=True,
        output=tmp_path / "out",
        prove=False,
        search=False,
        cache=False,
    )
    complete(bundle.path, bundle.manifest["ort"])
    for target in OTHERS:
        folder = tmp_path / target
        folder.mkdir()
        for file in bundle.path.glob("model.onnx*"):
            shutil.copyfile(file, folder / file.name)
        complete(folder, make_ort(folder / "model.onnx", find_target(target)))


def complete(folder: Path, made: dict[str, Any]) -> None:
    """What is listed is all that a session needs, with and without the options it is opened with."""
    (folder / "opening").mkdir()
    copy = shutil.copyfile(folder / made["model"], folder / "opening" / "model.ort")
    for config in (made["session_options"], {}):
        assert lacking(folder / REQUIRED, copy, config) == []
