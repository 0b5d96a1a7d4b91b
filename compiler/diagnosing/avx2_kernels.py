"""x86 without VNNI, computed: products that can saturate by numpy, bit for bit; everything else by a runtime here.

Stands where the emulated processor is not installed. Slow: for experiments on few samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir

from ...passes.check.integer_products import integer_products
from ...passes.check.results import result_of
from ...passes.edit import constant_array
from ...runtimes.base import (
    Feeds,
    Latency,
    ModelInMemory,
    ModelSource,
    Placement,
    Runtime,
    RuntimeFacts,
    Session,
    SessionSettings,
    TensorInfo,
)
from ..materialize import in_memory
from .pieces import Cut, waves

__all__ = ["Avx2Kernels"]


@dataclass(frozen=True, slots=True)
class Avx2Kernels:
    """A runtime whose u8 x s8 products saturate as AVX2's do.

    Attributes:
        place: Runs what cannot saturate.
        saturate: False computes the same products exactly, as VNNI does: what the difference is due to.
    """

    place: Runtime
    saturate: bool = True

    @property
    def name(self) -> str:
        return f"{self.place.name}, u8 x s8 products computed"

    @property
    def providers(self) -> tuple[str, ...]:
        return self.place.providers

    def available(self) -> str | None:
        return self.place.available()

    def facts(self) -> RuntimeFacts:
        return self.place.facts()

    def close(self) -> None:
        self.place.close()

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model; one of which no product can saturate is opened as it is."""
        whole = _read(model)
        cuts = [
            Cut(product=product, result=result)
            for product in integer_products(whole.graph)
            if product.can_saturate and (result := result_of(product)) is not None
        ]
        outer = self.place.open(model, settings)
        if not cuts:
            return outer
        steps = tuple(
            _Step(
                session=None if wave.model is None else self.place.open(in_memory(wave.model), settings), cuts=wave.cuts
            )
            for wave in waves(whole, cuts)
        )
        return _Pieces(outer=outer, steps=steps, saturate=self.saturate)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Step:
    """A piece, open, and the products behind it."""

    session: Session | None
    cuts: Sequence[Cut]


@dataclass(kw_only=True, slots=True, eq=False)
class _Pieces:
    """An open model, cut; placement and time are those of the whole, whose kernels here do not saturate."""

    outer: Session
    steps: Sequence[_Step]
    saturate: bool
    _inputs: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        self._inputs = tuple(
            () if step.session is None else tuple(info.name for info in step.session.inputs) for step in self.steps
        )

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self.outer.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self.outer.outputs

    @property
    def load_seconds(self) -> float:
        return self.outer.load_seconds

    @property
    def threads(self) -> int:
        return self.outer.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """Piece by piece; see `Avx2Kernels`."""
        held: dict[str, np.ndarray] = dict(feeds)
        for step, inputs in zip(self.steps, self._inputs, strict=True):
            if step.session is not None:
                held.update(step.session.run({name: held[name] for name in inputs}))
            for cut in step.cuts:
                held[str(cut.result.value.name)] = _computed(cut, held, self.saturate)
        return {info.name: held[info.name] for info in self.outputs}

    def placement(self, feeds: Feeds) -> Placement:
        return self.outer.placement(feeds)

    def run_seconds(self, feeds: Feeds) -> float:
        return self.outer.run_seconds(feeds)

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        return self.outer.latency(feeds, runs)

    def close(self) -> None:
        for step in self.steps:
            if step.session is not None:
                step.session.close()
        self.outer.close()


def _computed(cut: Cut, held: Mapping[str, np.ndarray], saturate: bool) -> np.ndarray:
    zero = cut.product.zero
    known = None if zero is None else constant_array(zero)
    if zero is not None and known is None:
        known = held[str(zero.name)]
    sums = cut.product.sums(held[str(cut.product.codes.name)], 0 if known is None else int(known.reshape(())))
    return cut.result.of(sums.held if saturate else sums.exact)


def _read(source: ModelSource) -> ir.Model:
    """The model of a source, its weights in place, its values' types inferred: pieces pass them on."""
    if isinstance(source, ModelInMemory):
        proto = onnx.load_from_string(source.graph)
    elif isinstance(source, bytes):
        proto = onnx.load_from_string(source)
    else:
        proto = ir.serde.serialize_model(ir.load(source.absolute()))
    model = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))
    if isinstance(source, ModelInMemory):
        for name, array in source.weights.items():
            model.graph.initializers[name].const_value = ir.tensor(array, name=name)
    return model
