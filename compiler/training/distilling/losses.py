"""How far a student's answer is from its teacher's.

G. Hinton et al., "Distilling the Knowledge in a Neural Network" (2015, arXiv 1503.02531), section 2; of language
models, Z. Liu et al., "LLM-QAT" (2023, arXiv 2305.17888), eq. 3: no label is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["divergence", "of_features", "of_outputs"]


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(teacher) ‖ softmax(student)) over the last axis, nats, the mean over the rest.

    What the teacher gives no probability, a masked token, adds nothing.
    """
    ours, theirs = torch.log_softmax(student, -1), torch.log_softmax(teacher, -1)
    possible = theirs > -torch.inf
    difference = theirs.where(possible, 0.0) - ours.where(possible, 0.0)
    return (theirs.exp() * difference).sum(-1).mean()


def of_outputs(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], logits: Sequence[str]) -> Tensor:
    """The sum over outputs: the divergence of logits, the relative square error of others."""
    total = torch.zeros(())
    for name, theirs in teacher.items():
        each = divergence(student[name], theirs) if name in logits else _relative(student[name], theirs)
        total = total + each
    return total


def of_features(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
    """The mean relative square error of values inside (A. Romero et al., "FitNets", 2015, arXiv 1412.6550, eq. 3)."""
    if not teacher:
        return torch.zeros(())
    return sum((_relative(student[name], theirs) for name, theirs in teacher.items()), torch.zeros(())) / len(teacher)


def _relative(student: Tensor, teacher: Tensor) -> Tensor:
    return (student - teacher).square().mean() / teacher.square().mean().clamp(min=1e-12)
