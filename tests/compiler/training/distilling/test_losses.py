"""Losses by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
from edgec.compiler.training.distilling.losses import (  # noqa: E402 - after torch is known to be here
    divergence,
    of_features,
    of_outputs,
)

pytestmark = pytest.mark.torch


def test_divergence_of_two_distributions() -> None:
    teacher, student = (
        torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]])),
        torch.log(torch.tensor([[0.75, 0.25], [0.9, 0.1]])),
    )
    first = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert divergence(student, teacher).item() == pytest.approx(first / 2, abs=1e-6)
    assert divergence(teacher + 7, teacher).item() == pytest.approx(0, abs=1e-6)


def test_tokens_that_are_masked_add_nothing() -> None:
    inf = float("inf")
    teacher, masked = torch.tensor([[1.0, -inf, 2.0]]), torch.tensor([[0.5, -inf, 1.0]], requires_grad=True)
    found = divergence(masked, teacher)
    found.backward()
    assert found.item() == pytest.approx(divergence(torch.tensor([[0.5, 1.0]]), torch.tensor([[1.0, 2.0]])).item())
    assert torch.isfinite(masked.grad).all()


def test_outputs_are_distributions_or_numbers() -> None:
    teacher = {"y": torch.tensor([[2.0, 0.0]]), "boxes": torch.tensor([3.0, 4.0])}
    student = {"y": torch.tensor([[5.0, 3.0]]), "boxes": torch.tensor([3.0, 5.0])}
    assert of_outputs(student, teacher, ["y"]).item() == pytest.approx(1 / 25)
    assert of_outputs(student, teacher, []).item() == pytest.approx(1 / 25 + 9 / 2)


def test_features_count_alike_whatever_their_size() -> None:
    teacher = {"a": torch.tensor([100.0, 0.0]), "b": torch.tensor([0.1, 0.0])}
    student = {"a": torch.tensor([0.0, 0.0]), "b": torch.tensor([0.1, 0.1])}
    assert of_features(student, teacher).item() == pytest.approx(1.0)
    assert of_features({}, {}).item() == 0
