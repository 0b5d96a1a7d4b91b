"""PyTorch models through the doors of the compiler: options, project files, keys of a build, two processes alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.building.job import jobs_of, request_of_job
from edgec.compiler.building.key import bundle_key
from edgec.compiler.cli.values import dynamic
from edgec.compiler.depfile import sources_of
from edgec.compiler.load import load_model
from edgec.errors import ContractError, OptionError

pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

CODE = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, {width}), torch.nn.Tanh())
"""
PROJECT = """
[model]
path = "{net}:build"
dynamic = {{ input = "rows,5" }}

[targets.host]

[calibration]
path = "calib.npz"
"""


def desk(folder: Path, net: str, width: int = 3) -> Path:
    """A folder with a module, samples and a project file."""
    (folder / f"{net}.py").write_text(CODE.format(width=width), encoding="utf-8")
    (folder / "edgec.toml").write_text(PROJECT.format(net=net), encoding="utf-8")
    np.savez(folder / "calib.npz", input=np.ones((4, 5), np.float32))
    return folder / "edgec.toml"


def test_a_build_knows_a_module_by_what_it_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = []
    for net, width in (("net_a", 3), ("net_b", 4), ("net_c", 3)):
        (job,) = jobs_of([desk(tmp_path, net, width)], tmp_path / "out")
        assert job.name == f"{net}/host"
        request = request_of_job(job)
        keys.append(bundle_key(request))
        assert (tmp_path / f"{net}.py").resolve() in {path.resolve() for path in sources_of(request)}
        (value,) = load_model(request.source).model.graph.inputs
        assert str(value.shape) == "[rows,5]"
    assert keys[0] != keys[1]
    loaded = load_model(request.source)
    assert loaded.digest == load_model(request.source).digest


def test_two_processes_export_the_same_bytes(tmp_path: Path) -> None:
    desk(tmp_path, "net_same")
    code = (
        "from edgec.compiler.sources.torch.model import TorchModel; from edgec.compiler.load import load_model; "
        "print(load_model(TorchModel(given='net_same:build', samples='calib.npz')).digest)"
    )
    digests = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_dimensions_as_they_are_written() -> None:
    assert dynamic(["image=batch,3, height,width"]) == {"image": ("batch", 3, "height", "width")}
    for text in ("image", "=3", "image=", "image=0,b", "image=a,,b"):
        with pytest.raises(OptionError) as caught:
            dynamic([text])
        assert str(caught.value) == (
            f"--dynamic {text}: is not NAME=D,D,... with names of dimensions and whole numbers above 0. Write it like "
            "--dynamic image=batch,3,height,width."
        )
    with pytest.raises(OptionError) as caught:
        dynamic(["x=a", "x=b"])
    assert str(caught.value) == "--dynamic x=b: names 'x' a second time. Give each input once."


def test_dimensions_of_a_project_file(tmp_path: Path) -> None:
    file = desk(tmp_path, "net_d")
    file.write_text(file.read_text().replace("rows,5", "rows;5"), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        jobs_of([file], tmp_path / "out")
    assert "dynamic.input: 'rows;5' is no list of names of dimensions and whole numbers above 0" in str(caught.value)
