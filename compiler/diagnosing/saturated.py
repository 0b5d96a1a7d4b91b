"""Which layers of a bundle lose their result on kernels that saturate, told without such a machine.

The codes that every layer reads are taken from the bundle as it runs here; what the kernels of the instruction set
would make of them is computed by `passes/check/avx2.py`, bit for bit. Each layer is told by itself, its input sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...passes.check.integer_products import IntegerProduct, integer_products
from ...passes.edit import constant_array
from ..samples import Samples, replay
from .taps import slices, tapping

__all__ = ["LOUD_DB", "Saturated", "predict", "saturates"]

# A layer's own rounding leaves about as much: what is less than that apart from exact sums is no matter.
LOUD_DB = 40.0
_SAMPLES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Saturated:
    """A layer some of whose sums of two products leave 16 bits.

    Attributes:
        node: Its name.
        op: Its operator.
        share: Sums of two products that saturate, of all, 0..1.
        loss_db: What is left of its result, signal over the error of saturation, in dB.
    """

    node: str
    op: str
    share: float
    loss_db: float

    @property
    def loud(self) -> bool:
        """Whether it loses more than its own rounding does."""
        return self.loss_db < LOUD_DB


@dataclass(kw_only=True, slots=True, eq=False)
class _Tally:
    """Sums over samples, of one layer."""

    product: IntegerProduct
    noise: float = 0.0
    signal: float = 0.0
    saturated: int = 0
    pairs: int = 0

    def add(self, codes: np.ndarray, zero: int) -> None:
        found = self.product.sums(codes, zero)
        self.saturated += found.saturated
        self.pairs += found.pairs
        scale = self.product.by_channel(self.product.scale.astype(np.float64))
        self.signal += float(np.square(found.exact * scale).sum())
        if found.saturated:
            self.noise += float(np.square((found.held.astype(np.float64) - found.exact) * scale).sum())

    def result(self) -> Saturated:
        return Saturated(
            node=str(self.product.node.name),
            op=self.product.node.op_type,
            share=self.saturated / self.pairs if self.pairs else 0.0,
            loss_db=10 * math.log10(self.signal / self.noise) if self.noise and self.signal else math.inf,
        )


def saturates(isa: str) -> bool:
    """Whether the integer kernels of an instruction set sum pairs in 16 bits."""
    return isa.startswith("x86_64") and "vnni" not in isa


def predict(
    model: ir.Model, samples: Samples, *, isa: str, threads: int = 0, most: int = _SAMPLES
) -> tuple[Saturated, ...]:
    """Layers of a quantized model some of whose sums would saturate, the worst first; none where no kernel does.

    Args:
        model: A bundle's model, Q/DQ or dynamic; it is not changed. Weights of 7 bits never saturate.
        samples: What it is run on, here.
        isa: Instruction set the kernels are of, as `TargetSpec.isa` writes it.
        threads: Cores to use; 0 is all.
        most: Samples looked at, from the first.

    Raises:
        ModelError: The runtime here refuses the model.
        SamplesError: The samples do not fit it.
    """
    if not saturates(isa):
        return ()
    wide = [product for product in integer_products(model.graph) if product.can_saturate]
    found: list[Saturated] = []
    for group in slices([product.codes for product in wide]):
        found += _looked(model, samples, [wide[k] for k in group], threads, most)
    return tuple(sorted((each for each in found if each.share), key=lambda each: each.loss_db))


def _looked(
    model: ir.Model, samples: Samples, products: Sequence[IntegerProduct], threads: int, most: int
) -> list[Saturated]:
    """What some layers lose; as many as their codes fit in memory."""
    tallies = [_Tally(product=product) for product in products]
    names = [str(product.codes.name) for product in products]
    names += [str(p.zero.name) for p in products if p.zero is not None and constant_array(p.zero) is None]
    carried = tuple(samples.state.carried.values())
    with tapping(model, list(dict.fromkeys(names)), keep=carried, threads=threads) as (session, under):
        for number, sample in enumerate(samples):
            if number == most:
                break
            for _, outputs in replay(session.run, sample, session.inputs, samples.state):
                for tally in tallies:
                    codes = outputs[under[str(tally.product.codes.name)]]
                    tally.add(codes, _zero(tally.product, outputs, under))
    return [tally.result() for tally in tallies]


def _zero(product: IntegerProduct, outputs: Mapping[str, np.ndarray], under: Mapping[str, str]) -> int:
    if product.zero is None:
        return 0
    known = constant_array(product.zero)
    return int((outputs[under[str(product.zero.name)]] if known is None else known).reshape(()))
