"""What `edgec.qat.prepare` gives answers what the bundle answers, for any graph: fake quantization is where Q/DQ is."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of
from support.numerics import run
from support.small_graphs import small_graphs

torch = pytest.importorskip("torch", reason="needs edgec[torch]")

import edgec  # noqa: E402
from edgec.errors import ModelError  # noqa: E402

pytestmark = pytest.mark.torch

TARGET = "x86-64-vnni"
STEPS = 1.0


def samples_of(source: ir.Model) -> list[dict[str, np.ndarray]]:
    return [feeds_of(source, seed=seed) for seed in range(4)]


def bundled(source: Any, **options: Any) -> ir.Model:
    bundle = edgec.compile(source, target=TARGET, prove=False, search=False, **options)
    return ir.load(bundle.model)


def moved(module: Any, seed: int, by: float = 0.05) -> None:
    """Every weight, scale and offset a few percent elsewhere, as training would leave them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1 + by * torch.randn(parameter.shape, generator=generator).clamp(-2, 2))


def answers_of(module: Any, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    with torch.no_grad():
        made = module(**{name: torch.from_numpy(array) for name, array in feeds.items()})
    return [each.numpy() for each in (made if isinstance(made, tuple) else (made,))]


def steps_apart(answered: list[np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """The largest difference, in 1/255 of what an output spans: no fewer than any output's own steps."""
    found = [0.0]
    for ours, theirs in zip(answered, wanted.values(), strict=True):
        span = float(theirs.max() - theirs.min()) if theirs.size else 0.0
        found.append(float(np.abs(ours - theirs).max(initial=0.0)) / (max(span, 1e-3) / 255))
    return max(found)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(small_graphs(), st.sampled_from(["a8w8", "a8w4", "a4w4"]), st.integers(0, 1000))
def test_a_module_answers_what_its_bundle_does(source: ir.Model, scheme: str, seed: int) -> None:
    samples = samples_of(source)
    try:
        module = edgec.qat.prepare(source, target=TARGET, scheme=scheme, calibration=samples)
    except ModelError as error:
        assert "has no operator that runs in integers" in str(error) or "cannot be trained" in str(error)  # noqa: PT017
        return
    before = bundled(source, scheme=scheme, calibration=samples)
    feeds = feeds_of(source, seed=50)
    assert steps_apart(answers_of(module, feeds), run(before, feeds, optimize=True)) <= STEPS
    moved(module, seed)
    after = bundled(module)
    assert steps_apart(answers_of(module, feeds), run(after, feeds, optimize=True)) <= STEPS
