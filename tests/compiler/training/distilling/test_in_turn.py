"""Blocks in turn: who learns when, and what a block reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.compiler.training.graph import as_module

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
from edgec.compiler.training.distilling.compared import Compared  # noqa: E402 - after torch is known to be here
from edgec.compiler.training.distilling.in_turn import blocks_of  # noqa: E402

pytestmark = pytest.mark.torch

_NET = """
<ir_version: 10, opset_import: ["" : 17]>
net (float[n, 4] x) => (float[n, 4] y, float[n, 4] z)
<float[4, 4] a, float[4, 4] b, float[4, 4] c, float[4, 4] d>
{
   [first] h = MatMul(x, a)
   [second] g = MatMul(h, b)
   [short] s = MatMul(x, c)
   k = Add(g, s)
   [last] y = MatMul(k, d)
   z = Relu(h)
}
"""


def _module(seed: int) -> Any:
    proto = onnx.parser.parse_model(_NET)
    rng = np.random.default_rng(seed)
    del proto.graph.value_info[:]
    for name in "abcd":
        proto.graph.initializer.append(
            onnx.numpy_helper.from_array(rng.standard_normal((4, 4)).astype(np.float32), name)
        )
    return as_module(ir.from_proto(proto))


def _compared(outputs: tuple[str, ...] = ("y",)) -> Compared:
    return Compared(outputs=outputs, logits=(), features=(), feature_weight=1.0)


def test_every_weight_learns_in_the_first_block_that_needs_it() -> None:
    found = blocks_of(_module(0), _module(1), ["h", "k"], _compared(), seed=0)
    assert [sorted(block.learns) for block in found] == [["a"], ["b", "c"], ["d"]]
    assert [sorted(block.learns) for block in blocks_of(_module(0), _module(1), [], _compared(), seed=0)] == [
        list("abcd")
    ]
    assert [sorted(block.learns) for block in blocks_of(_module(0), _module(1), ["k", "h"], _compared(), seed=0)] == [
        ["a", "b", "c"],
        ["d"],
    ]


def test_a_block_reads_half_of_what_the_teacher_made() -> None:
    """The teacher's weights but for `a`: the loss of block 2 is by how much its input is off, half of it at a time."""
    teacher, student = _module(1), _module(1)
    with torch.no_grad():
        student.a.weight.add_(1.0)
    x = torch.ones(64, 4)
    _, second, _ = blocks_of(student, teacher, ["h", "k"], _compared(), seed=3)
    first, again, other = second.loss(0, {"x": x}), second.loss(0, {"x": x}), second.loss(1, {"x": x})
    assert first.item() == again.item() != other.item()
    exact = teacher.compute({"x": x}, ["h", "k"])
    wrong = student.compute({"x": x}, ["h"])["h"]
    generator = torch.Generator().manual_seed((3 << 32) + 0)
    mixed = torch.where(torch.rand(64, 4, generator=generator) < 0.5, exact["h"], wrong)
    off = (mixed - exact["h"]) @ teacher.b.weight.T
    assert first.item() == pytest.approx((off.square().mean() / exact["k"].square().mean()).item(), rel=1e-4)
    first.backward()
    assert student.a.weight.grad is None
    assert student.b.weight.grad is not None


def test_the_last_block_is_compared_as_the_outputs_are() -> None:
    teacher, student = _module(1), _module(2)
    *_, last = blocks_of(student, teacher, ["k"], _compared(("y", "z")), seed=0)
    assert sorted(last.learns) == ["d"]
    feeds = {"x": torch.ones(2, 4)}
    loss = last.loss(0, feeds)
    ours, theirs = student.compute(feeds, ["z"])["z"], teacher.compute(feeds, ["z"])["z"]
    of_z = ((ours - theirs).square().mean() / theirs.square().mean()).item()
    assert loss.item() > of_z
