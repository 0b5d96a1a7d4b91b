"""The QNN targets: what is refused, the forms the HTP takes, and what it computes wrong and never gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.bundle import Bundle
from edgec.errors import ModelError, OptionError
from edgec.passes.edit import constant_array
from edgec.passes.lower.halve_between import HalveBetween
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.targets import find_target
from edgec.targets.qnn import pipeline
from edgec.targets.qnn.rules import AVOIDED, htp_rules, rules_of

TARGET = "snapdragon-8-gen-3"
QNN = "QNNExecutionProvider"
RNG = np.random.default_rng(7)
SAMPLES = [{"x": RNG.normal(0, 1, (1, 4, 8, 8)).astype(np.float32)} for _ in range(6)]
Make = Callable[..., Bundle]

# What the HTP computes wrong in integers: body, scheme, bias of the convolution before it, dB with the rule at least,
# without it at most (ONNX Runtime 1.31.1, onnxruntime-qnn 2.7.0, soc 57: 40.6 for 27.7, 34.4 for -10.7, 48.3 for 0.0).
WRONG = {
    "Swish": ("Swish(c)", "a8w8", -3.0, 37.0, 31.0),
    "CumSum": ("CumSum(c, axis)", "a8w8", 0.0, 30.0, 0.0),
    "Log": ("Log(c)", "a16w8", 9.0, 40.0, 5.0),
}


def source(body: str, bias: float) -> object:
    text = f"g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{ c = Conv(x, w, b) o = {body} y = Conv(o, v) }}"
    constants = {"axis": np.array(2)} if "axis" in body else {}
    scale = 0.5 if bias > 5 else 1.0  # so that Log reads nothing below 0
    w, v = weights(4, 4, 1, 1) * np.float32(scale), weights(4, 4, 1, 1, seed=1)
    return proto(text, opset=24, ir_version=11, w=w, b=np.full(4, bias, np.float32), v=v, **constants)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(model: object, **options: object) -> Bundle:
        given = {"target": TARGET, "calibration": SAMPLES, "search": False, "scheme": "a8w8", **options}
        return edgec.compile(model, output=tmp_path / "out", overwrite=True, prove=False, cache=False, **given)

    return made


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


def sqnr(model: object, bundle: Bundle, place: Runtime) -> float:
    """dB of a bundle's answers there against float's here."""
    here = runtime("onnxruntime-cpu").open(model.SerializeToString())  # type: ignore[attr-defined]
    with closing(place.open(bundle.model)) as there:
        pairs = [(here.run(feeds)["y"], there.run(feeds)["y"]) for feeds in SAMPLES]
    signal, noise = (float(sum(np.sum(np.square(each)) for each in all_)) for all_ in (
        [a for a, _ in pairs], [a - b for a, b in pairs]))  # fmt: skip
    return 10 * float(np.log10(signal / noise))


@pytest.mark.parametrize("scheme", ["w8", "w4", "d8w8", "bf16"])
def test_schemes_that_would_run_on_the_cpu(scheme: str, make: Make) -> None:
    with pytest.raises(OptionError) as caught:
        make(source("Relu(c)", 0.0), scheme=scheme)
    assert str(caught.value) == (
        f"--scheme {scheme}: would be expanded on the CPU at every inference of target {TARGET}. Give --calibration, "
        "or choose one of a8w8, a8w4, a16w8, a16w4, fp16, float."
    )


def test_a_dynamic_shape_is_refused_by_name(make: Make) -> None:
    text = "g (float[N, 3, H, 16] image) => (float[N, 4, H, 16] y) { y = Conv(image, w) }"
    model = proto(text, opset=21, ir_version=10, w=weights(4, 3, 1, 1))
    with pytest.raises(ModelError) as caught:
        make(model)
    assert str(caught.value) == (
        f"input 'image': has shape (N, 3, H, 16), and target {TARGET} runs static shapes only. With a dynamic shape "
        "the device's whole graph runs on its CPU. Fix it, say --shape image=1,3,N,16."
    )


def test_fixing_the_shape_does(make: Make) -> None:
    text = "g (float[N, 4, 8, 8] x) => (float[N, 4, 8, 8] y) { y = Conv(x, w) }"
    model = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1))
    bundle = make(model, shapes={"x": (1, 4, 8, 8)})
    assert ir.load(bundle.model).graph.inputs[0].shape == (1, 4, 8, 8)


def test_every_operator_that_is_wrong_has_no_rule() -> None:
    ops = {op for rule in htp_rules() for op in rule.ops}
    assert not ops & set(AVOIDED)


def test_widths_keep_what_opens_no_session_in_four_bits() -> None:
    rules = rules_of(htp_rules(), activations=16, weights=4)
    stored = {op: rule.weights.dtype for rule in rules if rule.role == "compute" and rule.weights for op in rule.ops}
    assert stored == {"Conv": "int4", "Gemm": "int4", "MatMul": "int4", "ConvTranspose": "int8"}
    (depthwise,) = [rule for rule in rules if rule.only == "depthwise"]
    assert depthwise.weights is not None
    assert depthwise.weights.dtype == "int8"
    tanh, sigmoid = (next(rule for rule in rules if op in rule.ops).outputs for op in ("Tanh", "Sigmoid"))
    assert (tanh.scale, tanh.zero_point) == (1 / 32768, 32768)  # type: ignore[union-attr]
    assert (sigmoid.scale, sigmoid.zero_point) == (1 / 65536, 0)  # type: ignore[union-attr]


def test_what_moves_elements_keeps_its_params(make: Make) -> None:
    """MaxPool and its kin run in floats there unless both sides are the same."""
    body = "MaxPool<kernel_shape = [1, 1]>(c)"
    graph = ir.load(make(source(body, 0.0)).model).graph
    pool = next(node for node in graph if node.op_type == "MaxPool")
    before, (behind, _) = pool.inputs[0].producer(), next(iter(pool.outputs[0].uses()))
    assert (before.op_type, behind.op_type) == ("DequantizeLinear", "QuantizeLinear")
    assert [constant_array(v).tolist() for v in before.inputs[1:3]] == [
        constant_array(v).tolist() for v in behind.inputs[1:3]
    ]


@pytest.mark.parametrize("op", WRONG)
def test_what_is_wrong_in_integers_is_kept_apart(op: str, make: Make) -> None:
    body, scheme, bias, _, _ = WRONG[op]
    graph = ir.load(make(source(body, bias), scheme=scheme).model).graph
    node = next(node for node in graph if node.op_type == op)
    assert node.inputs[0].producer().op_type == "Cast"


@pytest.mark.parametrize("widths", [(8, 8), (16, 8)])
def test_a_product_of_two_activations_stays_float(widths: tuple[int, int], make: Make) -> None:
    """With 16 bits each the provider would convert the second to 8 bits without a word."""
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
        q = Conv(x, w) k = Conv(x, v) s = MatMul(q, k) y = Conv(s, w) }"""
    model = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1), v=weights(4, 4, 1, 1, seed=1))
    bundle = make(model, scheme=f"a{widths[0]}w{widths[1]}")
    product = next(node for node in ir.load(bundle.model).graph if node.op_type == "MatMul")
    assert product.inputs[0].producer().op_type == "Cast"


@pytest.mark.targets
@pytest.mark.parametrize("op", WRONG)
def test_the_htp_computes_it_right_and_without_the_rule_wrong(
    op: str, make: Make, htp: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, scheme, bias, least, most = WRONG[op]
    model = source(body, bias)
    assert sqnr(model, make(model, scheme=scheme), htp) >= least
    whole = pipeline.recipe

    def without(target: object, policy: object) -> object:
        made = whole(target, policy)  # type: ignore[arg-type]
        return replace(made, passes=tuple(each for each in made.passes if not isinstance(each, HalveBetween)))

    monkeypatch.setitem(edgec.targets.pipeline._FAMILIES, "qnn", without)
    assert sqnr(model, make(model, scheme=scheme), htp) <= most


@pytest.mark.targets
def test_a_normalization_with_a_float_gamma_stays_on_the_htp(make: Make, htp: Runtime) -> None:
    """With a gamma of s8 it would run on the CPU."""
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c = Conv(x, w) n = LayerNormalization<axis = -1>(c, gamma, beta) y = Conv(n, w) }"""
    constants = {"w": weights(4, 4, 1, 1), "gamma": np.ones(8, np.float32), "beta": np.zeros(8, np.float32)}
    model = proto(text, opset=21, ir_version=10, **constants)
    bundle = make(model)
    with closing(htp.open(bundle.model)) as session:
        placement = session.placement(SAMPLES[0])
    providers = {kernel.op_type: kernel.provider for kernel in placement.kernels}
    assert providers["LayerNorm"] == QNN
    assert placement.integer_mac_share == 1.0
    assert sqnr(model, bundle, htp) > 30


def test_the_arch_is_in_the_target() -> None:
    assert {find_target(name).isa for name in (TARGET, "snapdragon-8-elite", "snapdragon-888")} == {
        "hexagon+v75",
        "hexagon+v79",
        "hexagon+v68",
    }
