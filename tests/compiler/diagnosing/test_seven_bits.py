"""7-bit weights made of a bundle alone: within range, within a step, and only where asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.planted import saturating

import edgec
from edgec.compiler.diagnosing.seven_bits import seven_bits
from edgec.passes.check.integer_products import integer_products


def products(model: ir.Model):
    return {product.node.name: product for product in integer_products(model.graph)}


@pytest.fixture
def model(tmp_path: Path) -> ir.Model:
    planted, _ = saturating(0)
    common = {"calibration": planted.calibration, "prove": False, "search": False, "scheme": "a8w8"}
    return ir.load(edgec.compile(planted.model, target="x86-64-vnni", output=tmp_path / "out", **common).model)


def test_weights_are_halved_where_asked(model: ir.Model) -> None:
    before = products(model)
    name = next(name for name, product in before.items() if product.can_saturate)
    after = products(seven_bits(model, [name]))
    assert set(after) == set(before)
    for each, product in after.items():
        old = before[each]
        if each != name:
            np.testing.assert_array_equal(product.weight, old.weight)
            continue
        assert np.abs(product.weight).max() <= 64
        assert not product.can_saturate
        axes = (slice(None), *(None,) * (old.weight.ndim - 1))
        step = old.scale[axes] if old.scale.ndim else old.scale
        error = product.weight * (2 * step) - old.weight * step
        assert (np.abs(error) <= step * 1.0001).all()


def test_biases_follow_their_scale(model: ir.Model) -> None:
    name = next(name for name, product in products(model).items() if product.can_saturate)
    biases = []
    for each in (model, seven_bits(model, [name])):
        node = next(node for node in each.graph if node.name == name)
        made = node.inputs[2].producer()
        codes, scale = (made.inputs[k].const_value.numpy() for k in (0, 1))
        biases.append((codes, scale))
    (codes, scale), (new_codes, new_scale) = biases
    np.testing.assert_allclose(new_scale, 2 * scale)
    assert (np.abs(new_codes * new_scale - codes * scale) <= scale * 1.0001).all()


def test_the_model_itself_stays(model: ir.Model) -> None:
    before = ir.serde.serialize_model(model).SerializeToString()
    seven_bits(model, list(products(model)))
    assert ir.serde.serialize_model(model).SerializeToString() == before
