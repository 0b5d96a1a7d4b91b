"""What cannot be exported is said at its line, with the rewrite that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.compiler.sources.torch.model import TorchModel
from edgec.errors import ModelError, OptionError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
faults = pytest.importorskip("support.torch_faults")
pytestmark = pytest.mark.torch

FILE = "support/torch_faults.py"


def line_of(code: str) -> int:
    """Where a line of the faulty modules stands."""
    lines = Path(faults.__file__).read_text(encoding="utf-8").splitlines()
    return 1 + next(number for number, text in enumerate(lines) if code in text)


def refusal(name: str, **options: object) -> str:
    """What is said of a module."""
    model = TorchModel(given=(getattr(faults, name)(), torch.rand(1, 5)), **options)  # type: ignore[arg-type]
    with pytest.raises((ModelError, OptionError)) as caught:
        model.export()
    return str(caught.value)


@pytest.fixture(autouse=True)
def _in_tests(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository / "tests")


CASES = {
    "Branches": (
        "<Branches>: cannot be exported: it branches on the value of a tensor at {line}. Choose with torch.where, or "
        "give both branches to torch.cond; a check of arguments belongs outside of forward.",
        "if x.sum() > 0:",
    ),
    "Values": (
        "<Values>: cannot be exported: it takes the value of a tensor for a number of Python at {line}. Keep it a "
        "tensor: no .item(), int() or slice by a value; a mask or torch.where keeps the shape.",
        "return x[: int(x.sum().item())]",
    ),
    "ViaNumpy": (
        "<ViaNumpy>: cannot be exported: it leaves torch for numpy at {line}. Stay in torch inside of forward: numpy "
        "arrays are constants to a graph.",
        "return torch.from_numpy(x.numpy() * 2)",
    ),
    "Remembers": (
        "<Remembers>: cannot be exported: forward changes self.seen at {line}, which a graph cannot keep. Use a name "
        "of forward's own instead of an attribute. Take it as an input and return its new value: --state INPUT=OUTPUT "
        "carries it.",
        "self.seen.append(x)",
    ),
    "Counts": (
        "<Counts>: cannot be exported: forward changes the buffer 'count' at {line}, which a graph cannot keep. Take "
        "it as an input and return its new value: --state INPUT=OUTPUT carries it.",
        "self.count += 1",
    ),
    "Missing": (
        "<Missing>: cannot be exported: ONNX has no operator for prims.bessel_j0 at {line}. Write it with operators "
        "that ONNX has (https://onnx.ai/onnx/operators), or outside of the module.",
        "return torch.special.bessel_j0(x)",
    ),
    "Calls": (
        "<Calls>: forward raised RuntimeError at {line}: mat1 and mat2 shapes cannot be multiplied (1x5 and 7x3). It "
        "was called on x: float32 [1, 5]. Give samples that the module takes, or mend it.",
        "return x @ torch.zeros(7, 3)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_graph_can_hold(name: str) -> None:
    text, code = CASES[name]
    assert refusal(name) == text.format(line=f"{FILE}:{line_of(code)}, `{code}`")


def test_nan_of_the_module_itself() -> None:
    assert refusal("Nan") == (
        "<Nan>, output 'output': has 10 NaN of 10 values already in torch. Mend the weights or the samples: NaN cannot "
        "be compared or quantized."
    )


def test_a_dimension_that_was_named_and_that_the_code_fixes() -> None:
    code = "for _ in range(x.shape[0]):"
    assert refusal("Fixed", dynamic={"x": ("batch", 5)}) == (
        f"<Fixed>, input 'x': its dimension 0 cannot be 'batch': the code fixes it at {FILE}:{line_of(code)}, "
        f"`{code}`. Compute with x.shape[0] as torch does, or write a number in --dynamic."
    )


def test_a_batch_that_nobody_named_is_given_up_and_said() -> None:
    built = TorchModel(given=(faults.Fixed(), torch.rand(1, 5))).export()
    assert [str(value.shape) for value in built.model.graph.inputs] == ["[1,5]"]
    assert built.notes[-1] == "the module takes no other batch than its example: x [1, 5]"


@pytest.mark.parametrize(
    ("dynamic", "said"),
    [
        (
            {"x": ("batch", 6)},
            "--dynamic x=batch,6: fixes 6, the example has 5: [1, 5]. Give samples of that size, or a name where it is "
            "free.",
        ),
        (
            {"x": ("batch",)},
            "--dynamic x=batch: gives 1 dimensions, the example has 2: [1, 5]. Give one word for each: a name where it "
            "is free, a number where it is fixed.",
        ),
        ({"y": ("batch", 5)}, "--dynamic y=batch,5: <Fits> has no input 'y'. Its inputs are x."),
    ],
)
def test_dimensions_that_do_not_fit(dynamic: dict[str, tuple[str | int, ...]], said: str) -> None:
    assert refusal("Fits", dynamic=dynamic) == said


def test_control_flow_and_buffers_stay() -> None:
    chosen = TorchModel(given=(faults.Chooses(), torch.rand(1, 5))).export()
    assert [node.op_type for node in chosen.model.graph] == ["ReduceSum", "Greater", "If"]
    module = faults.Fits()
    built = TorchModel(given=(module, torch.rand(1, 5))).export()
    kept = built.model.graph.initializers["offset"].const_value
    assert kept is not None
    assert kept.numpy().tolist() == [0.0, 1.0, 2.0]


def test_the_callers_module_stays_as_it_was() -> None:
    module = faults.Counts().train()
    with pytest.raises(ModelError):
        TorchModel(given=(module, torch.rand(1, 5))).export()
    assert module.training
    assert module.count.tolist() == [0.0]
    halves = faults.Halves()
    built = TorchModel(given=(halves, torch.rand(1, 5))).export()
    assert built.notes[0] == "weights of float16 are computed in float32"
    assert halves.scale.weight.dtype == torch.float16
