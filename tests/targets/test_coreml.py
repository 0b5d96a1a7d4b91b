"""The CoreML target: float16, operators the provider has, checked where no Mac is at hand."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.protos import proto

import edgec
from edgec.compiler.inspect import inspect_model
from edgec.compiler.plan import plan
from edgec.compiler.proving.places import place_for
from edgec.compiler.proving.rounded import RoundedCpu
from edgec.errors import HostError, ModelError, OptionError
from edgec.runtimes import runtime
from edgec.runtimes.coreml import OPTIONS, PROVIDER
from edgec.targets import find_target
from edgec.targets.coreml.support import MLPROGRAM
from edgec.targets.pipeline import Policy, recipe_for
from edgec.targets.support import check

RNG = np.random.default_rng(5)
# What no builder takes as exporters write it: HardSwish, PRelu with slopes of rank 4, Neg, Expand, Flatten.
NET = """g (float[1, 3, 8, 8] x) => (float[1, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w)
    b = HardSwish(a)
    c = PRelu(b, s)
    n = Neg(c)
    e = Expand(t, grown)
    f = Add(n, e)
    m = GlobalAveragePool(f)
    r = Flatten(m)
    y = Gemm(r, k, z)
}"""
CONSTANTS = {
    "w": weights(4, 3, 3, 3),
    "s": weights(1, 4, 1, 1),
    "k": weights(4, 5),
    "z": weights(5),
    "grown": np.array([1, 4, 8, 8], np.int64),
}
# The operand of Expand is computed, or it would be folded.
NET = NET.replace("    e = Expand(t, grown)", "    t = ReduceMax<axes = [2, 3]> (c)\n    e = Expand(t, grown)")
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 8, 8)).astype(np.float32)} for _ in range(8)]


def compiled(output: Path, **options: object) -> edgec.Bundle:
    source = proto(NET, ir_version=10, **CONSTANTS)
    return edgec.compile(source, target="iphone-15", output=output, **{"cache": False, "prove": False, **options})


def test_everything_runs_there_in_one_partition_of_float16(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", calibration=SAMPLES)
    graph = ir.load(bundle.model).graph
    ops = [node.op_type for node in graph]
    assert not {"HardSwish", "Neg", "Expand", "Flatten"} & set(ops)
    assert [ops[0], ops[-1], ops.count("Cast")] == ["Cast", "Cast", 2]
    assert {str(value.dtype) for value in graph.initializers.values()} == {"FLOAT16", "INT64"}
    assert [str(value.dtype) for value in (*graph.inputs, *graph.outputs)] == ["FLOAT", "FLOAT"]
    checked = bundle.manifest["checked"]
    assert (checked["partitions"], checked["supported"], checked["off"]) == (1, checked["nodes"], [])
    assert checked["mac_share"] == 1.0


def test_without_rewrites_it_would_be_cut() -> None:
    """The test of the test: as exported, five operators stay on the CPU."""
    found = check(model(NET, **CONSTANTS), MLPROGRAM)
    off = [each.unit.node.op_type for each in found.units if each.provider != PROVIDER]
    assert off == ["HardSwish", "PRelu", "Neg", "Expand", "Flatten"]


def test_its_manifest_says_how_to_open_it(tmp_path: Path) -> None:
    manifest = compiled(tmp_path / "out").manifest
    assert manifest["provider_options"] == {PROVIDER: OPTIONS}
    assert manifest["target"]["providers"] == [PROVIDER, "CPUExecutionProvider"]
    assert find_target("iphone-15").provider_options == OPTIONS


def test_it_is_checked_not_executed(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", calibration=SAMPLES, evaluation=SAMPLES, prove=True)
    proof = bundle.prove(evaluation=SAMPLES).to_json()
    assert (proof["word"], proof["exit_code"]) == ("checked", 0) or sys.platform == "darwin"


def test_inspecting_says_what_it_would_take_of_the_model_as_it_is() -> None:
    found = inspect_model(proto(NET, ir_version=10, **CONSTANTS), target=find_target("iphone-15"))
    assert found.census is None
    assert found.checked is not None
    assert (found.checked["partitions"], found.checked["supported"], found.checked["nodes"]) == (4, 5, 10)
    assert {each["op"]: each["mend"] for each in found.checked["off"]} == {
        "HardSwish": "Mul(x, HardSigmoid(x))",
        "PRelu": "store it as (C, 1, 1)",
        "Neg": "Mul(x, -1)",
        "Expand": "Tile by constant repeats",
        "Flatten": "Reshape to a constant shape",
    }


def test_planning_observes_nothing() -> None:
    made = plan(proto(NET, ir_version=10, **CONSTANTS), target="iphone-15", calibration=SAMPLES)
    names = [each.name for each in made.recipe.passes]
    assert (made.scheme, made.reason) == ("fp16", "the target computes in it")
    assert names.index("FindBeyondHalf") == names.index("ComputeInHalf") - 1


@pytest.mark.skipif(sys.platform == "darwin", reason="what a system without CoreML says")
class TestNoMac:
    def test_the_runtime_says_what_it_needs(self) -> None:
        assert runtime("coreml").available() == f"it needs macOS, this system is {sys.platform}"

    def test_the_place_of_the_target_is_a_stand_in(self) -> None:
        target = find_target("iphone-15")
        facts = {"name": target.name, "runtime": target.runtime, "isa": target.isa, "proof": list(target.proof)}
        place = place_for(facts)
        assert place.runtime.name == "onnxruntime-cpu"
        assert place.unexecuted.startswith("the target's instruction set is arm64+a16, this machine's is ")
        assert place.unexecuted.endswith(f" (coreml: it needs macOS, this system is {sys.platform})")

    def test_opening_it_is_an_error(self) -> None:
        with closing(runtime("coreml")) as place, pytest.raises(HostError) as caught:
            place.open(proto("g (float[4] x) => (float[4] y) { y = Relu(x) }").SerializeToString())
        assert str(caught.value) == (
            f"runtime 'coreml': is not available here: it needs macOS, this system is {sys.platform}. "
            "See `edgec runtime list`."
        )


@pytest.mark.targets
def test_a_mac_executes_it(tmp_path: Path) -> None:
    """Never run so far: no Mac was at hand."""
    reason = runtime("coreml").available()
    if reason is not None:
        pytest.skip(reason)
    bundle = compiled(tmp_path / "out", calibration=SAMPLES)
    with closing(runtime("coreml")) as place, closing(place.open(bundle.model)) as session:
        there = session.run(SAMPLES[0])["y"]
        placement = session.placement(SAMPLES[0])
    with closing(runtime("onnxruntime-cpu").open(bundle.model)) as here:
        assert np.abs(there - here.run(SAMPLES[0])["y"]).max() < 0.05
    assert not placement.off_provider([PROVIDER])


def test_a_model_may_stay_float32(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", scheme="float")
    graph = ir.load(bundle.model).graph
    assert "Cast" not in {node.op_type for node in graph}
    assert bundle.manifest["checked"]["partitions"] == 1


def test_integers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "out", scheme="a8w8", calibration=SAMPLES)
    assert str(caught.value) == (
        "--scheme a8w8: stores integers, which the CoreML provider of target iphone-15 does not take: it has no Q/DQ. "
        "Choose one of fp16, float."
    )


def test_free_dimensions_are_refused(tmp_path: Path) -> None:
    source = proto("g (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }", ir_version=10)
    with pytest.raises(ModelError) as caught:
        edgec.compile(source, target="iphone-15", output=tmp_path / "out", prove=False)
    assert str(caught.value) == (
        "input 'x': has shape (N, 4), and target iphone-15 runs static shapes only. With a dynamic shape the device's "
        "whole graph runs on its CPU. Fix it, say --shape x=1,4."
    )


# 50 * 50 * 30 = 75000 in the middle, which float16 does not hold.
GROWS = "g (float[1, 4] x) => (float[1, 4] y) { a = MatMul(x, p) \n b = Mul(a, m) \n c = Mul(b, n) \n y = Relu(c) }"
LARGE = {"p": np.eye(4, dtype=np.float32) * 50, "m": np.float32(30.0), "n": np.float32(0.01)}
FEEDS = [{"x": np.full((1, 4), 50.0, np.float32)}]


def answer(bundle: edgec.Bundle) -> np.ndarray:
    with closing(RoundedCpu().open(bundle.model)) as session:
        return session.run(FEEDS[0])["y"]


class TestOverflow:
    def compiled(self, output: Path, **options: object) -> edgec.Bundle:
        source = proto(GROWS, ir_version=10, **LARGE)
        return edgec.compile(source, target="iphone-15", output=output, prove=False, cache=False, **options)

    def test_what_leaves_float16_on_samples_stays_float32(self, tmp_path: Path) -> None:
        bundle = self.compiled(tmp_path / "out", calibration=FEEDS)
        assert np.allclose(answer(bundle), 750.0, rtol=2e-3)
        assert bundle.manifest["checked"]["partitions"] == 1  # its Casts run there, too

    def test_without_samples_nobody_can_tell(self, tmp_path: Path) -> None:
        """What the samples save it from."""
        assert np.isinf(answer(self.compiled(tmp_path / "out"))).all()

    def test_the_reason_is_told(self) -> None:
        from support.recipes import measure_on

        from edgec.compiler.pipeline import run_passes
        from edgec.passes.edit import SkipNotes

        made = model(GROWS, opset=21, **LARGE)
        passes = recipe_for(find_target("iphone-15"), Policy(scheme="fp16")).passes
        run_passes(made, passes, measure=measure_on(FEEDS))
        reason = "'b' reaches 75000 on the samples, and float16 ends at 65504"
        assert SkipNotes.of(made) == {"b": reason, "c": reason}
