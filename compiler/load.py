"""The only way in: a path, an `onnx_ir.Model` or a `ModelProto` becomes a model the passes can trust.

What every later step may rely on:

- the caller's model is not changed, and its weights are not copied: they stay in the caller's arrays or in the file;
- functions are inlined; constants are initializers, unless they are graph outputs;
- every value and every node has a name of its own, inputs and outputs have those of the source;
- the operator set and the IR version are ones the target's runtime reads;
- types and shapes are inferred where ONNX can tell, and contradict nothing; dynamic dimensions stay dynamic;
- an initializer that is also a graph input stays one: the caller may override it (`is_overridable`);
- weights are finite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import onnx
import onnx_ir as ir

from ..errors import ModelError
from .adapters.adapt import Adapter, adapt
from .adapters.merge import Merged, merge
from .baking.bake import Baking, bake
from .baking.spec import BakedInput, BakedOutput
from .loading.constants import lift_constants
from .loading.detached import attach
from .loading.finite import check_finite
from .loading.fix_shapes import fix_shapes
from .loading.free_dims import free_dims
from .loading.infer_shapes import infer_shapes
from .loading.lower_opset import lower_opset
from .loading.names import unique_names
from .loading.operators import check_operators, check_schema, inline_functions
from .loading.opset import check_opset, raise_opset, set_ir_version
from .loading.quantized import quantized_ops
from .loading.source import open_source
from .loading.structure import check_wiring, name_nodes
from .loading.to_ir import to_ir
from .sources.torch.model import TorchModel

__all__ = ["Loaded", "load_model", "quantized_ops"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A model and where it comes from.

    Attributes:
        model: Ours to change; its weights are shared with the source, read-only.
        origin: The path as given, `<onnx_ir.Model>` or `<ModelProto>`.
        files: Real paths of the model file and its external data; empty for a model in memory.
        notes: What was done to the source, or found in it, that the user should know.
        baking: What was baked into the model.
        adapters: What the model has inputs for, to ship beside it.
        companions: Files that ship with it, bytes by name.
        merged: The adapter that is in its weights.
        stored: Its weights are in the form that the source stores them in, which is small already.
        reference: The float model it is compared with, where that is another: what a trained one was before.
    """

    model: ir.Model
    origin: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    _digest: Callable[[], str] = field(repr=False, compare=False)
    baking: Baking = field(default_factory=Baking)
    adapters: tuple[Adapter, ...] = ()
    merged: Merged | None = None
    companions: Mapping[str, bytes] = field(default_factory=dict)
    stored: bool = False
    reference: ir.Model | None = field(default=None, repr=False, compare=False)
    _before: ir.Model | None = field(default=None, repr=False, compare=False)

    @property
    def before(self) -> ir.Model:
        """The float model, without what was baked in."""
        return self.reference or self._before or self.model

    @property
    def digest(self) -> str:
        """sha256 of the model and its external data, hex; computed when first asked for.

        That of the file as `sha256sum` prints it; with external data, that of a list of all the files.
        """
        return self._digest()

    def adapted(self, folders: Mapping[str, Path], chosen: Mapping[str, str], merged: Path | None) -> Loaded:
        """The same with adapters: one merged into its weights, others beside it; its model is edited.

        Args:
            folders: PEFT folders of those beside it, by name.
            chosen: Module of an adapter → node of the model, where names do not tell.
            merged: The PEFT folder of the one that is merged.

        Raises:
            OptionError: An adapter's name is none.
            ModelError: An adapter cannot be read, or does not fit the model.
        """
        done = None if merged is None else merge(self.model, merged, chosen)
        adapters = adapt(self.model, folders, chosen) if folders else ()
        said = () if done is None else (done.note, *done.notes)
        notes = (*self.notes, *said, *(note for each in adapters for note in each.notes))
        return replace(self, adapters=adapters, merged=done, notes=notes)

    def baked(
        self, inputs: Mapping[str, BakedInput], outputs: Mapping[str, BakedOutput], carried: Mapping[str, str]
    ) -> Loaded:
        """The same with steps baked into the model; itself where there are none.

        Args:
            inputs: Preprocessing, by input.
            outputs: Postprocessing, by output.
            carried: Outputs fed back as inputs.

        Raises:
            OptionError: An end does not exist, or is not what the steps need.
        """
        baking = bake(self.model, inputs, outputs, carried)
        if not baking:
            return self
        model, notes = baking.into(self.model)
        return replace(self, model=model, notes=(*self.notes, *notes), baking=baking, _before=self.model)


def load_model(
    source: str | Path | ir.Model | onnx.ModelProto | TorchModel,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    opset_floor: int = 13,
    max_opset: int = 26,
    max_ir_version: int = 13,
    already_quantized: Literal["refuse", "stored", "accept"] = "refuse",
) -> Loaded:
    """Load a model.

    Args:
        source: A path (an ONNX or GGUF file, a Hugging Face folder), an `onnx_ir.Model`, an `onnx.ModelProto`, or a
            `TorchModel`; never changed.
        shapes: Fixed shapes by input name; dimensions not fixed stay dynamic.
        opset_floor: Raise models of an older operator set to this one.
        max_opset: The newest operator set the runtime reads: a newer model is lowered to it.
        max_ir_version: The newest IR version the runtime reads.
        already_quantized: Whether a model with quantized operators is refused or taken as it is; `stored` takes what
            sources of weights in few bits (GGUF) hold, and refuses others.

    Returns:
        The model, and what was done to it.

    Raises:
        ModelError: The model cannot be read, is invalid, or cannot be brought to what the target runs.
        OptionError: `shapes` does not fit the model.
    """
    opened = open_source(source, stored=already_quantized != "refuse")
    origin, proto = opened.origin, opened.proto
    check_opset(proto, max_opset, origin)
    notes = [*opened.notes, *set_ir_version(proto, max_ir_version)]
    proto = inline_functions(proto, origin)
    check_operators(proto, origin)
    renamed = name_nodes(proto)
    proto = check_wiring(proto, origin)
    check_schema(proto, origin)
    free_dims(proto)
    fix_shapes(proto, shapes or {})
    proto, raised = raise_opset(proto, opened.weights, opset_floor, origin)
    proto, lowered = lower_opset(proto, opened.weights, max_opset, origin)
    notes += [*raised, *lowered, *set_ir_version(proto, max_ir_version)]
    lift_constants(proto)
    proto, dropped = infer_shapes(proto, origin)
    notes += dropped

    model = to_ir(proto, origin)
    attach(model, opened.weights)
    renamed += unique_names(model)
    if renamed:
        notes.append(f"{renamed} names were taken already: changed")
    overridable = sum(value.is_initializer() for value in model.graph.inputs)
    if overridable:
        notes.append(f"{overridable} initializers are inputs with a default value: left overridable")
    if already_quantized == "refuse" or (already_quantized == "stored" and not opened.stored):
        _check_quantized(model, origin)
    notes += check_finite(model, origin)
    return Loaded(
        model=model,
        origin=origin,
        files=opened.files,
        notes=tuple(notes),
        companions=opened.companions,
        stored=opened.stored,
        reference=opened.reference,
        _digest=opened.digest,
    )


def _check_quantized(model: ir.Model, origin: str) -> None:
    ops = quantized_ops(model)
    if ops:
        raise ModelError(
            origin,
            f"is quantized already: it has {', '.join(ops)}",
            affects="Quantizing it again would measure its rounding, not its values",
            remedy="Give the float model, or pack this one as it is with --scheme float",
        )
