"""What the recipe of CoreML's target makes of any small graph, of awkward ones, and of real models where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from support.awkward import AWKWARD, build
from support.graphs import feeds_of
from support.numerics import run
from support.recipes import compiled
from support.small_graphs import small_graphs
from support.state import signature

import edgec
from edgec.compiler.load import load_model
from edgec.targets.coreml.support import MLPROGRAM, NEURAL_NETWORK
from edgec.targets.support import Checked, SupportRules, check

calm = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
# Of an output's root mean square: float16 rounds to 1/2048; the worst of several hundred graphs loses 0.0017.
SANE = 0.01
# Gemms that scale are left, and blocks of nothing but movers, which the provider itself leaves.
LEFT = ("Gemm has transA 0, alpha 0.5", "its partition would only move elements")


def fixed(model: ir.Model) -> ir.Model:
    """With a batch of one, as the provider asks for."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.shape = ir.Shape([dim if isinstance(dim, int) else 1 for dim in value.shape or ()])
    return model


def inferred(model: ir.Model) -> ir.Model:
    proto = onnx.shape_inference.infer_shapes(ir.serde.serialize_model(model), data_prop=True)
    return ir.serde.deserialize_model(proto)


def left(found: Checked, provider: str) -> list[str]:
    return [each.verdicts[provider].why for each in found.units if each.provider != provider]


@settings(calm, max_examples=25)
@given(small_graphs())
def test_any_small_graph_runs_there_whole_and_near_float(model: ir.Model) -> None:
    fixed(model)
    samples = [feeds_of(model, seed=seed) for seed in range(3)]
    shipped = compiled(model, "fp16", samples, target="iphone-15")
    assert signature(shipped) == signature(model)
    whys = left(check(inferred(shipped), MLPROGRAM), MLPROGRAM.provider)
    assert [why for why in whys if not why.startswith(LEFT)] == []
    expected = [run(model, feeds) for feeds in samples]
    answered = [run(shipped, feeds) for feeds in samples]
    for name in expected[0]:
        x, y = (np.stack([each[name] for each in outputs]).astype(np.float64) for outputs in (expected, answered))
        assert np.isfinite(y).all()
        lost, size = np.sqrt(np.mean((x - y) ** 2)), np.sqrt(np.mean(x**2))
        assert lost <= SANE * size + 1e-3, f"{name}: {lost:.3g} of {size:.3g}"


@pytest.mark.parametrize("rules", [MLPROGRAM, NEURAL_NETWORK], ids=["MLProgram", "NeuralNetwork"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_graphs_get_a_verdict_for_every_node(name: str, rules: SupportRules) -> None:
    found = check(build(name), rules)
    whys = left(found, rules.provider)
    assert all(whys)
    assert found.supported + len(whys) == len(found.units)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ["kws_dscnn", "resnet56_cifar10", "mobilenetv2_100", "squeezenet11", "lprnet"])
def test_real_models_run_there_whole(name: str, zoo: Path, tmp_path: Path) -> None:
    source = zoo / "models" / name / "model.onnx"
    inputs = load_model(source).model.graph.inputs
    shapes = {each.name: tuple(dim if isinstance(dim, int) else 1 for dim in each.shape or ()) for each in inputs}
    bundle = edgec.compile(source, target="iphone-15", output=tmp_path / "out", shapes=shapes, cache=False, prove=False)
    checked = bundle.manifest["checked"]
    assert (checked["partitions"], checked["supported"], checked["off"]) == (1, checked["nodes"], [])
    assert checked["mac_share"] == 1.0
    assert bundle.model.stat().st_size < 0.6 * source.stat().st_size
