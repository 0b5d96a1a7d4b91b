"""What the HTP computes wrong in integers, each as it would be without its rule, and as it is compiled.

Without: the recipe with a rule more, that takes the operator for one of integers, and without `HalveBetween`. Noise is
that of the HTP beside the CPU on one bundle, so that what rounding costs both is not in it. A graph that is right
without its rule says that the rule has had its day (onnxruntime-qnn 2.7.0, QAIRT 2.51, soc 57).
"""

from __future__ import annotations

from collections.abc import Iterator
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
from edgec.errors import ModelError
from edgec.passes.base import Pass
from edgec.passes.lower.halve_between import HalveBetween
from edgec.passes.lower.part_inputs import PartInputs
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec, Shared
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.runtimes.placement import Placement
from edgec.targets import pipeline as families
from edgec.targets.qnn import pipeline
from edgec.targets.qnn.rules import htp_rules, rules_of

TARGET = "snapdragon-8-gen-3"
QNN = "QNNExecutionProvider"
SAMPLES = [{"x": np.random.default_rng(seed).normal(0, 1, (1, 4, 8, 8)).astype(np.float32)} for seed in range(6)]
A8, A16 = (QuantSpec(dtype=dtype, symmetric=False) for dtype in ("uint8", "uint16"))
_BIAS = {"Swish": -3.0, "Log": 9.0}


def follow(op: str, spec: QuantSpec, outputs: object = None) -> OpRule:
    return OpRule(ops=(op,), role="follow", inputs=spec, outputs=outputs or Given(spec))  # type: ignore[arg-type]


PRODUCT = OpRule(ops=("MatMul",), role="compute", inputs=A16, outputs=Given(A16))
# Body, scheme, the rule that would take it for integers; dB between HTP and CPU without the rule at most, and with it
# at least.
WRONG = {
    "Swish u8": ("Swish(c)", "a8w8", follow("Swish", A8), 30.0, 35.0),
    "Swish u16": ("o = Swish(c)", "a16w8", follow("Swish", A16), 30.0, 42.0),
    "CumSum u8": ("CumSum(c, axis)", "a8w8", follow("CumSum", A8), 5.0, 35.0),
    "Log u16": ("Log(c)", "a16w8", follow("Log", A16), 5.0, 50.0),
    # Its scale is not looked at where its codes leave the graph: 1 / 65536 and 1 / 32768 it is.
    "Sigmoid u16, range as measured": ("o = Sigmoid(c)", "a16w8", follow("Sigmoid", A16), 50.0, 75.0),
    "Tanh u16, range as measured": ("o = Tanh(c)", "a16w8", follow("Tanh", A16), 50.0, 75.0),
    "MatMul u16 x u16": ("MatMul(c, d)", "a16w8", PRODUCT, 50.0, 55.0),
}


def source(body: str, op: str = "") -> object:
    text = f"""g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{
        c = Conv(x, w, b) d = Conv(x, v) o = {body} y = Conv(o, v) }}"""
    if "d)" not in body:
        text = text.replace("d = Conv(x, v)", "")
    if body.startswith("o ="):
        text = f"""g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] o, float[1, 4, 8, 8] y) {{
            c = Conv(x, w, b) {body} y = Conv(o, v) }}"""
    bias = _BIAS.get(op, 0.0)
    constants: dict[str, np.ndarray] = {"axis": np.array(2)} if "axis" in body else {}
    w = weights(4, 4, 1, 1) * np.float32(0.5 if bias > 5 else 1.0)  # so that Log reads nothing below 0
    v = weights(4, 4, 1, 1, seed=1)
    return proto(text, opset=24, ir_version=11, w=w, b=np.full(4, bias, np.float32), v=v, **constants)


def compiled(model: object, output: Path, scheme: str = "a8w8", **options: object) -> Bundle:
    common = {"calibration": SAMPLES, "search": False, "prove": False, "cache": False, "overwrite": True}
    return edgec.compile(model, target=TARGET, output=output, scheme=scheme, **common, **options)


def take_for_integers(monkeypatch: pytest.MonkeyPatch, *rules: OpRule, apart: type[Pass] = HalveBetween) -> None:
    """Recipes with these rules before the others, and nothing kept apart."""

    def without(target: object, policy: object) -> object:
        made = pipeline.recipe(target, policy)  # type: ignore[arg-type]
        passes = (each for each in made.passes if not isinstance(each, apart))
        return replace(
            made,
            passes=tuple(
                replace(each, rules=(*rules, *each.rules)) if isinstance(each, DecideQuantization) else each
                for each in passes
            ),
        )

    monkeypatch.setitem(families._FAMILIES, "qnn", without)


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


def decibels(place: Runtime, bundle: Bundle) -> float:
    """SQNR of a place's first output beside this machine's CPU."""
    with closing(runtime("onnxruntime-cpu").open(bundle.model)) as here, closing(place.open(bundle.model)) as there:
        pairs = [(next(iter(here.run(feeds).values())), next(iter(there.run(feeds).values()))) for feeds in SAMPLES]
    signal = sum(float(np.square(a).sum()) for a, _ in pairs)
    return 10 * float(np.log10(signal / max(1e-30, sum(float(np.square(a - b).sum()) for a, b in pairs))))


def placed(place: Runtime, model: Path | bytes) -> Placement:
    with closing(place.open(model)) as session:
        return session.placement(SAMPLES[0])


@pytest.mark.targets
@pytest.mark.parametrize("case", WRONG)
def test_it_is_right_with_its_rule_and_wrong_without(
    case: str, htp: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, scheme, rule, most, least = WRONG[case]
    model = source(body, case.split()[0])
    assert decibels(htp, compiled(model, tmp_path / "with", scheme)) >= least
    take_for_integers(monkeypatch, rule)
    assert decibels(htp, compiled(model, tmp_path / "without", scheme)) <= most


# What reads the input in floats beside a product of integers.
READERS = {
    "Add": "m = MatMul(x, w) y = Add(m, x)",
    "Softmax": "m = MatMul(x, w) s = Softmax(x) y = Add(m, s)",
    "Sin": "m = Conv(x, v) t = Transpose<perm = [0, 1, 3, 2]>(x) s = Sin(t) y = Add(m, s)",
}


@pytest.mark.targets
@pytest.mark.parametrize("scheme", ["a8w8", "a16w8"])
@pytest.mark.parametrize("body", READERS.values(), ids=READERS)
def test_an_input_read_in_integers_and_in_floats_runs(
    body: str, scheme: str, htp: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{ {body} }}"
    constants = {"w": weights(8, 8)} if "w)" in body else {"v": weights(4, 4, 1, 1)}
    model = proto(text, opset=21, ir_version=10, **constants)
    bundle = compiled(model, tmp_path / "with", scheme, exclude_ops=("Add",))
    assert decibels(htp, bundle) >= (44.0 if scheme == "a8w8" else 60.0)
    take_for_integers(monkeypatch, apart=PartInputs)
    bundle = compiled(model, tmp_path / "without", scheme, exclude_ops=("Add",))
    with pytest.raises(ModelError, match="QNN_GRAPH_ERROR_INVALID_TENSOR: Invalid or NULL QNN tensor, Code: 6004"):
        decibels(htp, bundle)


@pytest.mark.targets
@pytest.mark.parametrize("gamma", ["s8", "u16"])
def test_a_quantized_gamma_sends_a_normalization_to_the_cpu(gamma: str, htp: Runtime, tmp_path: Path) -> None:
    """As it is compiled, with a gamma of floats, it stays on the HTP."""
    kinds = {"s8": (np.int8, 64, 0), "u16": (np.uint16, 30000, 0)}
    dtype, code, zero = kinds[gamma]
    scale = np.float32(1 / code)
    raw = proto(
        """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
            q = QuantizeLinear(x, s, z) t = DequantizeLinear(q, s, z) r = Relu(t)
            e = QuantizeLinear(r, s, z) d = DequantizeLinear(e, s, z)
            k = DequantizeLinear(codes, sg, zg) h = DequantizeLinear(beta, sb)
            n = LayerNormalization <axis = -1> (d, k, h)
            p = QuantizeLinear(n, s, z) y = DequantizeLinear(p, s, z) }""",
        opset=21, ir_version=10, s=np.float32(0.03), z=np.uint8(128), codes=np.full(8, code, dtype), sg=scale,
        zg=dtype(zero), beta=np.zeros(8, np.int32), sb=np.float32(0.03) * scale,
    )  # fmt: skip
    assert providers(placed(htp, raw.SerializeToString()), "LayerNorm") == {"CPUExecutionProvider"}
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c = Conv(x, w) n = LayerNormalization <axis = -1> (c, gamma, beta) y = Conv(n, w) }"""
    constants = {"w": weights(4, 4, 1, 1), "gamma": np.ones(8, np.float32), "beta": np.zeros(8, np.float32)}
    bundle = compiled(proto(text, opset=21, ir_version=10, **constants), tmp_path / "out")
    assert providers(placed(htp, bundle.model), "LayerNorm") == {QNN}


@pytest.mark.targets
@pytest.mark.parametrize(
    "body", ["MaxPool<kernel_shape = [1, 1]>(c)", "Gather<axis = 2>(c, order)"], ids=["MaxPool", "Gather"]
)
def test_what_moves_elements_runs_in_floats_unless_it_keeps_their_params(
    body: str, htp: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{
        c = Conv(x, w) o = {body} y = Conv(o, v) }}"""
    constants = {"order": np.arange(8)[::-1].copy()} if "order" in body else {}
    model = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1), v=weights(4, 4, 1, 1, seed=1), **constants)
    assert "Dequantize" not in kinds(placed(htp, compiled(model, tmp_path / "with").model))
    # A range of its own: nothing a calibration would give twice the same.
    own = Fixed(spec=A8, scale=0.05, zero_point=100)
    take_for_integers(monkeypatch, follow(body.split("<")[0], A8, own))
    assert "Dequantize" in kinds(placed(htp, compiled(model, tmp_path / "without").model))


@pytest.mark.targets
def test_signed_activations_open_no_session_around_a_normalization(htp: Runtime) -> None:
    """Why no rule asks for them."""
    raw = proto(
        """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
            q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
            k = DequantizeLinear(codes, s, z) h = DequantizeLinear(beta, sb)
            n = InstanceNormalization(d, k, h)
            p = QuantizeLinear(n, s, z) y = DequantizeLinear(p, s, z) }""",
        opset=21, ir_version=10, s=np.float32(0.03), z=np.int8(0), codes=np.full(4, 33, np.int8),
        beta=np.zeros(4, np.int32), sb=np.float32(0.0009),
    )  # fmt: skip
    with pytest.raises(ModelError, match="was inserted using the NHWC format as requested by QNNExecutionProvider"):
        htp.open(raw.SerializeToString())


@pytest.mark.targets
def test_float_weights_are_taken_for_integers_unless_kept_apart(
    htp: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime stores them as s8, one scale for all, before the provider sees them."""
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
        c = Conv(x, w) r = Relu(c) o = Conv(r, v) q = Relu(o) y = Conv(q, w) }"""
    model = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1), v=weights(4, 4, 1, 1, seed=1))
    model.graph.node[2].name = "kept"
    read = {}
    for name in ("with", "without"):
        bundle = compiled(model, tmp_path / name, exclude_nodes=("kept",))
        kernels = [kernel for kernel in placed(htp, bundle.model).kernels if kernel.op_type == "Conv2d"]
        read[name] = [kernel.inputs[1][0] for kernel in kernels]
        take_for_integers(monkeypatch)
    assert read == {"with": ["int8", "float", "int8"], "without": ["int8", "int8", "int8"]}


@pytest.mark.parametrize("activations", [8, 16])
@pytest.mark.parametrize("stored", [8, 4])
def test_no_rule_asks_for_a_form_that_opens_no_session(activations: int, stored: int) -> None:
    """s8 activations; weights of 4 bits with one scale, of 16 bits, or with a zero point; a product of two of 16."""
    for rule in rules_of(htp_rules(), activations=activations, weights=stored):
        outputs = rule.outputs
        read = rule.inputs.dtype if rule.inputs is not None else None
        assert read in ("uint8", "uint16")
        assert isinstance(outputs, Shared) or (isinstance(outputs, Given | Fixed) and outputs.spec.dtype == read)
        if rule.role != "compute":
            continue
        assert rule.weights is not None
        assert rule.weights.symmetric
        assert rule.weights.dtype in ("int8", "int4")
        assert rule.weights.dtype == "int8" or isinstance(rule.weights.granularity, PerAxis)


def test_one_scale_for_a_layer_keeps_eight_bits(tmp_path: Path) -> None:
    bundle = compiled(source("Relu(c)"), tmp_path / "out", "a8w4", per_channel=False)
    dtypes = {value.dtype for value in ir.load(bundle.model).graph.initializers.values()}
    assert ir.DataType.INT4 not in dtypes
    assert ir.DataType.INT8 in dtypes


def providers(placement: Placement, op_type: str) -> set[str]:
    return {kernel.provider for kernel in placement.kernels if kernel.op_type.startswith(op_type)}


def kinds(placement: Placement) -> set[str]:
    return {kernel.op_type for kernel in placement.kernels}
