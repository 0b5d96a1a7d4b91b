"""AWQ and rotation through the whole compile: what bundles answer in ONNX Runtime, on samples no method saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model
from support.numerics import run
from support.transformers import Spelling, transformer

import edgec

WIDTH = 64


def layer() -> ir.Model:
    """A product behind a norm whose gain makes a few channels stand out."""
    rng = np.random.default_rng(0)
    gain = rng.uniform(0.5, 1.5, WIDTH)
    gain[rng.choice(WIDTH, 4, replace=False)] *= 12
    return model(
        f"g (float[N,{WIDTH}] x) => (float[N,48] y) {{ n = LayerNormalization(x, gain) \n y = MatMul(n, w) }}",
        gain=gain.astype(np.float32),
        w=rng.standard_normal((WIDTH, 48)).astype(np.float32),
    )


def inputs(seed: int) -> dict[str, np.ndarray]:
    """Channels that have much to do with each other."""
    mixed = np.random.default_rng(1).standard_normal((16, WIDTH))
    rng = np.random.default_rng((2, seed))
    x = rng.standard_normal((32, 16)) @ mixed + 0.5 * rng.standard_normal((32, WIDTH))
    return {"x": x.astype(np.float32)}


def noise(source: ir.Model, out: Path, feeds: list[dict[str, np.ndarray]], **options: object) -> float:
    """Squared error of a bundle's answers as a share of theirs."""
    bundle = edgec.compile(
        source,
        target="x86-64-vnni",
        output=out,
        overwrite=True,
        prove=False,
        search=False,
        weight_form="folded",
        **options,
    )
    made = ir.load(bundle.model)
    lost = total = 0.0
    for each in feeds:
        wanted, found = run(source, each)["y"], run(made, each)["y"]
        lost += float(np.square(found - wanted).sum())
        total += float(np.square(wanted).sum())
    return lost / total


@pytest.mark.parametrize("bits", [4, 3, 2])
def test_scaled_and_clipped_weights_lose_less(bits: int, tmp_path: Path) -> None:
    calibration, feeds = [inputs(seed) for seed in range(12)], [inputs(seed) for seed in range(100, 104)]
    source = layer()

    def lost(**options: object) -> float:
        return noise(
            source, tmp_path / "out", feeds, scheme=f"w{bits}", block_size=32, calibration=calibration, **options
        )

    nearest, awq = lost(), lost(awq=True)
    assert awq < 0.75 * nearest
    scaled = lost(awq=True, rounding="weighted")
    assert awq < 1.05 * scaled
    second_order = lost(rounding="gptq")
    assert second_order < nearest
    assert lost(awq=True, rounding="gptq") < 1.1 * second_order


def test_a_rotated_transformer_is_stored_in_few_bits(tmp_path: Path) -> None:
    source = transformer(Spelling(width=WIDTH, norm="layer"))
    feeds = [{"ids": np.random.default_rng(seed).integers(0, 11, (2, 5))} for seed in range(12)]

    def lost(bits: int, **options: object) -> float:
        return noise(source, tmp_path / "out", feeds[:4], scheme=f"w{bits}", calibration=feeds[4:], **options)

    assert lost(8, rotate=True) < 1.5 * lost(8)
    assert lost(4, rotate=True, rounding="gptq") < 0.5 * lost(4, rotate=True)
