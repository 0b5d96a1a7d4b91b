"""What the HTP computes right in integers, and what is kept in fp16 there all the same for what 8 bits cost.

Raw graphs: the operator between a DequantizeLinear and a QuantizeLinear is one of integers, behind a pair of Casts one
of floats (onnxruntime-qnn 2.7.0, QAIRT 2.51, soc 57).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime

pytestmark = pytest.mark.targets

QNN = "QNNExecutionProvider"
GRID_STEP = 0.008
GRID = np.random.default_rng(3).uniform(-1, 1, (1, 8, 8, 2)).astype(np.float32)
# Operator, shapes of x and of its result, step and zero point of the result, dB from float that 8 bits cost at least
# (41.9 to 26.9, 41.4 to 26.3, 41.9 to 10.6 dB).
RIGHT = {
    "Softmax": ("Softmax({})", "4, 64", "4, 64", 1 / 256, 0, 10.0),
    "GridSample linear": ('GridSample<mode = "linear">({}, {})', "16, 16", "8, 8", 0.03, 128, 10.0),
    "GridSample nearest": ('GridSample<mode = "nearest">({}, {})', "16, 16", "8, 8", 0.03, 128, 20.0),
}


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


def graphs(case: str) -> dict[str, onnx.ModelProto]:
    """The operator in integers, between halves, and in floats."""
    body, shape, result, step, zero, _ = RIGHT[case]
    read = "a = QuantizeLinear(x, s, z) d = DequantizeLinear(a, s, z)"
    grid = "k = DequantizeLinear(codes, sg, z)" if "Grid" in case else ""
    write = "e = QuantizeLinear(o, t, u) y = DequantizeLinear(e, t, u)"
    texts = {
        "integers": f"{read} {grid} o = {body.format('d', 'k')} {write}",
        "halves": f"{read} h = Cast<to = 10>(d) f = Cast<to = 1>(h) y = {body.format('f', 'grid')}",
        "floats": f"y = {body.format('x', 'grid')}",
    }
    constants = {"s": np.float32(0.03), "z": np.uint8(128), "t": np.float32(step), "u": np.uint8(zero)}
    if grid:
        codes = np.rint(GRID / GRID_STEP + 128).astype(np.uint8)
        constants |= {"grid": GRID, "codes": codes, "sg": np.float32(GRID_STEP)}
    head = f"g (float[1, 4, {shape}] x) => (float[1, 4, {result}] y)"
    return {name: proto(f"{head} {{ {text} }}", opset=21, ir_version=10, **constants) for name, text in texts.items()}


def answer(place: Runtime, model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    with closing(place.open(model.SerializeToString())) as session:
        return session.run({"x": x})["y"]


def decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    return 10 * float(np.log10(np.square(wanted).sum() / np.square(wanted - found).sum()))


@pytest.mark.parametrize("case", RIGHT)
def test_it_is_right_in_integers_and_nearer_to_float_in_halves(case: str, htp: Runtime) -> None:
    """8 bits round small shares to nothing, and coordinates to parts of a pixel."""
    step, cost = RIGHT[case][3], RIGHT[case][5]
    made = graphs(case)
    dims = [each.dim_value for each in made["floats"].graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(11).normal(0, 1, dims).astype(np.float32)
    here = {name: answer(runtime("onnxruntime-cpu"), model, x) for name, model in made.items()}
    there = {name: answer(htp, made[name], x) for name in ("integers", "halves")}
    assert np.abs(here["integers"] - there["integers"]).max() <= 1.01 * step
    assert decibels(here["halves"], there["halves"]) >= 50.0
    assert decibels(here["floats"], there["halves"]) - decibels(here["floats"], there["integers"]) >= cost


@pytest.mark.parametrize("body", ["Softmax(c)", "GridSample(c, grid)"], ids=["Softmax", "GridSample"])
def test_it_is_compiled_in_floats_and_stays_on_the_htp(body: str, htp: Runtime, tmp_path: Path) -> None:
    text = f"g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{ c = Conv(x, w) o = {body} y = Conv(o, v) }}"
    constants = {"grid": GRID} if "grid" in body else {}
    model = proto(text, opset=21, ir_version=10, w=weights(4, 4, 1, 1), v=weights(4, 4, 1, 1, seed=1), **constants)
    samples = [{"x": np.random.default_rng(seed).normal(0, 1, (1, 4, 8, 8)).astype(np.float32)} for seed in range(4)]
    options = {"calibration": samples, "scheme": "a8w8", "search": False, "prove": False, "cache": False}
    bundle = edgec.compile(model, target="snapdragon-8-gen-3", output=tmp_path / "out", **options)
    with closing(htp.open(bundle.model)) as session:
        kernels = session.placement(samples[0]).kernels
        there = session.run(samples[0])["y"]
    (kernel,) = [each for each in kernels if each.op_type == body.split("(")[0]]
    assert (kernel.provider, kernel.inputs[0][0]) == (QNN, "float")
    assert decibels(answer(runtime("onnxruntime-cpu"), onnx.load(bundle.model), samples[0]["x"]), there) >= 35.0
