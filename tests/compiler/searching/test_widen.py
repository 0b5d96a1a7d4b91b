"""16 bits before float, where the target multiplies them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgec
from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.targets import find_target

DEPTH, CHANNELS, SIZE = 8, 8, 8
HTP = "snapdragon-8-gen-3"
# All in 8 bits has 30 dB; a little more is asked for.
MORE = {"sqnr": "30dB"}


def chain() -> onnx.ModelProto:
    """Convolutions in a row."""
    rng = np.random.default_rng(0)
    nodes, constants = [], {}
    for k in range(DEPTH):
        constants[f"w{k}"] = rng.standard_normal((CHANNELS, CHANNELS, 3, 3)).astype(np.float32) / 6
        source, result = ("x" if k == 0 else f"c{k - 1}"), (f"c{k}" if k < DEPTH - 1 else "y")
        nodes.append(onnx.helper.make_node("Conv", [source, f"w{k}"], [result], name=f"conv{k}", pads=[1, 1, 1, 1]))
    shape = [1, CHANNELS, SIZE, SIZE]
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "chain", sides[:1], sides[1:], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)


SAMPLES = [
    {"x": np.random.default_rng(seed).standard_normal((1, CHANNELS, SIZE, SIZE)).astype(np.float32)}
    for seed in range(8)
]


def compiled(output: Path, *, target: str = HTP, scheme: str = "a8w8", **options: Any) -> edgec.Bundle:
    common = {"calibration": SAMPLES, "output": output, "scheme": scheme, "prove": False, "cache": False}
    return edgec.compile(chain(), target=target, **common, **options)


def decided(bundle: edgec.Bundle) -> dict[str, Any]:
    passes = json.loads((bundle.path / "recipe.lock").read_text())["passes"]
    found: dict[str, Any] = next(each for each in passes if each["kind"] == "DecideQuantization")
    return found


def test_a_few_nodes_get_sixteen_bits_and_none_goes_to_float(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", contract=MORE)
    decide = decided(bundle)
    count = len(decide["wide_nodes"])
    assert 0 < count < DEPTH
    assert not decide.get("float_nodes")
    (note,) = (note for note in bundle.manifest["notes"] if "16-bit" in note)
    assert note.startswith(f"accuracy: {count} node{'s' * (count > 1)} with 16-bit activations (")


def test_the_lock_replays_it(tmp_path: Path) -> None:
    first = compiled(tmp_path / "first", contract=MORE)
    again = edgec.compile(
        chain(), target=HTP, calibration=SAMPLES, output=tmp_path / "again", prove=False, cache=False,
        recipe=first.path / "recipe.lock",
    )  # fmt: skip
    assert again.model.read_bytes() == first.model.read_bytes()


@pytest.mark.parametrize(
    ("target", "scheme"), [("x86-64-vnni", "a8w8"), (HTP, "a16w8")], ids=["a CPU", "16 bits everywhere"]
)
def test_others_are_not_widened(target: str, scheme: str, tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", target=target, scheme=scheme, contract=MORE)
    assert not decided(bundle).get("wide_nodes")


def test_a_limit_nothing_keeps_packs_float(tmp_path: Path) -> None:
    """Weights alone would be expanded on the CPU at every inference there."""
    bundle = compiled(tmp_path / "out", contract={"sqnr": "120dB"})
    assert bundle.manifest["scheme"] == "float"
    assert "accuracy: nothing in 8 bits keeps the limits; the model is packed in float" in bundle.manifest["notes"]


def test_a_surer_goal_allows_a_share_of_the_divergence_alone() -> None:
    scores = {"y": Fidelity(kind="scores", noise=0.01, regret=0.0, divergence=0.003)}
    values = {"y": Fidelity(kind="values", noise=0.005)}
    goal = Goal()
    assert goal.surer(0.5).excess(scores) == pytest.approx(2 * goal.excess(scores))
    assert goal.surer(0.5).excess(values) == goal.excess(values)


def test_the_htp_asks_for_a_share_and_a_cpu_for_none() -> None:
    assert find_target(HTP).wide_share == 0.1
    assert find_target("x86-64-vnni").wide_share is None
