"""Params that were learned, instead of computed: they come with the model, and nothing else says how values are stored.

A model that was trained under fake quantization carries them in its metadata, as JSON:

    {"target": …, "options": {…}, "activations": {value: params}, "weights": [[node, input, params], …]}

with params {"spec": {…}, "scale": numbers, "zero_point": integers}. A float32 is written in decimals that read back as
the same float32. `LearnedParams` takes them from there; weights are rounded to the nearest code of them, as they were
in every step of training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ..base import Pass
from ..edit import constant_array
from ..spec import PerAxis, PerBlock, PerTensor, QuantParams, QuantSpec
from .decision import Rounded, decided_nodes, decided_values, params_of, set_params, set_rounded
from .params import quantize

__all__ = ["Learned", "LearnedParams", "forget_learned", "read_learned", "write_learned"]

_KEY = "edgec.learned"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Learned:
    """What training left.

    Attributes:
        target: Name of the target it was for.
        options: Fields of the policy it was for.
        activations: Params by value; values that share them go by one name.
        weights: Params of constant operands by node and index of the input.
    """

    target: str
    options: Mapping[str, Any]
    activations: Mapping[str, QuantParams]
    weights: Mapping[tuple[str, int], QuantParams] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LearnedParams(Pass):
    """Write the params that come with the model on its values and nodes, and take them out of its metadata."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        learned = read_learned(model)
        if learned is None:
            wanting = next((value for value, _ in decided_values(model.graph) if params_of(value) is None), None)
            if wanting is not None:
                raise _differs(f"value {wanting.name!r}")
            return ir.passes.PassResult(model, modified=False)
        self._activations(model, learned)
        self._weights(model, learned)
        del model.metadata_props[_KEY]
        return ir.passes.PassResult(model, modified=True)

    def _activations(self, model: ir.Model, learned: Learned) -> None:
        values = {str(value.name): (value, source) for value, source in decided_values(model.graph)}
        for name, (value, _) in values.items():
            if params_of(value) is None:
                root = self._root(name, values, learned)
                params = params_of(values[root][0]) or learned.activations[root]
                set_params(values[root][0], params)
                set_params(value, params)

    def _root(self, name: str, values: Mapping[str, tuple[ir.Value, Any]], learned: Learned) -> str:
        """Whose learned params a value has: its own, or those it shares."""
        seen = [name]
        while seen[-1] not in learned.activations:
            other = getattr(values[seen[-1]][1], "with_", None)
            if other is None or other not in values or other in seen:
                raise _differs(f"value {name!r}")
            seen.append(other)
        return seen[-1]

    def _weights(self, model: ir.Model, learned: Learned) -> None:
        made: dict[tuple[ir.Value, int], Rounded] = {}
        for node, decision in decided_nodes(model.graph):
            if decision.weight is None:
                continue
            index, _ = decision.weight
            value, params = node.inputs[index], learned.weights.get((str(node.name), index))
            x = constant_array(value)
            if params is None or x is None or value is None:
                raise _differs(f"node {node.name!r}")
            key = (value, id(params))
            if key not in made:
                try:
                    made[key] = Rounded(params=params, codes=quantize(x, params))
                except (ValueError, IndexError) as error:  # another shape than they were learned for
                    raise _differs(f"node {node.name!r}") from error
            set_rounded(node, made[key])


def write_learned(model: ir.Model, learned: Learned) -> None:
    """Write learned params into a model's metadata."""
    distinct: dict[int, int] = {}
    for params in learned.weights.values():
        distinct.setdefault(id(params), len(distinct))
    values = {
        "target": learned.target,
        "options": dict(learned.options),
        "activations": {name: _plain(params) for name, params in learned.activations.items()},
        "weights": [
            [node, index, distinct[id(params)], _plain(params)] for (node, index), params in learned.weights.items()
        ],
    }
    model.metadata_props[_KEY] = json.dumps(values)


def forget_learned(model: ir.Model) -> None:
    """Take the learned params off a model: its weights are no longer those they were learned with."""
    model.metadata_props.pop(_KEY, None)


def read_learned(model: ir.Model) -> Learned | None:
    """The learned params a model carries; None where it carries none.

    Raises:
        ModelError: They cannot be read.
    """
    text = model.metadata_props.get(_KEY)
    if text is None:
        return None
    try:
        values = json.loads(text)
        made: dict[int, QuantParams] = {}
        weights = {}
        for node, index, number, plain in values["weights"]:
            weights[str(node), int(index)] = made.setdefault(number, _params(plain))
        return Learned(
            target=str(values["target"]),
            options=dict(values["options"]),
            activations={name: _params(plain) for name, plain in values["activations"].items()},
            weights=weights,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"metadata {_KEY!r}",
            f"cannot be read: {error}",
            remedy="Write the model again with edgec.qat.to_model",
        ) from error


def _plain(params: QuantParams) -> dict[str, Any]:
    spec = params.spec
    made: dict[str, Any] = {"dtype": spec.dtype, "symmetric": spec.symmetric}
    made |= {"reduce_range": True} if spec.reduce_range else {}
    made |= {} if spec.code_bits is None else {"code_bits": spec.code_bits}
    match spec.granularity:
        case PerAxis(axis=axis):
            made |= {"axis": axis}
        case PerBlock(axis=axis, size=size):
            made |= {"axis": axis, "size": size}
    return {"spec": made, "scale": params.scale.tolist(), "zero_point": params.zero_point.astype(np.int64).tolist()}


def _params(plain: Mapping[str, Any]) -> QuantParams:
    given = dict(plain["spec"])
    axis, size = given.pop("axis", None), given.pop("size", None)
    granularity = (
        PerTensor() if axis is None else PerAxis(axis=axis) if size is None else PerBlock(axis=axis, size=size)
    )
    spec = QuantSpec(**given, granularity=granularity)
    scale = np.asarray(plain["scale"], np.float32)
    zero = np.asarray(plain["zero_point"], np.int64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("a scale is not above 0 and finite")
    if zero.shape != scale.shape or zero.min(initial=0) < min(spec.qmin, 0) or zero.max(initial=0) > spec.qmax:
        raise ValueError("a zero point is none of the codes")
    return QuantParams(spec=spec, scale=scale, zero_point=zero.astype(spec.numpy_dtype))


def _differs(where: str) -> ModelError:
    return ModelError(
        where,
        "is to run in integers, and training has left no params for it",
        affects="The graph, or the target's rules, are not those it was trained with",
        remedy="Compile the module that was trained, or the model of edgec.qat.to_model as it is",
    )
