"""Saturation on the target's kernels: u8 x s8 products summed in 16 bits (x86 without VNNI).

`vpmaddubsw` adds two neighbouring products and saturates at ±2^15: 255 · 127 · 2 = 64770 does not fit. Predicted by
integer arithmetic on real activations, since this machine's kernels may not be the target's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....passes.quantize.decision import params_of
from ....passes.quantize.params import of_tensor, quantize
from ...samples import replay
from ..case import Case, Site, Weight
from ..laboratory import Change
from ..taps import tapping

__all__ = ["Saturation", "pairs_loss"]

_ROWS = 64
_SAMPLES = 4
_LOUD_DB = 40.0


class Saturation:
    """Sums of two products leave 16 bits on the target."""

    name = "kernel saturation"
    meaning = "the target's kernels add two u8 x s8 products in 16 bits, and these sums saturate"

    def sites(self, case: Case) -> Sequence[Site]:
        if not saturates(case.target.isa):
            return ()
        weights = [weight for weight in case.weights() if _wide(weight)]
        if not weights:
            return ()
        rows = _rows(case, weights)
        found = []
        for weight in weights:
            name = str(weight.node.name)
            if name not in rows:
                continue
            x, w = rows[name]
            share, loss_db = pairs_loss(x, w)
            if loss_db < _LOUD_DB:
                found.append(
                    Site(
                        name=name,
                        severity=-loss_db,
                        evidence=(
                            f"{share:.2%} of the sums of two products exceed 16 bits on {case.target.isa}, which "
                            f"leaves {loss_db:.0f} dB of the result (predicted by integer arithmetic)"
                        ),
                        nodes=(name,),
                    )
                )
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change | None:
        """Nothing to change in the graph: it is computed, since these kernels may not be here."""
        del case, sites
        return None


def saturates(isa: str) -> bool:
    """Whether the integer kernels of an instruction set sum pairs in 16 bits."""
    return isa.startswith("x86_64") and "vnni" not in isa


def pairs_loss(x: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Share of saturated pairs, and what is left of the product X W in dB (infinite when none saturates).

    Args:
        x: Stored activations, uint8, shape (n, k).
        w: Stored weights, int8, shape (k, m).
    """
    if x.shape[1] % 2:
        x, w = np.pad(x, ((0, 0), (0, 1))), np.pad(w, ((0, 1), (0, 0)))
    a, b = x.astype(np.int32), w.astype(np.int32)
    pairs = a[:, 0::2, None] * b[None, 0::2] + a[:, 1::2, None] * b[None, 1::2]
    held = np.clip(pairs, -(2**15), 2**15 - 1)
    share = float(np.mean(held != pairs)) if pairs.size else 0.0
    exact = pairs.sum(1, dtype=np.float64)
    noise = float(np.square(held.sum(1, dtype=np.float64) - exact).sum())
    # The zero point's share of the sum is a constant per column and carries no signal.
    signal = float(np.square(exact - exact.mean(0)).sum())
    if noise == 0:
        return share, float("inf")
    return share, 10 * float(np.log10(signal / noise)) if signal else float("-inf")


def _wide(weight: Weight) -> bool:
    depthwise = weight.node.op_type == "Conv" and weight.array.shape[1] == 1
    return (
        weight.spec.dtype == "int8" and not weight.spec.reduce_range and not depthwise and weight.array.ndim in (2, 4)
    )


def _rows(case: Case, weights: Sequence[Weight]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Codes that each node multiplies: some rows of X (n, k) and W (k, m), in the order of the kernels."""
    names = list(dict.fromkeys(str(weight.node.inputs[0].name) for weight in weights if weight.node.inputs[0]))
    found: dict[str, list[np.ndarray]] = {}
    samples = case.laboratory.calibration
    carried = tuple(samples.state.carried.values())
    with tapping(case.decided, names, keep=carried) as (session, under):
        for number, sample in enumerate(samples):
            if number == _SAMPLES:
                break
            for _, outputs in replay(session.run, sample, session.inputs, samples.state):
                for weight in weights:
                    x = weight.node.inputs[0]
                    params = None if x is None else params_of(x)
                    if x is None or params is None or params.spec.dtype != "uint8":
                        continue
                    rows = _unfolded(weight, quantize(outputs[under[str(x.name)]], params))
                    step = max(1, len(rows) // _ROWS)
                    found.setdefault(str(weight.node.name), []).append(rows[::step][:_ROWS])
    by_name = {str(weight.node.name): weight for weight in weights}
    return {name: (np.concatenate(rows), _matrix(by_name[name])) for name, rows in found.items()}


def _unfolded(weight: Weight, codes: np.ndarray) -> np.ndarray:
    """Rows a node multiplies its weight with; a Conv's windows channels last, those inside the image."""
    if weight.node.op_type != "Conv":
        return codes.reshape(-1, codes.shape[-1])
    kernel = weight.array.shape[2:]
    if any(size < k for size, k in zip(codes.shape[2:], kernel, strict=True)):
        return np.empty((0, int(np.prod(weight.array.shape[1:]))), codes.dtype)
    inside = codes[:, : weight.array.shape[1]]
    windows = np.lib.stride_tricks.sliding_window_view(inside, kernel, axis=(2, 3))[:, :, ::2, ::2]
    return np.moveaxis(windows, 1, -1).reshape(-1, int(np.prod(kernel)) * inside.shape[1])


def _matrix(weight: Weight) -> np.ndarray:
    codes = quantize(weight.array, of_tensor(weight.spec, weight.array))
    match weight.node.op_type:
        case "Conv":
            return np.asarray(np.moveaxis(codes, 1, -1).reshape(codes.shape[0], -1).T)
        case "Gemm" if weight.node.attributes.get_int("transB", 0):
            return np.asarray(codes.T)
    return codes
