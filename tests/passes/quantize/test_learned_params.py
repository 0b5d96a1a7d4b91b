from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.errors import ModelError
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import params_of, rounded_of
from edgec.passes.quantize.learned_params import Learned, LearnedParams, read_learned, write_learned
from edgec.passes.quantize.params import from_range, of_tensor, quantize
from edgec.passes.spec import PerAxis, PerBlock, PerTensor, QuantParams, QuantSpec
from edgec.targets import find_target

A8 = QuantSpec(dtype="uint8", symmetric=False)
A4 = QuantSpec(dtype="uint8", symmetric=False, code_bits=4)
W8 = QuantSpec(dtype="int8", granularity=PerAxis(axis=1), symmetric=True)
KEY = "edgec.learned"


def chain() -> ir.Model:
    """Two products, and between them what carries the codes of the first to the second."""
    text = """g (float[N,8] x) => (float[N,3] y) {
        a = Gemm(x, w)
        t = Flatten(a)
        y = Gemm(t, v)
    }"""
    return model(text, w=weights(8, 6), v=weights(6, 3, seed=1))


def decided() -> ir.Model:
    source = chain()
    DecideQuantization(rules=find_target("x86-64-vnni").rules)(source)
    return source


def learned_of(source: ir.Model, **changes: object) -> Learned:
    arrays = {name: value.const_value.numpy() for name, value in source.graph.initializers.items()}
    given = {
        "target": "x86-64-vnni",
        "options": {"scheme": "a8w8"},
        "activations": {
            "x": from_range(A8, np.asarray(-1.5), np.asarray(0.7)),
            "a": from_range(A8, np.asarray(-0.3), np.asarray(2.9)),
        },
        # Half of what covers them: codes at the end of the range are no accident.
        "weights": {
            ("a", 1): halved(of_tensor(W8, arrays["w"])),
            ("y", 1): halved(of_tensor(W8, arrays["v"])),
        },
    }
    names = {str(node.name): node for node in source.graph}
    assert {"a", "t", "y"} == set(names)
    return Learned(**{**given, **changes})  # type: ignore[arg-type]


def halved(params: QuantParams) -> QuantParams:
    return QuantParams(spec=params.spec, scale=params.scale / np.float32(2), zero_point=params.zero_point)


def test_params_and_integers_are_those_that_were_learned() -> None:
    source = decided()
    learned = learned_of(source)
    write_learned(source, learned)
    assert LearnedParams()(source).modified
    assert KEY not in source.metadata_props
    values = {str(value.name): value for node in source.graph for value in node.outputs}
    shared = params_of(values["a"])
    assert shared is params_of(values["t"])
    assert shared.scale.tobytes() == learned.activations["a"].scale.tobytes()
    assert int(shared.zero_point) == int(learned.activations["a"].zero_point)
    for node in source.graph:
        if node.op_type == "Gemm":
            rounded, wanted = rounded_of(node), learned.weights[str(node.name), 1]
            assert rounded.params.scale.tobytes() == wanted.scale.tobytes()
            np.testing.assert_array_equal(rounded.codes, quantize(node.inputs[1].const_value.numpy(), wanted))
            assert np.abs(rounded.codes.astype(int)).max() == 127
    assert not LearnedParams()(source).modified


def test_a_model_that_was_not_trained_is_left_alone() -> None:
    source = chain()
    assert not LearnedParams()(source).modified
    assert read_learned(source) is None


def test_a_recipe_of_a_trained_model_is_for_no_other() -> None:
    with pytest.raises(ModelError) as caught:
        LearnedParams().call(decided())
    assert str(caught.value) == DIFFERS.format(where="value 'x'")


@pytest.mark.parametrize(
    "spec",
    [
        A8,
        A4,
        QuantSpec(dtype="int8", symmetric=True, reduce_range=True),
        QuantSpec(dtype="int4", granularity=PerAxis(axis=-1), symmetric=True, code_bits=3),
        QuantSpec(dtype="int4", granularity=PerBlock(axis=0, size=4), symmetric=True),
        QuantSpec(dtype="uint16", granularity=PerTensor(), symmetric=False),
    ],
)
def test_params_read_back_bit_for_bit(spec: QuantSpec) -> None:
    w = np.random.default_rng(0).standard_normal((10, 6)).astype(np.float32)
    params = of_tensor(spec, w)
    source = chain()
    write_learned(source, Learned(target="t", options={"scheme": "a8w8"}, activations={"x": params}))
    (again,) = read_learned(source).activations.values()
    assert again.spec == spec
    assert (again.scale.tobytes(), again.scale.shape) == (params.scale.tobytes(), params.scale.shape)
    np.testing.assert_array_equal(again.zero_point, params.zero_point)
    assert again.zero_point.dtype == params.zero_point.dtype


def test_params_that_two_nodes_share_stay_one() -> None:
    source, params = chain(), of_tensor(W8, weights(8, 6))
    write_learned(source, Learned(target="t", options={}, activations={}, weights={("a", 1): params, ("b", 1): params}))
    one, other = read_learned(source).weights.values()
    assert one is other


DIFFERS = (
    "{where}: is to run in integers, and training has left no params for it. "
    "The graph, or the target's rules, are not those it was trained with. "
    "Compile the module that was trained, or the model of edgec.qat.to_model as it is."
)


@pytest.mark.parametrize(
    ("changes", "where"),
    [({"activations": {}}, "value 'x'"), ({"weights": {}}, "node 'a'")],
)
def test_another_graph_is_refused(changes: dict[str, object], where: str) -> None:
    source = decided()
    write_learned(source, learned_of(source, **changes))
    with pytest.raises(ModelError) as caught:
        LearnedParams().call(source)
    assert str(caught.value) == DIFFERS.format(where=where)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("{}", "'weights'"),
        (
            json.dumps(
                {
                    "target": "t",
                    "options": {},
                    "weights": [],
                    "activations": {
                        "x": {"spec": {"dtype": "uint8", "symmetric": False}, "scale": -1.0, "zero_point": 0}
                    },
                }
            ),
            "a scale is not above 0 and finite",
        ),
        (
            json.dumps(
                {
                    "target": "t",
                    "options": {},
                    "weights": [],
                    "activations": {
                        "x": {"spec": {"dtype": "uint8", "symmetric": False}, "scale": 1.0, "zero_point": 300}
                    },
                }
            ),
            "a zero point is none of the codes",
        ),
    ],
)
def test_what_somebody_wrote_is_not_believed(text: str, told: str) -> None:
    source = chain()
    source.metadata_props[KEY] = text
    with pytest.raises(ModelError) as caught:
        read_learned(source)
    assert str(caught.value) == (
        f"metadata 'edgec.learned': cannot be read: {told}. Write the model again with edgec.qat.to_model."
    )


def test_params_of_another_shape_are_refused() -> None:
    source = decided()
    params = of_tensor(W8, weights(8, 5))
    write_learned(source, learned_of(source, weights={**learned_of(source).weights, ("a", 1): params}))
    with pytest.raises(ModelError) as caught:
        LearnedParams()(source)
    assert str(caught.value).startswith("node 'a': is to run in integers, and training has left no params for it.")


def test_a_list_in_place_of_a_map_is_told() -> None:
    source = chain()
    source.metadata_props[KEY] = json.dumps({"target": "t", "options": {}, "activations": [1], "weights": []})
    with pytest.raises(ModelError, match=r"^metadata 'edgec.learned': cannot be read: 'list' object has no attribute"):
        read_learned(source)
