"""Code of users that prints, moves, ends the process, wraps its module, or gives examples in its own types."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from edgec.compiler.sources.torch.model import TorchModel
from edgec.errors import ModelError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

CODE = """
import os
import sys
import torch

print("imported")

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(5, 3)

    def forward(self, x, scale=2.0, mask=None):
        return self.linear(x) * scale

class Any(Net):
    def forward(self, *args, **named):
        return self.linear(named["x"] if named else args[0])

def talks_and_moves():
    print("built")
    os.chdir(os.path.dirname(os.getcwd()))
    return Net(), torch.ones(1, 5)

def ends():
    sys.exit(3)

def compiled():
    return torch.compile(Net()), torch.ones(1, 5)

def traced():
    return torch.jit.trace(Net(), torch.ones(1, 5)), torch.ones(1, 5)

def with_gradient():
    return Net(), torch.ones(1, 5, requires_grad=True)

def in_half():
    return Net().half(), torch.ones(1, 5, dtype=torch.float16)

def by_place():
    return Any(), torch.ones(1, 5)

def by_name():
    return Any(), {"x": torch.ones(1, 5)}

def nothing_named():
    return Any()
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "careless_net.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "careless_net", raising=False)
    importlib.invalidate_caches()
    return folder


def refusal(name: str, **options: object) -> str:
    with pytest.raises(ModelError) as caught:
        TorchModel(given=name, **options).export()  # type: ignore[arg-type]
    return str(caught.value)


def test_what_it_prints_is_no_answer_and_where_it_goes_nobody_follows(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TorchModel(given="careless_net:talks_and_moves").export()
    assert capsys.readouterr() == ("", "imported\nbuilt\n")
    assert Path.cwd() == desk


def test_what_ends_the_process_is_told_by_its_line(desk: Path) -> None:
    keep = "Keep what a script does under `if __name__ == '__main__':`, and let the function return the module."
    line = 1 + CODE.splitlines().index("    sys.exit(3)")
    assert refusal("careless_net:ends") == (
        f"careless_net:ends: ended the process at careless_net.py:{line}, `sys.exit(3)`. {keep}"
    )
    (desk / "careless_script.py").write_text("import sys\nsys.exit()\n", encoding="utf-8")
    assert refusal("careless_script.py:build") == (
        f"careless_script.py:build: ended the process at careless_script.py:2, `sys.exit()`. {keep}"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_is_the_module_that_was_compiled() -> None:
    model = TorchModel(given="careless_net:compiled").export().model
    assert {"linear.weight", "linear.bias"} <= set(model.graph.initializers)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    assert refusal("careless_net:traced") == (
        "careless_net:traced: is TorchScript, which torch.export does not take. Give the module that it was scripted "
        "or traced from."
    )


@pytest.mark.parametrize("name", ["with_gradient", "in_half"])
def test_examples_are_taken_as_the_module_is_exported(name: str) -> None:
    (value,) = TorchModel(given=f"careless_net:{name}").export().model.graph.inputs
    assert (value.name, str(value.dtype)) == ("x", "FLOAT")


def test_arguments_without_names_are_refused() -> None:
    text = (
        "its forward(*args, **named) does not name what it takes. Name the arguments of forward: inputs of the model "
        "are called after them."
    )
    for name in ("by_place", "by_name"):
        assert refusal(f"careless_net:{name}") == f"careless_net:{name}: {text}"
    samples = [{"x": torch.ones(1, 5).numpy()}]
    assert refusal("careless_net:nothing_named", samples=samples) == f"<Any>: {text}"


def test_a_program_may_have_been_given_constants() -> None:
    net = importlib.import_module("careless_net").Net()
    given = {"scale": 3.0, "mask": None}
    model = TorchModel(given=torch.export.export(net.eval(), (torch.ones(2, 5),), given)).export().model
    assert [value.name for value in model.graph.inputs] == ["x"]
