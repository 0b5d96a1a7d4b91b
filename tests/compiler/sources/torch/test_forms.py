"""In which operators modules come out: those that runtimes have kernels for, one where torch would write out many."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.sources.torch.model import TorchModel
from edgec.compiler.sources.torch.settle_reshapes import settle_reshapes
from edgec.passes.normalize.fold_constants import FoldConstants
from edgec.passes.prepare.reduce_mean_to_pool import ReduceMeanToPool

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
models = pytest.importorskip("support.torch_models")
pytestmark = pytest.mark.torch


class Recurrent(torch.nn.Module):
    """Two layers of one kind, with a state to begin with."""

    def __init__(self, kind: str, **options: object) -> None:
        super().__init__()
        self.cell = getattr(torch.nn, kind)(6, 4, num_layers=2, **options)

    def forward(self, x: torch.Tensor, start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = (start, 0.5 * start) if isinstance(self.cell, torch.nn.LSTM) else start
        y, end = self.cell(x, state)
        return y, end[1] if isinstance(end, tuple) else end


class Attends(torch.nn.Module):
    """torch's own attention, with all it may be given."""

    def __init__(self, *, batch_first: bool, bias: bool, weights: bool, apart: bool) -> None:
        super().__init__()
        self.weights, self.apart = weights, apart
        self.attention = torch.nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first)

    def forward(self, x: torch.Tensor, hidden: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        other = 2 * x if self.apart else x
        y, weights = self.attention(x, other, other, key_padding_mask=hidden, attn_mask=mask, need_weights=self.weights)
        return (y, weights) if self.weights else (y,)


def exported(module: torch.nn.Module, *example: torch.Tensor, **dynamic: tuple[str | int, ...]) -> ir.Model:
    return TorchModel(given=(models.seeded(module), example), dynamic=dynamic).export().model


def differ(model: ir.Model, module: torch.nn.Module, *inputs: torch.Tensor) -> float:
    """The largest difference of any output, in that output's largest value."""
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    feeds = {info.name: value.numpy() for info, value in zip(session.get_inputs(), inputs, strict=True)}
    with torch.no_grad():
        wanted = module.eval()(*inputs)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    pairs = zip(session.run(None, feeds), wanted, strict=True)
    return max(float(np.abs(made - want.numpy()).max() / np.abs(want.numpy()).max()) for made, want in pairs)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"bidirectional": True}),
        ("GRU", {"batch_first": True}),
        ("RNN", {"nonlinearity": "relu", "bias": False}),
    ],
)
def test_a_recurrent_layer_is_one_node_for_any_length(kind: str, options: dict[str, object]) -> None:
    module, first = Recurrent(kind, **options), bool(options.get("batch_first"))
    both = 4 if options.get("bidirectional") else 2
    random = torch.Generator().manual_seed(0)

    def inputs(steps: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (batch, steps, 6) if first else (steps, batch, 6)
        return torch.rand(shape, generator=random), torch.rand(both, batch, 4, generator=random)

    model = exported(
        module,
        *inputs(3, 2),
        x=("batch", "steps", 6) if first else ("steps", "batch", 6),
        start=(both, "batch", 4),
    )
    assert [node.op_type for node in model.graph].count(kind) == 2
    assert all(str(value.name).startswith(("cell.", "/")) for value in model.graph.initializers.values())
    assert differ(model, module, *inputs(7, 3)) < 1e-5


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_torchs_attention_is_two_products_around_a_softmax(weights: bool, apart: bool) -> None:
    module = Attends(batch_first=apart, bias=not apart, weights=weights, apart=apart)
    random = torch.Generator().manual_seed(0)

    def inputs(batch: int, length: int) -> tuple[torch.Tensor, ...]:
        shape = (batch, length, 8) if apart else (length, batch, 8)
        hidden = torch.zeros(batch, length, dtype=torch.bool)
        hidden[:, -1] = True
        mask = torch.ones(length, length).triu(2) > 0
        return torch.rand(shape, generator=random), hidden, mask

    model = exported(
        module,
        *inputs(2, 5),
        x=("batch", "length", 8) if apart else ("length", "batch", 8),
        hidden=("batch", "length"),
        mask=("length", "length"),
    )
    ops = [node.op_type for node in model.graph]
    assert ops.count("Softmax") == 1 + weights
    assert ops.count("MatMul") == (6 if apart else 4) + weights
    assert differ(model, module, *inputs(3, 7)) < 1e-5


def test_pools_become_pools_and_norms_stay_norms() -> None:
    model = exported(models.ResNet(), torch.rand(1, 3, 32, 32))
    ReduceMeanToPool()(model)
    assert [node.op_type for node in model.graph].count("GlobalAveragePool") == 1
    model = exported(models.ConvNext(), torch.rand(1, 3, 32, 32))
    FoldConstants()(model)
    ops = {node.op_type for node in model.graph}
    assert {"LayerNormalization", "Gelu"} <= ops
    assert not {"Sqrt", "Erf", "Pow", "Tanh"} & ops


def test_group_norm_and_causal_attention_compute_the_same() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.GroupNorm(2, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(x).unflatten(1, (2, 2))
            return torch.nn.functional.scaled_dot_product_attention(y, 2 * y, y, is_causal=True)

    module = Net()
    model = exported(module, torch.rand(2, 4, 6))
    assert differ(model, module, torch.rand(3, 4, 6)) < 1e-5


_SIZES = st.sampled_from(["n", "m", 2, 3])


@settings(max_examples=60, deadline=None)
@given(st.lists(_SIZES, min_size=1, max_size=4), st.lists(_SIZES, min_size=1, max_size=4))
def test_settled_reshapes_give_the_sizes_that_were_proved(have: list[str | int], made: list[str | int]) -> None:
    numbers = {"n": 5, "m": 7}
    sizes = [numbers.get(str(dim), dim) for dim in have]
    wanted = [numbers.get(str(dim), dim) for dim in made]
    if np.prod(sizes) != np.prod(wanted):  # no Reshape is so
        return
    x = ir.Value(name="x", shape=ir.Shape(have), type=ir.TensorType(ir.DataType.FLOAT))
    shape = ir.Value(name="shape", shape=ir.Shape([len(made)]), type=ir.TensorType(ir.DataType.INT64))
    node = ir.node("Reshape", [x, shape], attributes={"allowzero": 1}, name="reshape")
    node.outputs[0].shape, node.outputs[0].dtype = ir.Shape(made), ir.DataType.FLOAT
    node.outputs[0].name = "y"
    model = ir.Model(ir.Graph([x, shape], node.outputs, nodes=[node], opset_imports={"": 20}, name="g"), ir_version=10)
    settle_reshapes(model)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    feeds = {"x": np.zeros(sizes, np.float32), "shape": np.asarray(wanted, np.int64)}
    (y,) = session.run(None, {info.name: feeds[info.name] for info in session.get_inputs()})
    assert list(y.shape) == wanted
