"""What a model is, and what of it a target would run in integers. Nothing is run, nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ..passes.edit import SkipNotes
from ..passes.observe.statistics import Need
from ..passes.quantize.decide import DecideQuantization
from ..targets.pipeline import recipe_for
from ..targets.policy import Policy
from ..targets.spec import TargetSpec
from .checking import check_model, checked_json
from .load import load_model, quantized_ops
from .loading.source import open_source
from .materialize import weight_bytes
from .pipeline import run_passes
from .planning.macs import macs_by_op, unsized, unsized_notes
from .report.census import Census
from .sources.torch.model import TorchModel, torch_model

__all__ = ["Inspection", "Tensor", "inspect_model"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """A graph input or output; a dimension is a number, a symbol, or None (unknown)."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A model, looked at.

    Attributes:
        origin: The path as given.
        digest: sha256 of the model and its external data.
        files: Real paths, the model file first.
        file_bytes: Bytes of all of them.
        producer: Who wrote it, as far as it says.
        ir_version, opsets: As in the file.
        inputs, outputs: Of the graph; inputs with a default value left out.
        parameters: Elements of all float and 8-bit (or narrower) weights.
        weight_bytes: Bytes of all initializers.
        ops: Nodes by operator type, subgraphs included, after inlining functions.
        macs: MACs of one inference by operator type; unknown dimensions count as 1.
        unsized: Nodes of such dimensions, the batch aside.
        quantized: Operators of quantized arithmetic; empty for a float model.
        target: Whose rules the next two follow.
        census: What would run in integers; None for a model that is quantized already, or a target of floats.
        skipped: Node name → why it would stay float.
        checked: What the support rules of the target's providers say of the model as it is; None without such rules.
        notes: What loading did, and whether MACs are of unknown sizes.
    """

    origin: str
    digest: str
    files: tuple[Path, ...]
    file_bytes: int
    producer: str
    ir_version: int
    opsets: Mapping[str, int]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    weight_bytes: int
    ops: Mapping[str, int]
    macs: Mapping[str, int]
    unsized: tuple[str, ...]
    quantized: tuple[str, ...]
    target: str
    census: Census | None
    skipped: Mapping[str, str]
    checked: Mapping[str, Any] | None
    notes: tuple[str, ...]


def inspect_model(
    source: str | TorchModel, target: TargetSpec, *, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Inspection:
    """Look at a model file.

    Raises:
        ModelError: It cannot be read, is invalid, or cannot be brought to what the target runs.
        OptionError: `shapes` does not fit the model.
    """
    model_source = torch_model(source) or source
    opened = open_source(model_source)
    proto = opened.proto
    written = {entry.domain: entry.version for entry in proto.opset_import}
    producer, ir_version = f"{proto.producer_name} {proto.producer_version}".strip(), proto.ir_version
    loaded = load_model(
        model_source,
        shapes=shapes,
        opset_floor=target.opset,
        max_opset=target.max_opset,
        max_ir_version=target.max_ir_version,
        already_quantized="accept",
    )
    model = loaded.model
    quantized = quantized_ops(model)
    checked = check_model(model, target.support, where=f"target {target.name!r}")
    census, skipped = (None, SkipNotes()) if quantized or not target.rules else _decide(model, target)
    return Inspection(
        origin=loaded.origin,
        digest=loaded.digest,
        files=loaded.files,
        file_bytes=sum(file.stat().st_size for file in loaded.files),
        producer=producer,
        ir_version=ir_version,
        opsets=written,
        inputs=tuple(_tensor(value) for value in model.graph.inputs if not value.is_initializer()),
        outputs=tuple(_tensor(value) for value in model.graph.outputs),
        parameters=_parameters(model),
        weight_bytes=weight_bytes(model),
        ops=Counter(node.op_type for node in model.graph.all_nodes()),
        macs=macs_by_op(model),
        unsized=unsized(model),
        quantized=quantized,
        target=target.name,
        census=census,
        skipped=skipped,
        checked=None if checked is None else checked_json(checked),
        notes=(*loaded.notes, *unsized_notes(model)),
    )


def _decide(model: ir.Model, target: TargetSpec) -> tuple[Census, SkipNotes]:
    """Run the target's passes up to its decisions, on a copy; nothing needs to be observed for that."""
    passes = recipe_for(target, Policy(scheme="a8w8")).passes
    until = next(index for index, each in enumerate(passes) if isinstance(each, DecideQuantization))
    census, copy = Census(), model.clone()
    run_passes(copy, passes[: until + 1], measure=_measure_nothing, observers=(census,))
    return census, SkipNotes.of(copy)


def _measure_nothing(model: ir.Model, needs: Sequence[Need]) -> None:
    del model, needs


def _tensor(value: ir.Value) -> Tensor:
    shape = None if value.shape is None else tuple(d if isinstance(d, int) else d.value for d in value.shape)
    return Tensor(name=str(value.name), dtype="?" if value.dtype is None else value.dtype.name.lower(), shape=shape)


def _parameters(model: ir.Model) -> int:
    """Weights proper: 64-bit integers are shapes and indices."""
    graphs = [model.graph, *model.graph.subgraphs()]
    tensors = [value.const_value for graph in graphs for value in graph.initializers.values()]
    return sum(
        int(tensor.size)
        for tensor in tensors
        if tensor is not None and (tensor.dtype.is_floating_point() or tensor.dtype.bitwidth <= 8)
    )
