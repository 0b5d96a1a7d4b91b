"""A graph as a module: names, parameters, edges, and the way back."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from support.graphs import model, weights

from edgec.compiler.training.graph import as_module
from edgec.errors import ModelError, SamplesError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

_NET = """
<ir_version: 10, opset_import: ["" : 17]>
net (float[batch, 3, 8, 8] image) => (float[batch, 5] logits, float[batch, 4, 6, 6] features)
<float[4, 3, 3, 3] features__0__weight, float[4] features__0__bias, float[4] bn__scale, float[4] bn__bias,
 float[4] bn__mean, float[4] bn__var,
 float[6, 4] head__0__weight, float[6] head__0__bias, float[6, 5] fc_w, float half = {0.5},
 int64[2] axes = {2, 3}>
{
   [features__0__Conv] c = Conv(image, features__0__weight, features__0__bias)
   [features__1__Relu] features = Relu(c)
   [bn__BatchNormalization] b = BatchNormalization(features, bn__scale, bn__bias, bn__mean, bn__var)
   [pool__ReduceMean] p = ReduceMean<axes = [2, 3], keepdims = 0>(b)
   [head__0__Gemm] h = Gemm<transB = 1>(p, head__0__weight, head__0__bias)
   [head__1__Mul] s = Mul(h, half)
   [fc__MatMul] logits = MatMul(s, fc_w)
}
"""


def written(text: str, seed: int = 0) -> ir.Model:
    """A model of text in which names have `__` for dots, its weights that have no numbers drawn."""
    proto = onnx.parser.parse_model(text)
    rng = np.random.default_rng(seed)
    known = {each.name for each in proto.graph.initializer}
    for info in proto.graph.value_info:
        if info.name not in known:
            numbers = rng.standard_normal([each.dim_value for each in info.type.tensor_type.shape.dim])
            numbers = np.abs(numbers) + 0.5 if info.name.endswith("var") else numbers
            proto.graph.initializer.append(onnx.numpy_helper.from_array(numbers.astype(np.float32), info.name))
    del proto.graph.value_info[:]
    for each in proto.graph.initializer:
        each.name = each.name.replace("__", ".")
    for node in proto.graph.node:
        node.name = node.name.replace("__", ".")
        node.input[:] = [name.replace("__", ".") for name in node.input]
    return ir.from_proto(proto)


def net(seed: int = 0) -> ir.Model:
    """A Conv, a norm and two products, seeded."""
    return written(_NET, seed)


def run(model: ir.Model, **feeds: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, feeds)
    return found


def image(rows: int = 2) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((rows, 3, 8, 8)).astype(np.float32)


class Scaled(torch.nn.Module):
    """Multiplies by what it learns."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Any) -> Any:
        self.seen.append(tuple(x.shape))
        return x * self.factor


def test_speaks_the_names_of_the_source() -> None:
    module = as_module(net())
    assert set(dict(module.named_parameters())) == {
        "features.0.weight",
        "features.0.bias",
        "bn.scale",
        "bn.bias",
        "head.0.weight",
        "head.0.bias",
        "fc_w.weight",
    }
    assert set(dict(module.named_buffers())) == {"bn.mean", "bn.var", "half_"}
    assert isinstance(module.get_submodule("head.0"), torch.nn.Linear)
    assert module.get_submodule("fc_w").weight.shape == (5, 6)
    assert module.path_of("fc_w") == "fc_w.weight"


def test_gives_outputs_in_order_from_inputs_in_order_or_by_name() -> None:
    model, x = net(), image()
    module, expected = as_module(model), run(net(), image=x)
    for made in (module(torch.from_numpy(x)), module(image=torch.from_numpy(x)), module(x)):
        for ours, theirs in zip(made, expected, strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=1e-5, atol=1e-5)
    inside = module.compute({"image": x}, ["p", "logits"])
    assert list(inside) == ["p", "logits"]
    assert inside["p"].shape == (2, 4)


def test_values_can_be_given_instead_of_computed() -> None:
    module, x = as_module(net()), torch.from_numpy(image())
    hidden = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    made = module.compute({"image": x}, ["logits", "p", "features"], {"p": hidden})
    assert made["p"] is hidden
    exact = (hidden @ module.get_submodule("head.0").weight.T + module.get_submodule("head.0").bias) * 0.5
    torch.testing.assert_close(made["logits"], exact @ module.fc_w.weight.T)
    assert [step.call.name for step in module.plan(("logits",), ("p",))] == ["head.0.Gemm", "head.1.Mul", "fc.MatMul"]
    assert list(module.parameters_in(module.plan(("logits",), ("p",)))) == ["head.0.weight", "head.0.bias", "fc_w"]
    assert len(module.parameters_in()) == len(list(module.parameters()))


def test_train_and_eval_compute_the_same() -> None:
    module = as_module(net())
    first, second = module.train()(image())[0], module.eval()(image())[0]
    assert torch.equal(first, second)
    assert torch.equal(module.bn.mean, as_module(net()).bn.mean)


def test_goes_back_bit_for_bit() -> None:
    model = net()
    made = as_module(model).to_model()
    before, after = ir.to_proto(model), ir.to_proto(made)
    assert before.SerializeToString(deterministic=True) == after.SerializeToString(deterministic=True)


def test_a_trained_module_goes_back_as_it_computes() -> None:
    model, x = net(), image()
    untouched = ir.to_proto(model).SerializeToString(deterministic=True)
    module = as_module(model)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = module(x)[0].square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(each.grad is not None for each in module.parameters())
    made = module.to_model()
    np.testing.assert_allclose(run(made, image=x)[0], module(x)[0].detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made.graph.initializers["fc_w"].const_value.numpy().T, module.fc_w.weight.detach())
    assert ir.to_proto(model).SerializeToString(deterministic=True) == untouched


def test_other_numbers_can_take_the_place_of_parameters() -> None:
    made = as_module(net()).to_model({"fc_w": np.ones((6, 5), np.float32)})
    assert (made.graph.initializers["fc_w"].const_value.numpy() == 1).all()


def test_edges_are_where_values_are_read() -> None:
    module, plain = as_module(net()), as_module(net())
    module.put("features", Scaled(2.0))
    np.testing.assert_allclose(module(image())[1].detach(), 2 * plain(image())[1].detach(), rtol=1e-6)
    assert isinstance(module.take("features"), Scaled)
    assert torch.equal(module(image())[1], plain(image())[1])


def test_an_edge_of_one_reader_is_its_alone() -> None:
    module, plain = as_module(net()), as_module(net())
    module.put("features", Scaled(0.0), reader=("bn.BatchNormalization", 0))
    logits, features = module(image())
    assert torch.equal(features, plain(image())[1])
    assert torch.allclose(logits[0], logits[1])
    module.put("features", Scaled(3.0))
    np.testing.assert_allclose(module(image())[1].detach(), 3 * plain(image())[1].detach(), rtol=1e-6)
    assert torch.equal(module(image())[0], logits)


@pytest.mark.parametrize("reader", [None, ("fc.MatMul", 1)], ids=["everywhere", "one reader"])
def test_an_edge_on_a_weight_sees_it_as_the_graph_has_it(reader: tuple[str, int] | None) -> None:
    module, plain, edge = as_module(net()), as_module(net()), Scaled(2.0)
    module.put("fc_w", edge, reader)
    np.testing.assert_allclose(module(image())[0].detach(), 2 * plain(image())[0].detach(), rtol=1e-5)
    assert edge.seen == [(6, 5)]
    module(image())[0].sum().backward()
    assert edge.factor.grad is not None
    assert module.fc_w.weight.grad is not None


def test_state_dicts_carry_weights_and_edges() -> None:
    module, other = as_module(net(1)), as_module(net(2))
    for each, factor in ((module, 2.0), (other, 5.0)):
        each.put("features", Scaled(factor))
        each.put("head.0.weight", Scaled(factor))
        each.put("features", Scaled(factor), reader=("bn.BatchNormalization", 0))
    names = set(module.state_dict())
    assert {"edges.features.factor", "edges.head%2E0%2Eweight.factor"} < names
    assert "edges.features@bn%2EBatchNormalization#0.factor" in names
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    other.load_state_dict(torch.load(stored))
    assert torch.equal(other(image())[0], module(image())[0])


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))], ids=["deep", "pickle"]
)
def test_copies_are_apart(copied: Any) -> None:
    module = as_module(net())
    module.put("fc_w", torch.nn.Identity())
    before = module(image())[0].detach().clone()
    twin = copied(module)
    assert torch.equal(twin(image())[0], before)
    with torch.no_grad():
        for each in twin.parameters():
            each.mul_(2)
    assert torch.equal(module(image())[0], before)
    assert not torch.equal(twin(image())[0], before)
    after = twin.to_model().graph.initializers["head.0.bias"].const_value.numpy()
    np.testing.assert_array_equal(after, twin.get_submodule("head.0").bias.detach().numpy())


def test_functional_calls_take_other_parameters() -> None:
    module = as_module(net())
    zeros = {"fc_w.weight": torch.zeros(5, 6)}
    assert (torch.func.functional_call(module, zeros, (torch.from_numpy(image()),))[0] == 0).all()


_TIED = """
<ir_version: 10, opset_import: ["" : 17]>
tied (int64[n] ids) => (float[n, 7] logits)
<float[7, 4] wte__weight, float[4, 4] h__weight>
{
   [wte__Gather] e = Gather(wte__weight, ids)
   [h__0__MatMul] a = MatMul(e, h__weight)
   [h__1__MatMul] b = MatMul(a, h__weight)
   [lm__Transpose] t = Transpose<perm = [1, 0]>(wte__weight)
   [lm__MatMul] logits = MatMul(b, t)
}
"""


def test_a_weight_that_two_nodes_read_is_one_parameter() -> None:
    model, ids = written(_TIED), np.array([0, 3], np.int64)
    module = as_module(model)
    assert set(dict(module.named_parameters())) == {"wte.weight", "h.weight"}
    np.testing.assert_allclose(module(ids).detach(), run(model, ids=ids)[0], rtol=1e-5, atol=1e-5)
    edge = Scaled(2.0)
    module.put("h.weight", edge)
    module(ids).sum().backward()
    assert module.wte.weight.grad is not None
    assert edge.seen == [(4, 4), (4, 4)]


def test_peft_finds_the_products_by_name() -> None:
    peft = pytest.importorskip("peft", reason="needs peft")
    model, x = net(), image()
    module = as_module(model)
    before = module(x)[0].detach().clone()
    adapted = peft.get_peft_model(
        module, peft.LoraConfig(r=2, target_modules=["head.0", "fc_w"], init_lora_weights=False)
    )
    assert {name.rsplit(".lora_", 1)[0] for name, each in adapted.named_parameters() if each.requires_grad} == {
        "base_model.model.head.0",
        "base_model.model.fc_w",
    }
    made = adapted(torch.from_numpy(x))[0]
    assert not torch.allclose(made, before)
    made.sum().backward()
    merged = adapted.merge_and_unload()
    assert merged is module
    np.testing.assert_allclose(merged(x)[0].detach(), made.detach(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run(merged.to_model(), image=x)[0], made.detach(), rtol=1e-4, atol=1e-4)


def test_names_that_modules_cannot_have_are_escaped() -> None:
    names = ("forward", "a", "a.b", "a.type", "weight", "model.x", "c..d", "", ".", "edges")
    total = ir.Value(name="x", shape=ir.Shape([3]), type=ir.TensorType(ir.DataType.FLOAT))
    first, nodes, constants = total, [], []
    for k, name in enumerate(each for each in names if each):
        array = np.full(3, 2.0**k, np.float32)
        value = ir.Value(
            name=name, shape=ir.Shape([3]), type=ir.TensorType(ir.DataType.FLOAT), const_value=ir.Tensor(array)
        )
        nodes.append(ir.node("Add", [total, value], name=f"add{k}"))
        constants.append(value)
        total = nodes[-1].outputs[0]
        total.name = f"sum{k}"
    graph = ir.Graph([first], [total], nodes=nodes, initializers=constants, opset_imports={"": 17}, name="names")
    module = as_module(ir.Model(graph, ir_version=10))
    assert set(module.state_dict()) == {
        "a",
        "a_.b",
        "a_.type_",
        "c._.d",
        "edges_",
        "forward_",
        "model.x",
        "weight",
        "_._",
    }
    assert module(np.zeros(3, np.float32)).tolist() == [511.0] * 3


def _refused(op: str, *outputs: str, **attributes: Any) -> ModelError:
    x = ir.Value(name="x", shape=ir.Shape([1, 1, 4, 4]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node(op, [x], attributes, name="/a/node", num_outputs=len(outputs))
    for value, name in zip(node.outputs, outputs, strict=True):
        value.name = name
    graph = ir.Graph([x], list(node.outputs), nodes=[node], opset_imports={"": 17}, name="g")
    with pytest.raises(ModelError) as error:
        as_module(ir.Model(graph, ir_version=10), origin="net.onnx")
    return error.value


def test_an_unknown_operator_is_named() -> None:
    assert str(_refused("Det", "y")) == (
        "net.onnx: node '/a/node' (Det): it is not among the operators that can be trained. "
        "The graph cannot be made a PyTorch module. Write the model without it, or cut the graph before it."
    )


def test_a_form_of_an_operator_that_is_not_computed_is_named() -> None:
    assert _refused("MaxPool", "y", "where", kernel_shape=[2, 2]).problem == (
        "node '/a/node' (MaxPool): its second output, the places of the maxima, is not computed"
    )
    assert _refused("Cast", "y", to=17).problem == "node '/a/node' (Cast): values of FLOAT8E4M3FN cannot be made"


def test_wrong_inputs_are_refused() -> None:
    module = as_module(net(), origin="net.onnx")
    with pytest.raises(SamplesError) as missing:
        module()
    assert str(missing.value) == "net.onnx: the input 'image' is missing. Give image."
    with pytest.raises(SamplesError) as unknown:
        module(image(), label=1)
    assert str(unknown.value) == "net.onnx: the model has no input 'label'. Its inputs are image."
    with pytest.raises(SamplesError) as many:
        module(image(), image())
    assert str(many.value) == "net.onnx: 2 inputs given, the model has 1. Give image."


def test_edges_that_are_nowhere_are_refused() -> None:
    module = as_module(net(), origin="net.onnx")
    with pytest.raises(ModelError) as unknown:
        module.put("nothing", Scaled(1.0))
    assert str(unknown.value) == (
        "net.onnx: the graph has no value 'nothing'. Name an input, an initializer or a node's output."
    )
    with pytest.raises(ModelError) as elsewhere:
        module.put("features", Scaled(1.0), reader=("fc.MatMul", 0))
    assert str(elsewhere.value) == (
        "net.onnx: input 0 of node 'fc.MatMul' is not 'features'. Name a node that reads it."
    )


def test_what_fails_names_its_node() -> None:
    with pytest.raises(RuntimeError) as error:
        as_module(net())(np.zeros((2, 5, 8, 8), np.float32))
    assert error.value.__notes__ == ["in node 'features.0.Conv' (Conv)"]


@pytest.mark.parametrize("names", [("MatMul", None), (None, "MatMul"), (None, None)])
def test_nodes_without_names_are_told_apart(names: tuple[str | None, str | None]) -> None:
    """As they come where nothing was loaded: a node is not known by its name."""
    source = model(
        "g (float[N,8] x) => (float[N,8] y) { h = MatMul(x, v)  y = MatMul(h, w) }",
        v=weights(8, 8),
        w=weights(8, 8, seed=1),
    )
    for node, name in zip(source.graph, names, strict=True):
        node.name = name
    x = weights(3, 8, seed=2)
    made = as_module(source)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(made, x @ weights(8, 8) @ weights(8, 8, seed=1), rtol=1e-4, atol=1e-4)
