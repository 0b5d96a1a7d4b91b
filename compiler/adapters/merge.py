"""W' = W + A B: an adapter merged into the weights of its linears before anything else is done.

Each merged weight is made when it is read and never kept, so that a large model stays in its file. What the type of
the weights keeps of the change is measured: float16 loses what is below half a step of W. A merged model is quantized
as any other: base and change are rounded together, which an adapter that was trained on the rounded base (QLoRA) was
not made for; beside the model (`--adapter`) it stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ...passes.edit import add_lazy_initializer, fresh_name, is_op, is_overridable, value_names
from .fit import fit
from .linears import Linear, linears_of
from .match import match_modules
from .peft import LowRank, read_peft

__all__ = ["Merged", "merge"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """What merging changed.

    Attributes:
        origin: The folder of the adapter.
        digest: sha256 of the files in it, hex.
        linears: How many weights.
        change: The largest |A B| / |W|, Frobenius norms.
        lost: The largest |W' as stored - (W + A B)| / |A B|.
        notes: What the user should know of the adapter.
    """

    origin: str
    digest: str
    linears: int
    change: float
    lost: float
    notes: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The same in words."""
        return (
            f"adapter {Path(self.origin).name} is merged into {self.linears} weights: it changes them by "
            f"{100 * self.change:.2g} % at most, and their type loses {100 * self.lost:.2g} % of that"
        )


def merge(model: ir.Model, folder: Path, chosen: Mapping[str, str]) -> Merged:
    """Merge an adapter into a model; it is edited.

    Args:
        model: As it was loaded.
        folder: PEFT's.
        chosen: Module → node, where names do not tell.

    Raises:
        ModelError: The adapter cannot be read, does not fit, or a weight is not stored in floating point.
    """
    peft = read_peft(folder)
    factors = fit(peft, match_modules(tuple(peft.modules), linears_of(model.graph), chosen, peft.origin))
    taken = value_names(model.graph)
    seen = [_merge(model.graph, linear, each, taken, peft.origin) for linear, each in factors.items()]
    return Merged(
        origin=peft.origin,
        digest=peft.digest,
        linears=len(seen),
        change=max(change for change, _ in seen),
        lost=max(lost for _, lost in seen),
        notes=peft.notes,
    )


def _merge(graph: ir.Graph, linear: Linear, each: LowRank, taken: set[str], where: str) -> tuple[float, float]:
    """Let a linear read its merged weight; how much that changes it, and what is lost of the change."""
    weight, turned = linear.weight, _is_turned(linear)
    tensor = weight.const_value
    if not weight.is_initializer() or is_overridable(weight) or tensor is None:
        tensor = None
    if tensor is None or not tensor.dtype.is_floating_point() or not is_op(linear.nodes[0], "MatMul", "Gemm"):
        raise ModelError(
            f"{where}, linear {linear.name!r}",
            "has no weight in floating point to merge into",
            affects=f"Its node {linear.names[-1]!r} reads {weight.name!r}",
            remedy="Give the float model, or keep the adapter beside the model with --adapter NAME=FOLDER",
        )
    dtype, before = tensor.dtype, tensor

    def exact() -> np.ndarray:
        delta = each.a @ each.b
        found: np.ndarray = np.asarray(before.numpy(), np.float32) + (delta.T if turned else delta)
        return found

    change, lost = _measure(before.numpy(), exact(), dtype)
    name, shape = str(weight.name), before.shape
    reads = tuple((node, index) for node, index in weight.uses() if node in linear.nodes and index == 1)
    if len(reads) == len(tuple(weight.uses())) and not weight.is_graph_output():
        del graph.initializers[name]
    else:  # others read it as it was: a tied embedding
        name = fresh_name(f"{name}_merged", taken)
    make: Callable[[], np.ndarray] = lambda: exact().astype(dtype.numpy())  # noqa: E731
    merged = add_lazy_initializer(graph, name, make, dtype, ir.Shape(shape.numpy()))
    for node, index in reads:
        node.replace_input_with(index, merged)
    return change, lost


def _is_turned(linear: Linear) -> bool:
    return any(is_op(node, "Gemm") and node.attributes.get_int("transB", 0) == 1 for node in linear.nodes)


def _measure(before: np.ndarray, after: np.ndarray, dtype: ir.DataType) -> tuple[float, float]:
    w = np.asarray(before, np.float32)
    change = float(np.linalg.norm(after - w))
    stored = after.astype(dtype.numpy()).astype(np.float32)
    lost = float(np.linalg.norm(stored.astype(np.float64) - after))
    size = float(np.linalg.norm(w))
    return change / size if size else 0.0, lost / change if change else 0.0
