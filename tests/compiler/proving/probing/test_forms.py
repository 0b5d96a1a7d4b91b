"""A form is the bundle's node: it computes the same; and a change changes no more than it says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.classifier import classifier, images
from support.planted import planted

import edgec
from edgec.compiler.diagnosing.taps import tapped
from edgec.compiler.proving.probing.changes import changes
from edgec.compiler.proving.probing.cut import Cuts
from edgec.compiler.proving.probing.form import Form
from edgec.compiler.proving.probing.write import write
from edgec.runtimes import runtime
from edgec.runtimes.base import SessionSettings

AS_WRITTEN = SessionSettings(threads=1, optimize=False)
AROUND = ("QuantizeLinear", "DequantizeLinear")


def run(model: bytes, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    with closing(runtime("onnxruntime-cpu").open(model, AS_WRITTEN)) as session:
        return list(session.run(feeds).values())


def in_the_model(file: Path, name: str, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What a node writes where it stands; codes where all that reads it quantizes it."""
    model = ir.load(file)
    node = next(node for node in model.graph if node.name == name)
    wanted = []
    for value in node.outputs:
        readers = [reader for reader, _ in value.uses()]
        quantized = not value.is_graph_output() and readers and all(r.op_type == "QuantizeLinear" for r in readers)
        if readers or value.is_graph_output():
            wanted.append(str(readers[0].outputs[0].name if quantized else value.name))
    clone, found = tapped(model, wanted)
    names = [value.name for value in clone.graph.outputs]
    answers = dict(zip(names, run(ir.to_proto(clone).SerializeToString(), feeds), strict=True))
    return [answers[found[each]] for each in wanted]


def check(file: Path, feeds: dict[str, np.ndarray]) -> int:
    """Compare every node; how many were."""
    cuts = Cuts(file, feeds, {})
    names = [name for name, node in cuts.nodes.items() if not cuts.why_not(name)]
    for name, form in cuts.forms(names).items():
        assert [each.op_type for each in cuts.nodes.values() if each.name == name] == [form.op]
        if not any(not each.constant for each in form.present):
            continue  # computed once, from constants
        for mine, theirs in zip(run(*write([form])), in_the_model(file, name, feeds), strict=True):
            np.testing.assert_array_equal(mine, theirs, name)
            assert mine.dtype == theirs.dtype
    return len(names)


@pytest.mark.parametrize("target", ["x86-64-vnni", "pixel-8"])
@pytest.mark.parametrize("net", ["healthy", "classifier", "saturating_sigmoid", "clashing_concat"])
def test_a_form_computes_what_its_node_does_in_the_bundle(target: str, net: str, tmp_path: Path) -> None:
    if net == "classifier":
        model: Any = ir.from_proto(classifier())
        samples = [{"image": each[None]} for each in images(4)]
    else:
        made = planted(net, 1) if net != "healthy" else planted("outlier_channel", 1)
        model, samples = made.model, made.calibration[:4]
    bundle = edgec.compile(model, target=target, calibration=samples, output=tmp_path / "out", prove=False)
    assert check(bundle.model, bundle.golden()[0][0]) > 5


@st.composite
def nodes(draw: st.DrawFn) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A quantized Conv, Gemm, MatMul or Add with what stands around it in bundles."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    op = draw(st.sampled_from(["Conv", "Gemm", "MatMul", "Add"]))
    dtype = draw(st.sampled_from(["uint8", "int8"]))
    info = np.iinfo(dtype)
    batch = draw(st.sampled_from(["1", "3", "N"]))
    quantized, per_channel, biased = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    count, group = 6, draw(st.sampled_from([1, 2, 3, 6])) if op == "Conv" else 1
    inner, shape, weights, inside = "", [6, 5, 4], (6, 6 // group, 3, 2), ""
    if op == "Conv":
        stride = draw(st.integers(1, 2))
        inside = f"<group = {group}, strides = [{stride}, 1], pads = [1, 0, 2, 1]>"
    elif op == "Gemm":
        turned = draw(st.booleans())
        shape, weights, inside = [4], (6, 4) if turned else (4, 6), f"<transB = {int(turned)}>"
    elif op == "MatMul":
        shape, weights = [3, 4], (4, 6)
    else:
        weights = (5, 4)
        count = 4
    axis = {"Conv": 0, "Gemm": 0 if weights[0] == 6 else 1, "MatMul": 1, "Add": 1}[op]
    along = weights[axis] if per_channel else ()
    arrays = {
        "sx": np.float32(rng.uniform(0.01, 0.1)), "zx": np.array(rng.integers(info.min, info.max), dtype),
        "sy": np.float32(rng.uniform(0.05, 0.5)), "zy": np.array(rng.integers(info.min, info.max), dtype),
        "wq": rng.integers(-127, 128, weights).astype(np.int8),
        "sw": np.asarray(rng.uniform(0.01, 0.1, along), np.float32), "zw": np.zeros(along, np.int8),
        "bq": rng.integers(-900, 900, count).astype(np.int32), "sb": np.float32(0.001),
    }  # fmt: skip
    operands = "d, w, b" if biased and op in ("Conv", "Gemm") else "d, w"
    dims = ", ".join(map(str, [batch, *shape]))
    rank = len(shape) + 1
    free = ", ".join(f"R{k}" for k in range(rank))
    end = f"{dtype}[{free}] y" if quantized else f"float[{free}] y"
    last = "y = QuantizeLinear(c, sy, zy)" if quantized else "y = Relu(c)"
    text = f"""<ir_version: 8, opset_import: ["": 17]> g (float[{dims}] x) => ({end}) {{
        q = QuantizeLinear(x, sx, zx)
        d = DequantizeLinear(q, sx, zx)
        w = DequantizeLinear<axis = {axis}>(wq, sw, zw)
        b = DequantizeLinear(bq, sb)
        c = {op}{inside}({operands}){inner}
        {last}
    }}"""
    proto = onnx.parser.parse_model(text)
    for name, array in arrays.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    for node in proto.graph.node:
        node.name = node.output[0]
    feed = rng.standard_normal([2 if batch == "N" else int(batch), *shape]).astype(np.float32)
    return proto, {"x": feed}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nodes())
def test_any_form_computes_what_its_node_does(tmp_path: Path, made: tuple[onnx.ModelProto, Any]) -> None:
    proto, feeds = made
    file = tmp_path / "model.onnx"
    onnx.save(proto, file)
    check(file, feeds)


# What a change leaves of the answers: all, all but a shift by 128 codes, all but how a step more or less is rounded.
_EXACT = frozenset({"shape", "constant", "opset"})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nodes())
def test_changes_keep_the_function_where_they_say_nothing_of_it(
    tmp_path: Path, made: tuple[onnx.ModelProto, Any]
) -> None:
    proto, feeds = made
    file = tmp_path / "model.onnx"
    onnx.save(proto, file)
    form = Cuts(file, feeds, {}).forms(["c"])["c"]
    before = run(*write([form]))[0]
    kinds = set()
    for change in changes(form):
        changed = change.apply(form)
        kinds.add((change.kind, change.name))
        if change.kind in _EXACT:
            np.testing.assert_array_equal(run(*write([changed]))[0], before, change.takes)
        elif change.kind == "activations":
            after = run(*write([changed]))[0]
            assert str(changed.present[0].dtype.name).lower() == change.name
            shift = 0 if after.dtype == np.float32 else 128 if after.dtype == np.uint8 else -128
            np.testing.assert_array_equal(after.astype(np.float32), before.astype(np.float32) + shift)
        elif change.kind == "weights":
            np.testing.assert_array_equal(run(*write([changed]))[0], before)
        elif change.kind == "float":
            after = run(*write([changed]))[0]
            steps = form.outputs[0].steps
            if steps is None:
                np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
            else:
                codes = np.rint(after / steps.scale) + int(steps.zero)  # type: ignore[arg-type]
                limits = np.iinfo(before.dtype)
                np.testing.assert_allclose(np.clip(codes, limits.min, limits.max), before, atol=1)
    assert ("float", "") in kinds
    assert {"activations", "weights"} <= {kind for kind, _ in kinds}


def test_forms_stand_beside_each_other(tmp_path: Path) -> None:
    """Of one model, each computes what it does alone."""
    proto = classifier()
    file = tmp_path / "model.onnx"
    for node in proto.graph.node:
        node.name = node.output[0]
    onnx.save(proto, file)
    cuts = Cuts(file, {"image": images(1)[:1]}, {})
    forms: list[Form] = list(cuts.forms(cuts.nodes).values())
    together = run(*write(forms))
    alone = [run(*write([form]))[0] for form in forms]
    assert len(together) == len(alone)
    for mine, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(mine, theirs)
