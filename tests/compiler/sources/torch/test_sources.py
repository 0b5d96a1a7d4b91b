"""Modules by name, weights from files, programs of torch.export: what is taken, and what is refused in whose words."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.request import CompileRequest
from edgec.compiler.sources.torch.extras import need_torch, need_transformers
from edgec.compiler.sources.torch.model import TorchModel, is_torch
from edgec.errors import MissingExtraError, ModelError, OptionError, SamplesError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
safetensors = pytest.importorskip("safetensors.torch", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.linear = nn.Linear(5, width)

    def forward(self, x, scale=None):
        y = self.linear(x)
        return y if scale is None else y * scale

def build():
    torch.manual_seed(0)
    return Net()

def with_example():
    return Net(), torch.ones(1, 5)

def wrong_example():
    return Net(), {"z": torch.ones(1, 5)}

def raises():
    raise ValueError("no width")

def gives_a_dict():
    return Net().state_dict()

net = Net()
number = 7
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module `my_net` and samples."""
    (tmp_path / "my_net.py").write_text(CODE, encoding="utf-8")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "calib.npz", x=rng.random((6, 5), dtype=np.float32), label=np.arange(6))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_net", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def said(model: TorchModel) -> str:
    with pytest.raises((ModelError, SamplesError, OptionError)) as caught:
        model.export()
    return str(caught.value)


def test_a_module_by_name_takes_its_example_from_the_samples(desk: Path) -> None:
    built = TorchModel(given="my_net:build", samples="calib.npz").export()
    (x,) = built.model.graph.inputs
    assert (x.name, str(x.shape)) == ("x", "[batch,5]")
    assert built.files == ((desk / "my_net.py").resolve(),)
    assert built.notes[0].endswith(" of it on 7 samples")  # the example repeated, and the six there are


@pytest.mark.parametrize("name", ["my_net:with_example", "my_net.py:with_example"])
def test_an_example_may_come_with_the_module(name: str, desk: Path) -> None:
    assert [value.name for value in TorchModel(given=name).export().model.graph.inputs] == ["x"]


def test_a_module_itself_may_be_named(desk: Path) -> None:
    assert TorchModel(given="my_net:net", samples="calib.npz").export().model.graph.inputs[0].name == "x"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "no_net:build",
            "no_net:build: there is no module 'no_net'. Run where the module is, or give `path/to/file.py:build`, "
            "which returns a torch.nn.Module.",
        ),
        (
            "my_net:bild",
            "my_net:bild: 'my_net' has no 'bild'. Run where the module is, or give `path/to/file.py:build`, which "
            "returns a torch.nn.Module.",
        ),
        (
            "my_net:raises",
            'my_net:raises: raised ValueError at my_net.py:25, `raise ValueError("no width")`: no width. Mend the code '
            "that builds the model.",
        ),
        (
            "my_net:gives_a_dict",
            "my_net:gives_a_dict: gave a dict (a state dict?), not a torch.nn.Module. Return a torch.nn.Module, or "
            "(module, example inputs).",
        ),
        (
            "my_net:number",
            "my_net:number: is a int, not a function. Return a torch.nn.Module, or (module, example inputs).",
        ),
        (
            "my_net:build",
            "my_net:build: needs an example of its inputs: there are no samples, and none came with the module. Give "
            "--calibration, or let the function that builds the model return (module, example inputs).",
        ),
        (
            "my_net:wrong_example",
            "my_net:wrong_example: its example inputs do not fit forward(x, scale=None): missing a required argument: "
            "'x'. Return (module, (first, second)) or (module, {'name': tensor}).",
        ),
    ],
)
def test_names_that_give_no_module(name: str, text: str, desk: Path) -> None:
    assert said(TorchModel(given=name)) == text


def test_code_that_cannot_be_imported_is_told_by_its_line(desk: Path) -> None:
    (desk / "torn_net.py").write_text("import torch\nwidth = 3 / 0\n", encoding="utf-8")
    assert said(TorchModel(given="torn_net:build")) == (
        "torn_net:build: raised ZeroDivisionError: division by zero at torn_net.py:2, `width = 3 / 0`. Run where the "
        "module is, or give `path/to/file.py:build`, which returns a torch.nn.Module."
    )


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {"xs": np.zeros((2, 5), np.float32), "scale": np.zeros((2, 3), np.float32)},
            "s.npz[0]: 'xs' is not an argument of forward, did you mean 'x'? The data must give 'x'; or let the "
            "function that builds the model return (module, example inputs).",
        ),
        (
            {"scale": np.zeros((2, 3), np.float32), "label": np.zeros(2)},
            "s.npz[0]: argument 'x' of forward is missing; there is 'scale'. The data must give 'x'; or let the "
            "function that builds the model return (module, example inputs).",
        ),
        (
            {"x": np.zeros((2, 4), np.float32)},
            "my_net:build: forward raised RuntimeError at my_net.py:11, `y = self.linear(x)`: mat1 and mat2 shapes "
            "cannot be multiplied (1x4 and 5x3). It was called on x: float32 [1, 4]. Give samples that the module "
            "takes, or mend it.",
        ),
    ],
)
def test_samples_that_do_not_fit(arrays: dict[str, np.ndarray], text: str, desk: Path) -> None:
    np.savez(desk / "s.npz", **arrays)  # type: ignore[arg-type]
    assert said(TorchModel(given="my_net:build", samples="s.npz")) == text


def test_samples_that_tell_no_inputs(desk: Path) -> None:
    (desk / "story.txt").write_text("once upon a time", encoding="utf-8")
    assert said(TorchModel(given="my_net:build", samples="story.txt")) == (
        "story.txt: does not tell what the module takes: images, tables and text are read for inputs that are known. "
        "Give an .npz of arrays by the names of forward's arguments; or let the function that builds the model return "
        "(module, example inputs)."
    )


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_of_a_file(suffix: str, desk: Path) -> None:
    state = {"linear.weight": torch.full((3, 5), 0.5), "linear.bias": torch.arange(3.0)}
    file = desk / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.save_file(state, file)
    else:
        torch.save({"epoch": 3, "state_dict": state}, file)
    built = TorchModel(given="my_net:build", weights=file, samples="calib.npz").export()
    assert built.files[-1] == file.resolve()
    bias = built.model.graph.initializers["linear.bias"].const_value
    assert bias is not None
    assert bias.numpy().tolist() == [0.0, 1.0, 2.0]


class Harmless:
    """An object in a pickle."""


def test_weights_that_are_refused(desk: Path) -> None:
    good = {"linear.weight": torch.zeros(3, 5), "linear.bias": torch.zeros(3)}
    files = {
        "names.pth": {"linear.weight": good["linear.weight"], "head.bias": torch.zeros(3)},
        "shapes.pth": {**good, "linear.weight": torch.zeros(4, 5)},
        "complex.pth": {**good, "linear.bias": torch.zeros(3, dtype=torch.complex64)},
        "objects.pth": {"state": Harmless()},
        "numbers.pth": {"linear.weight": 3},
    }
    for name, value in files.items():
        torch.save(value, desk / name)
    (desk / "torn.pth").write_bytes(b"PK\x03\x04torn")
    (desk / "torn.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")

    def refusal(file: str) -> str:
        return said(TorchModel(given="my_net:build", weights=Path(file), samples="calib.npz"))

    assert refusal("none.pth") == "none.pth: does not exist. Check --weights."
    assert refusal("names.pth") == (
        "names.pth: lacks 'linear.bias' and has 'head.bias', which the module has not. Build the module that these "
        "weights were saved from, or rename them."
    )
    assert refusal("shapes.pth") == (
        "shapes.pth, weight 'linear.weight': has shape [4, 5], the module's is [3, 5]. Build the module in the size "
        "that these weights were saved from."
    )
    assert refusal("complex.pth") == (
        "complex.pth, weight 'linear.bias': is complex, the module's is not. Build the module that these weights were "
        "saved from."
    )
    again = "Save it again: torch.save(module.state_dict(), 'weights.pth')."
    assert refusal("objects.pth") == f"objects.pth: holds more than weights: unpickling it would run code. {again}"
    assert refusal("numbers.pth") == f"numbers.pth: holds no state dict. {again}"
    assert refusal("torn.pth").startswith("torn.pth: cannot be read by torch: ")
    assert refusal("torn.pth").endswith(again)
    assert refusal("torn.safetensors").startswith("torn.safetensors: is no safetensors file: ")


def test_a_program_of_torch_export(desk: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()).eval()
    batch = torch.export.Dim("rows")
    program = torch.export.export(module, (torch.ones(3, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, desk / "model.pt2")
    for given in ("model.pt2", program):
        built = TorchModel(given=given).export()
        (x,) = built.model.graph.inputs
        assert str(x.shape) == "[batch,4]"
        assert [node.name for node in built.model.graph] == ["/0/Gemm", "/1/Relu"]
        assert "0.weight" in built.model.graph.initializers
    fixed = said(TorchModel(given="model.pt2", dynamic={str(x.name): ("batch", "width")}))
    assert fixed == (
        f"model.pt2, input {x.name!r}: its dimension 1 cannot be 'width': the code fixes it. Compute with "
        f"{x.name}.shape[1] as torch does, or write a number in --dynamic."
    )
    assert said(TorchModel(given="model.pt2", weights=Path("weights.pth"))) == (
        "--weights weights.pth: does not go with model.pt2: it has its own. Leave it out."
    )
    (desk / "torn.pt2").write_bytes((desk / "model.pt2").read_bytes()[:200])
    torn = said(TorchModel(given="torn.pt2"))
    assert torn.startswith("torn.pt2: cannot be read by torch.export: ")
    assert torn.endswith(" Save it again: torch.export.save(program, 'model.pt2').")


def test_what_is_taken_for_a_module_of_torch(desk: Path) -> None:
    (desk / "model.onnx").write_bytes(b"")
    (desk / "odd:name").write_bytes(b"")
    assert is_torch("my_net:build")
    assert is_torch("pkg.my_net:Builder.small")
    assert is_torch(torch.nn.ReLU())
    assert is_torch((torch.nn.ReLU(), torch.ones(1)))
    for other in ("model.onnx", "odd:name", "https://host/model.onnx", "none.pt2", Path("my_net"), 7):
        assert not is_torch(other)


def test_options_of_modules_are_refused_with_other_models(desk: Path) -> None:
    for options, option in (({"weights": "w.pth"}, "--weights"), ({"dynamic": {"x": ("n",)}}, "--dynamic")):
        with pytest.raises(OptionError) as caught:
            CompileRequest.of("model.onnx", options)
        assert str(caught.value) == f"{option}: is of models that PyTorch defines, and this is none. Leave it out."


def test_missing_packages_are_named_with_the_line_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError) as caught:
        need_transformers("bert/")
    assert str(caught.value) == (
        "bert/: needs the package 'transformers', which is not installed. Install it with: pip install "
        '"edgec[torch,transformers]"'
    )
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as caught:
        need_torch("my_net:build")
    assert str(caught.value) == (
        "my_net:build: needs the package 'torch', which is not installed. Install it with: pip install \"edgec[torch]\""
    )
