"""Modules on edges: they start as calibration left them, give what is stored, and say what they learned."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.errors import ModelError
from edgec.passes.quantize.params import bias_params, dequantize, from_range, of_tensor, quantize
from edgec.passes.spec import PerAxis, PerBlock, PerTensor, QuantSpec

torch = pytest.importorskip("torch", reason="needs edgec[torch]")

from edgec.compiler.training.quantizing.fake import FakeBias, FakeQuantize, SameParams  # noqa: E402

pytestmark = pytest.mark.torch

ACTIVATION = QuantSpec(dtype="uint8", symmetric=False, code_bits=4)


def activation(low: float = -1.0, high: float = 2.0, **options: object) -> FakeQuantize:
    return FakeQuantize("v", from_range(ACTIVATION, np.asarray(low), np.asarray(high)), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("granularity", [PerTensor(), PerAxis(axis=0), PerAxis(axis=-1), PerBlock(axis=0, size=4)])
@pytest.mark.parametrize(("dtype", "bits"), [("int8", None), ("int8", 6), ("int4", None), ("int4", 3), ("int4", 2)])
def test_a_weight_starts_as_it_would_be_stored(granularity: PerAxis, dtype: str, bits: int | None) -> None:
    spec = QuantSpec(dtype=dtype, granularity=granularity, symmetric=True, code_bits=bits)
    w = np.random.default_rng(0).standard_normal((10, 6)).astype(np.float32)
    params = of_tensor(spec, w)
    fake = FakeQuantize("w", params, batched=False)
    with torch.no_grad():
        np.testing.assert_array_equal(fake(torch.from_numpy(w)).numpy(), dequantize(quantize(w, params), params))
    learned = fake.params()
    np.testing.assert_array_equal(learned.scale, params.scale)
    np.testing.assert_array_equal(learned.zero_point, params.zero_point)
    assert learned.zero_point.dtype == params.zero_point.dtype


@given(st.floats(-20, 0, width=32), st.floats(0, 20, width=32), st.booleans())
def test_an_activation_starts_as_it_was_calibrated(low: float, high: float, offset: bool) -> None:
    fake = activation(low, high, offset=offset)
    params = from_range(ACTIVATION, np.asarray(low), np.asarray(high))
    learned = fake.params()
    assert (learned.scale, learned.zero_point) == (params.scale, params.zero_point)


def test_what_is_learned_is_what_is_named() -> None:
    assert [name for name, _ in activation().named_parameters()] == ["scale"]
    assert [name for name, _ in activation(offset=True).named_parameters()] == ["scale", "lowest"]
    assert [name for name, _ in activation(learned=False).named_parameters()] == []
    assert sorted(activation().state_dict()) == ["scale", "zero_point"]


def test_an_offset_moves_the_zero_point_by_whole_codes() -> None:
    fake = activation(-1.0, 2.0, offset=True)
    assert int(fake.params().zero_point) == 5
    with torch.no_grad():
        fake.lowest.sub_(float(fake.scale) * 1.3)
    assert int(fake.params().zero_point) == 6
    with torch.no_grad():
        fake.lowest.sub_(100.0)
    assert int(fake.params().zero_point) == 15  # no further than the codes go


def test_a_scale_stays_below_what_a_clamp_leaves_to_saturation() -> None:
    fake = activation(0.0, 6.0, largest=0.4)
    with torch.no_grad():
        fake.scale.fill_(1.0)
    assert float(fake.params().scale) == np.float32(0.4)


def test_those_that_share_params_have_none_of_their_own() -> None:
    owner = activation()
    other = SameParams(owner)
    assert list(other.parameters()) == []
    assert other.state_dict() == {}
    x = torch.linspace(-3, 3, 50)
    assert torch.equal(other(x), owner(x))
    both = copy.deepcopy(torch.nn.ModuleList([owner, other]))
    with torch.no_grad():
        both[0].scale.mul_(2)
    assert torch.equal(both[1](x), both[0](x))
    assert not torch.equal(both[1](x), owner(x))


@pytest.mark.parametrize("shape", [(6,), (1,)])
def test_a_bias_is_in_int32_of_both_scales(shape: tuple[int, ...]) -> None:
    x = activation()
    w = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    weight = FakeQuantize("w", of_tensor(QuantSpec(dtype="int8", granularity=PerAxis(axis=0), symmetric=True), w))
    bias = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    params = bias_params(x.params(), weight.params())
    given_ = torch.from_numpy(bias).requires_grad_()
    made = FakeBias(x, weight)(given_)
    np.testing.assert_array_equal(made.detach().numpy(), dequantize(quantize(bias, params), params))
    made.sum().backward()
    assert given_.grad.tolist() == [6.0 / shape[0]] * shape[0]


def test_zeros_stay() -> None:
    kept = np.array([[True, False], [False, True]])
    fake = FakeQuantize("w", of_tensor(QuantSpec(dtype="int8", symmetric=True), np.eye(2, dtype=np.float32)), kept=kept)
    w = torch.ones(2, 2, requires_grad=True)
    made = fake(w)
    made.sum().backward()
    assert torch.equal(made.detach() != 0, torch.from_numpy(kept))
    assert torch.equal(w.grad != 0, torch.from_numpy(kept))


@pytest.mark.parametrize(
    ("scale", "told"), [(float("nan"), "its scale is nan"), (-0.5, "its scale is -0.5"), (0.0, "its scale is 0")]
)
def test_a_scale_that_is_none_is_refused(scale: float, told: str) -> None:
    fake = activation()
    with torch.no_grad():
        fake.scale.fill_(scale)
    with pytest.raises(ModelError) as caught:
        fake.params()
    assert str(caught.value) == (
        f"value 'v': cannot be quantized as it was trained: {told}. A scale is above 0 and finite. "
        "Train with a smaller learning rate, or resume from an earlier checkpoint."
    )


def test_an_offset_that_is_none_is_refused() -> None:
    fake = activation(offset=True)
    with torch.no_grad():
        fake.lowest.fill_(float("nan"))
    with pytest.raises(ModelError, match="its zero point is not finite"):
        fake.params()
