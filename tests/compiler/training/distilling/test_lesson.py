"""The loop: it learns, it goes on where it was cut off, and it says what it cannot go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgec.errors import ModelError, OptionError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
from edgec.compiler.training.distilling.lesson import Lesson, teach  # noqa: E402 - after torch is known to be here

pytestmark = pytest.mark.torch


def _student() -> Any:
    module = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.zero_()
    return module


def _lesson(student: Any, steps: int = 30, key: str = "k", fail_at: int | None = None, factor: float = 1.0) -> Lesson:
    def draw(step: int) -> dict[str, Any]:
        if step == fail_at:
            raise KeyboardInterrupt
        return {"x": torch.randn(8, 3, generator=torch.Generator().manual_seed(step))}

    def loss(step: int, feeds: Any) -> Any:
        return factor * (student(feeds["x"]) - feeds["x"][:, :2]).square().mean()

    return Lesson(draw=draw, loss=loss, steps=steps, every=5, key=key)


def _taught(student: Any, checkpoint: Path | None = None, told: list[int] | None = None, **options: Any) -> list[float]:
    advance = (lambda _: None) if told is None else told.append
    groups = [{"params": list(student.parameters()), "lr": 0.1}]
    return teach(student, groups, _lesson(student, **options), checkpoint=checkpoint, advance=advance)


def test_learns() -> None:
    losses = _taught(_student())
    assert len(losses) == 30
    assert losses[-1] < losses[0] / 20


def test_goes_on_from_where_it_was_cut_off(tmp_path: Path) -> None:
    whole = _student()
    expected = _taught(whole)
    file, cut = tmp_path / "state.pt", _student()
    with pytest.raises(KeyboardInterrupt):
        _taught(cut, file, fail_at=13)
    resumed, told = _student(), list[int]()
    assert _taught(resumed, file, told) == expected
    assert told == [10] + [1] * 20
    assert torch.equal(resumed.weight, whole.weight)
    assert [each.name for each in tmp_path.iterdir()] == ["state.pt"]
    again = _student()
    assert _taught(again, file, fail_at=0) == expected
    assert torch.equal(again.weight, whole.weight)


def test_refuses_the_state_of_another_lesson(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    _taught(_student(), file)
    with pytest.raises(OptionError) as error:
        _taught(_student(), file, key="other")
    assert str(error.value) == (
        f"{file}: is of a distillation of another model, or with other options. Name another file, or delete this one."
    )


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04 cut off"], ids=["empty", "text", "cut"])
def test_refuses_what_is_no_state(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "state.pt"
    file.write_bytes(content)
    with pytest.raises(OptionError) as error:
        _taught(_student(), file)
    assert str(error.value) == f"{file}: holds no state of a distillation. Name another file, or delete this one."
    assert file.read_bytes() == content


def test_says_when_nothing_finite_is_learned() -> None:
    with pytest.raises(ModelError) as error:
        _taught(_student(), factor=float("nan"))
    assert str(error.value) == "step 0: the loss is nan: what is learned is no number. Give a smaller learning rate."
