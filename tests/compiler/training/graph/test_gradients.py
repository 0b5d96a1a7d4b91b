"""Gradients of operators that are no single function of PyTorch, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.one_node import OneNode, node

from edgec.compiler.training.graph import as_module

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

_RNG = np.random.default_rng(11)


def f(*shape: int) -> np.ndarray:
    return _RNG.standard_normal(shape)


def _turns(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    angles = _RNG.uniform(0, 3, shape)
    return np.cos(angles), np.sin(angles)


_INT32 = np.int32
_CASES = [
    node("Conv", f(1, 2, 5, 5), f(3, 2, 3, 3), f(3), pads=[0, 1, 2, 0], strides=[2, 1]),
    node("ConvTranspose", f(1, 2, 3, 3), f(2, 2, 3, 3), f(2), strides=[2, 2], pads=[1, 0, 0, 1]),
    node("AveragePool", f(1, 2, 5, 5), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 0, 0], opset=19),
    node("MaxPool", f(1, 2, 5, 5), kernel_shape=[2, 2], ceil_mode=1, strides=[2, 2]),
    node("LayerNormalization", f(2, 3, 4), f(4), f(4)),
    node("com.microsoft.SkipSimplifiedLayerNormalization", f(1, 3, 4), f(1, 3, 4), f(4), outputs=4, unnamed=[1, 2]),
    node("Resize", f(1, 1, 3, 4), None, None, [1, 1, 5, 6], mode="cubic", constants=[3]),
    node("LSTM", f(3, 2, 2), f(2, 8, 2), f(2, 8, 2), f(2, 16), outputs=3, hidden_size=2, direction="bidirectional"),
    node("GRU", f(3, 2, 2), f(1, 6, 2), f(1, 6, 2), f(1, 12), outputs=2, hidden_size=2, linear_before_reset=1),
    node("ScatterND", f(4, 3), [[1], [-1]], f(2, 3), constants=[1]),
    node("Slice", f(4, 5), [3], [-9], [1], [-2], constants=[1, 2, 3, 4]),
    node("Pad", f(3, 4), [1, 2, 0, 1], mode="reflect", constants=[1]),
    node("Pow", f(4), np.float64(2), constants=[1]),
    node("RotaryEmbedding", f(1, 2, 3, 4), *_turns(1, 3, 2), opset=23),
    node("Attention", f(1, 4, 3, 2), f(1, 2, 3, 2), f(1, 2, 3, 2), opset=23, is_causal=1),
    node(
        "com.microsoft.GroupQueryAttention",
        f(1, 2, 8),
        f(1, 2, 4),
        f(1, 2, 4),
        f(1, 2, 1, 2),
        f(1, 2, 1, 2),
        np.array([2], _INT32),
        np.array(3, _INT32),
        *_turns(4, 1),
        constants=[5, 6, 7, 8],
        outputs=3,
        num_heads=4,
        kv_num_heads=2,
        do_rotary=1,
    ),
]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.op)
def test_gradients_are_differences(case: OneNode) -> None:
    module = as_module(ir.from_proto(case.model))
    names = [name for name, x in case.feeds.items() if x.dtype.kind == "f"]
    inputs = [torch.from_numpy(case.feeds[name]).requires_grad_() for name in names]

    def run(*values: Any) -> Any:
        return module(**dict(zip(names, values, strict=True)))

    assert torch.autograd.gradcheck(run, inputs)


def test_what_a_product_of_stored_weights_reads_has_a_gradient() -> None:
    packed = _RNG.integers(0, 256, (3, 2, 8)).astype(np.uint8)
    case = node(
        "com.microsoft.MatMulNBits",
        f(2, 32),
        packed,
        np.abs(f(3, 2)) + 1,
        constants=[1, 2],
        K=32,
        N=3,
        bits=4,
        block_size=16,
    )
    module = as_module(ir.from_proto(case.model))
    assert list(module.parameters()) == []
    assert torch.autograd.gradcheck(module, [torch.from_numpy(case.feeds["x0"]).requires_grad_()])
