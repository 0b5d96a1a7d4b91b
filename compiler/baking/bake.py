"""Bake pre- and postprocessing into a loaded model, and hold the result to the same steps outside.

The compiler sees the baked model as the float model from the door on: its samples are bytes, its signature is what
ships. The model before stays at hand, so that a proof compares with it, fed and read by numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from ...errors import BundleError, ModelError, OptionError
from ...runtimes.base import Feeds, TensorInfo
from ..signature import inputs_of, outputs_of
from .codes import Coding, decode
from .inputs import bake_input
from .outputs import bake_choices, bake_softmax
from .outside import postprocess, preprocess
from .site import baked_info, check_input, check_output, class_axis
from .spec import BakedInput, BakedOutput
from .words import read_inputs, read_outputs

__all__ = ["Baking", "bake", "baking_of", "signature_behind"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Baking:
    """What was baked into a model, and how its ends were before.

    Attributes:
        inputs, outputs: The steps, by name.
        before: The inputs and outputs concerned, as the model had them.
        centers: Of outputs with product codes, once they are found.
    """

    inputs: Mapping[str, BakedInput] = field(default_factory=dict)
    outputs: Mapping[str, BakedOutput] = field(default_factory=dict)
    before: Mapping[str, TensorInfo] = field(default_factory=dict)
    centers: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def learned(self) -> tuple[str, ...]:
        """Outputs whose codes are found in samples."""
        return tuple(name for name, spec in self.outputs.items() if spec.code == "product")

    @property
    def codings(self) -> dict[str, Coding]:
        """How embeddings are coded, by output; those whose centers are not found yet are left out."""
        said = {name: self.centers.get(name, spec.code) for name, spec in self.outputs.items()}
        return {name: code for name, code in said.items() if isinstance(code, np.ndarray) or code in ("int8", "binary")}

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs)

    def into(self, model: ir.Model) -> tuple[ir.Model, tuple[str, ...]]:
        """A copy of the model with its preprocessing and every Softmax, and notes; choices come last (`choices`)."""
        baked = model.clone()
        notes = []
        for name, spec in self.inputs.items():
            said = bake_input(baked.graph, spec, self.before[name])
            notes.append(f"input {name!r} takes {spec.dtype} {spec.layout}: {said}")
        bake_softmax(baked.graph, self.outputs)
        return baked, tuple(notes)

    def choices(self, model: ir.Model) -> ir.Model:
        """A copy of the model with the choices behind its outputs; itself where there are none."""
        ranks = {name: len(self.before[name].shape) for name in self.outputs}
        return bake_choices(model, self.outputs, ranks, self.codings)

    def whole(self, model: ir.Model) -> ir.Model:
        """A copy of the model as it was, with everything baked in."""
        return self.choices(self.into(model)[0])

    def feeds(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """What the model before takes, of what the baked one takes."""
        return {
            name: preprocess(array, self.inputs[name], self.before[name]) if name in self.inputs else array
            for name, array in feeds.items()
        }

    def answers(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the baked model answers, of what the model before does; extra outputs come last."""
        main: dict[str, np.ndarray] = {}
        extra: dict[str, np.ndarray] = {}
        for name, array in outputs.items():
            if name not in self.outputs:
                main[name] = array
                continue
            found = postprocess(name, array, self.outputs[name], self.codings.get(name))
            main[name] = found.pop(name)
            extra.update(found)
        return {**main, **extra}

    def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers with the axis of classes put back, so that a metric of scores reads choices too; codes as numbers.

        A class that was chosen has 1, or its score; the others have 0, or the least there is.
        """
        found = dict(outputs)
        for name, spec in self.outputs.items():
            if not spec.discrete or name not in outputs:
                continue
            if spec.code is not None:
                found[name] = decode(outputs[name], self.codings[name])
                continue
            info = self.before[name]
            axis = class_axis(info, spec)
            classes = info.shape[axis]
            if not isinstance(classes, int):
                continue
            if spec.argmax:
                found[name] = np.moveaxis(np.eye(classes, dtype=np.float32)[outputs[name]], -1, axis)
                continue
            values, which = outputs[name], found.pop(f"{name}_indices")
            shape = [classes if k == axis else dim for k, dim in enumerate(values.shape)]
            scores = np.full(shape, -np.inf, values.dtype)
            np.put_along_axis(scores, which, values, axis)
            found[name] = scores
        return found

    def to_json(self) -> dict[str, Any]:
        """What the manifest says."""
        return {
            "inputs": {name: spec.to_json() for name, spec in self.inputs.items()},
            "outputs": {name: spec.to_json() for name, spec in self.outputs.items()},
            "before": {
                name: {"dtype": info.dtype.name, "shape": list(info.shape)} for name, info in self.before.items()
            },
        }


def bake(
    model: ir.Model, inputs: Mapping[str, BakedInput], outputs: Mapping[str, BakedOutput], carried: Mapping[str, str]
) -> Baking:
    """Check what is asked against a model.

    Args:
        model: As it was loaded.
        inputs: Preprocessing, by input.
        outputs: Postprocessing, by output.
        carried: Outputs fed back as inputs.

    Raises:
        OptionError: An end does not exist, or is not what the steps need.
    """
    ins, outs = inputs_of(model), outputs_of(model)
    before = {name: check_input(name, spec, ins, tuple(carried)) for name, spec in inputs.items()}
    for name, spec in outputs.items():
        if name in before:
            raise OptionError(f"--postprocess {name}", "has the name of an input", remedy="Rename one of them")
        before[name] = check_output(name, spec, outs, tuple(carried.values()))
        value = next(value for value in model.graph.outputs if value.name == name)
        if value.producer() is None:
            raise OptionError(f"--postprocess {name}", "is not computed by the model", remedy="Leave it out")
    return Baking(inputs=dict(inputs), outputs=dict(outputs), before=before)


def baking_of(manifest: Mapping[str, Any]) -> Baking:
    """What was baked into a bundle's model, as its manifest says; nothing where it says nothing.

    Raises:
        BundleError: The manifest says it in no form that this edgec reads.
    """
    said = manifest.get("baked")
    if said is None:
        return Baking()
    where = "manifest.json"
    try:
        return Baking(
            inputs=read_inputs(said["inputs"], where, "baked.inputs", BundleError),
            outputs=read_outputs(said["outputs"], where, "baked.outputs", BundleError),
            before={
                name: TensorInfo(name=name, dtype=np.dtype(each["dtype"]), shape=tuple(each["shape"]))
                for name, each in said["before"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            where, f"says in no known form what was baked ({error})", remedy="Compile it again"
        ) from error


def signature_behind(baking: Baking, infos: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
    """The inputs of the baked model, from those of the model before.

    Raises:
        ModelError: It lacks one of them.
    """
    names = [info.name for info in infos]
    for name in baking.inputs:
        if name not in names:
            raise ModelError(
                "float model",
                f"has no input {name!r}, which the bundle has preprocessing for",
                remedy="Give the model that this bundle was compiled from",
            )
    return tuple(baked_info(info, baking.inputs[info.name]) if info.name in baking.inputs else info for info in infos)
