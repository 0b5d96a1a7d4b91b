"""Of any small model, compiled by any scheme: each kernel is explained, and each form is its node."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from support.graphs import feeds_of
from support.picky import PICKY, Picky, Seen
from support.recipes import compiled
from support.small_graphs import small_graphs

from edgec.bundle import Bundle
from edgec.compiler.proving.probing.kinds import counts
from edgec.compiler.proving.probing.probe import off_wanted

calm = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)


def on(model: ir.Model, scheme: str, place: Picky) -> None:
    samples = [feeds_of(model, seed=seed) for seed in range(2)]
    shipped = compiled(model, scheme, samples)
    with tempfile.TemporaryDirectory() as folder:
        ir.save(shipped, Path(folder) / "model.onnx")
        target = {"name": "mine", "providers": [PICKY]}
        bundle = Bundle(Path(folder), {"model": "model.onnx", "target": target, "session_options": {}})
        placement = place.open(bundle.model).placement(samples[0])
        found = off_wanted(bundle, placement, wanted=PICKY, feeds=samples[0], place=place, most_kinds=6)
    off = [kernel.name for kernel in placement.off_provider([PICKY]) if counts(kernel)]
    assert sorted(name for each in found for name in each.nodes) == sorted(off)
    for each in found:
        assert each.reason, each
        assert each.forms > 0 or "takes" not in each.reason


def by_type(seen: Seen) -> bool:
    return "uint8" not in seen.inputs


@settings(calm, max_examples=12)
@given(small_graphs())
@pytest.mark.parametrize("scheme", ["a8w8", "d8w8", "w8", "fp16"])
def test_every_kernel_off_it_has_a_reason(scheme: str, model: ir.Model) -> None:
    on(model, scheme, Picky(takes=lambda seen: False))


@settings(calm, max_examples=12)
@given(small_graphs())
def test_a_provider_that_takes_some(model: ir.Model) -> None:
    on(model, "a8w8", Picky(takes=by_type))
