"""The loop: draw feeds, ask the teacher, let the student answer, learn; what it knows is kept as it goes."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ....errors import ModelError, OptionError

__all__ = ["Lesson", "teach"]

# A gradient longer than this is shortened: one odd text must not undo what was learned.
_LONGEST = 1.0
_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What is taught, and how long.

    Attributes:
        draw: Feeds of a step; the same for the same step.
        loss: Of the student's answer to the feeds of a step.
        steps: How many.
        every: Steps after which what was learned is kept.
        key: What a kept state must be of.
    """

    draw: Callable[[int], Mapping[str, Tensor]]
    loss: Callable[[int, Mapping[str, Tensor]], Tensor]
    steps: int
    every: int
    key: str


def teach(
    student: nn.Module,
    groups: Sequence[Mapping[str, Any]],
    lesson: Lesson,
    *,
    checkpoint: Path | None,
    advance: Callable[[int], None],
) -> list[float]:
    """Train a student in place: Adam, its rate falling to 0 along half a cosine.

    Args:
        student: With the state that it starts from.
        groups: Its parameters, with their learning rates.
        lesson: What it learns.
        checkpoint: A file that what was learned is kept in, and gone on from where it is there.
        advance: Told how many steps are done.

    Returns:
        The loss of every step.

    Raises:
        OptionError: The file holds what another lesson taught.
        ModelError: The loss is no longer finite.
    """
    optimizer = torch.optim.Adam([dict(group) for group in groups], betas=(0.9, 0.95))
    rates = [group["lr"] for group in optimizer.param_groups]
    losses = [] if checkpoint is None else _restore(checkpoint, student, optimizer, lesson.key)
    advance(len(losses))
    for step in range(len(losses), lesson.steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 + math.cos(math.pi * step / lesson.steps)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss = lesson.loss(step, lesson.draw(step))
        loss.backward()
        nn.utils.clip_grad_norm_([each for group in optimizer.param_groups for each in group["params"]], _LONGEST)
        optimizer.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise ModelError(
                f"step {step}",
                f"the loss is {losses[-1]}: what is learned is no number",
                remedy="Give a smaller learning rate",
            )
        advance(1)
        if checkpoint is not None and (step + 1 == lesson.steps or not (step + 1) % lesson.every):
            _keep(checkpoint, student, optimizer, losses, lesson.key)
    return losses


def _keep(file: Path, student: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], key: str) -> None:
    """Write a state whole or not at all."""
    state = {
        "version": _VERSION,
        "key": key,
        "losses": losses,
        "student": student.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    beside = file.with_name(f"{file.name}.part")
    torch.save(state, beside)
    beside.replace(file)


def _restore(file: Path, student: nn.Module, optimizer: torch.optim.Optimizer, key: str) -> list[float]:
    """Go on from a state; the losses up to it."""
    if not file.exists():
        return []
    try:
        state = torch.load(file, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise OptionError(
            str(file), "holds no state of a distillation", remedy="Name another file, or delete this one"
        ) from error
    if not isinstance(state, dict) or state.get("version") != _VERSION or state.get("key") != key:
        raise OptionError(
            str(file),
            "is of a distillation of another model, or with other options",
            remedy="Name another file, or delete this one",
        )
    student.load_state_dict(state["student"])
    optimizer.load_state_dict(state["optimizer"])
    losses: list[float] = state["losses"]
    return losses
