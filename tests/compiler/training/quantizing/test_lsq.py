"""Rounding with a learned step: forward as the passes and the runtime round, backward as the papers say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.passes.quantize.params import dequantize, quantize
from edgec.passes.spec import QuantParams, QuantSpec

torch = pytest.importorskip("torch", reason="needs edgec[torch]")

from edgec.compiler.training.quantizing.lsq import fake_quantized, gradient_scale, whole  # noqa: E402

pytestmark = pytest.mark.torch

NUMBERS = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30)


@given(NUMBERS, st.floats(0.0078125, 8, width=32), st.integers(2, 8), st.booleans(), st.data())
def test_forward_is_what_is_stored(
    numbers: list[float], scale: float, bits: int, symmetric: bool, data: st.DataObject
) -> None:
    """Bit for bit what `InsertQdq` writes and DequantizeLinear reads."""
    code_bits = None if bits == 8 else bits
    spec = QuantSpec(dtype="int8" if symmetric else "uint8", symmetric=symmetric, code_bits=code_bits)
    zero = 0 if symmetric else data.draw(st.integers(spec.qmin, spec.qmax))
    params = QuantParams(spec=spec, scale=np.float32(scale), zero_point=np.asarray(zero, spec.numpy_dtype))
    x = np.asarray(numbers, np.float32)
    made = fake_quantized(
        torch.from_numpy(x), torch.tensor(scale), torch.tensor(float(zero)), spec.qmin, spec.qmax, 1.0
    )
    np.testing.assert_array_equal(made.numpy(), dequantize(quantize(x, params), params))


def test_halves_go_to_the_even_code() -> None:
    x = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5])
    made = fake_quantized(x, torch.tensor(1.0), torch.tensor(0.0), -8, 7, 1.0)
    assert made.tolist() == [-2.0, 0.0, 0.0, 2.0, 2.0]


@given(NUMBERS, st.floats(0.125, 8, width=32), st.integers(-4, 4))
def test_gradients_are_those_of_the_papers(numbers: list[float], scale: float, zero: int) -> None:
    """Element by element: LSQ (3) for the step, LSQ+ (6) for the zero point, the estimator for what is rounded."""
    x = torch.tensor(numbers, requires_grad=True)
    s = torch.tensor(scale, requires_grad=True)
    z = torch.tensor(float(zero), requires_grad=True)
    given_ = torch.linspace(0.5, 1.5, len(numbers))
    (fake_quantized(x, s, z, -8, 7, 0.25) * given_).sum().backward()
    of_x, of_s, of_z = [], 0.0, 0.0
    for number, g in zip(x.tolist(), given_.tolist(), strict=True):
        steps = float(np.float32(number) / np.float32(scale))
        nearest = float(np.rint(np.float32(steps)))
        inside = -8 <= nearest + zero <= 7
        of_x.append(g if inside else 0.0)
        of_s += g * (nearest - steps if inside else (7 if nearest + zero > 7 else -8) - zero)
        of_z += 0.0 if inside else -g * scale
    np.testing.assert_allclose(x.grad, of_x, rtol=1e-6)
    np.testing.assert_allclose(s.grad, 0.25 * of_s, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(z.grad, 0.25 * of_z, rtol=1e-4, atol=1e-4)


def test_steps_of_channels_learn_from_their_own_channel() -> None:
    x = torch.tensor([[0.3, 9.0], [0.3, -11.0]])
    s = torch.tensor([[1.0], [2.0]], requires_grad=True)
    fake_quantized(x, s, torch.zeros(2, 1), -4, 3, 1.0).sum().backward()
    np.testing.assert_allclose(s.grad, [[-0.3 + 3], [-0.15 - 4]], rtol=1e-6)


def test_a_learned_step_loses_less_than_one_that_covers_everything() -> None:
    """Gradient descent on the step alone finds what clips outliers: the noise of 3 bits falls by a third and more."""
    x = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    s = torch.tensor(float(x.abs().max()) / 3, requires_grad=True)
    noise = []
    optimizer = torch.optim.SGD([s], lr=0.1)
    for _ in range(60):
        lost = ((fake_quantized(x, s, torch.tensor(0.0), -3, 3, 1.0) - x) ** 2).mean()
        optimizer.zero_grad()
        lost.backward()
        optimizer.step()
        noise.append(float(lost.detach()))
    assert noise[-1] < 0.67 * noise[0]


def test_the_factor_of_gradients() -> None:
    assert gradient_scale(300, 7) == 1 / math.sqrt(2100)
    assert gradient_scale(0, 0) == 1.0


def test_whole_numbers_pass_gradients() -> None:
    x = torch.tensor([0.5, 1.5, -2.4], requires_grad=True)
    made = whole(x)
    assert made.tolist() == [0.0, 2.0, -2.0]
    made.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
