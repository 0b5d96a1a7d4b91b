"""Compare what two forms of a model compute, in ONNX Runtime, as written: with its optimizations off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from .detached import Weights, index_of, is_detached, tensors

__all__ = ["Incomparable", "compare"]

# A size for every unknown dimension. 1 comes late: with one row a change of axis cannot be seen.
_SIZES = (2, 3, 1, 8, 16, 32, 64, 128, 224)
_RUNS = 2
# Rounding noise of one kernel summing in another order, in units of the last place of the largest output.
_ULPS = 64
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class Incomparable(Exception):  # noqa: N818 - says what the models are, raised to and caught by one caller
    """The first model cannot be run here, so there is nothing to compare with.

    Args:
        reason: Why not.
        shapes_help: Whether fixed shapes could help.
    """

    def __init__(self, reason: str, *, shapes_help: bool = False) -> None:
        super().__init__(reason)
        self.shapes_help = shapes_help


def compare(before: onnx.ModelProto, after: onnx.ModelProto, weights: Weights) -> str | None:
    """Run both on the same small random feeds.

    Args:
        before: A form of the model, its weights detached.
        after: Another form of it.
        weights: Their weights.

    Returns:
        What differs, or None: every output equal but for rounding (64 units in the last place of its largest value).

    Raises:
        Incomparable: `before` does not run.
    """
    try:
        reference = _open(before, weights)
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise Incomparable(f"ONNX Runtime does not open the original ({_reason(error)})") from error
    try:
        candidate = _open(after, weights)
    except Exception as error:
        return f"ONNX Runtime does not open the result ({_reason(error)})"
    compared, failure = 0, "it has no sizes to try"
    for size in _SIZES:
        feeds = _feeds(reference.session.get_inputs(), size)
        try:
            wanted = reference.session.run(None, feeds)
        except Exception as error:
            failure = _reason(error)
            continue
        try:
            got = candidate.session.run(None, feeds)
        except Exception as error:
            return f"the result does not run ({_reason(error)})"
        names = [output.name for output in reference.session.get_outputs()]
        for name, a, b in zip(names, wanted, got, strict=True):
            difference = _difference(a, b)
            if difference is not None:
                return f"output {name!r} {difference}"
        compared += 1
        if compared == _RUNS or not _is_dynamic(reference.session.get_inputs()):
            return None
    if not compared:
        raise Incomparable(f"the original does not run on random feeds ({failure})", shapes_help=True)
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Open:
    """An open session and the arrays it reads in place: they live as long as it does."""

    session: Any
    lent: tuple[Any, ...]


def _open(model: onnx.ModelProto, weights: Weights) -> _Open:
    """A plain CPU session; large weights are lent to it, not copied into the model."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    lent: dict[str, np.ndarray] = {}
    main = len(whole.graph.initializer)
    for position, tensor in enumerate(tensors(whole)):  # the main graph's initializers come first
        if not is_detached(tensor):
            continue
        dtype = ir.DataType(tensor.data_type)
        held = weights.tensor(index_of(tensor), dtype, ir.Shape(list(tensor.dims)), tensor.name)
        if position < main and dtype.numpy().type in _TYPES.values():
            lent[tensor.name] = np.require(held.numpy(), requirements=["C", "A"])
        else:
            tensor.raw_data = held.tobytes()
            tensor.ClearField("data_location")
            del tensor.external_data[:]
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in lent.values()]
    options.add_external_initializers(list(lent), values)
    session = ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return _Open(session=session, lent=(lent, values))


def _feeds(inputs: Sequence[Any], size: int) -> Mapping[str, Any]:
    """Small random feeds, the same each time; unknown dimensions are `size`."""
    rng = np.random.default_rng(size)
    feeds: dict[str, Any] = {}
    for info in inputs:
        shape = [dim if isinstance(dim, int) else size for dim in info.shape]
        if info.type == "tensor(string)":
            feeds[info.name] = np.full(shape, "a", dtype=object)
            continue
        dtype = _TYPES.get(info.type)
        if dtype is None:
            raise Incomparable(f"input {info.name!r} is a {info.type}")
        if np.issubdtype(dtype, np.floating):
            feeds[info.name] = rng.standard_normal(shape).astype(dtype)
        else:
            feeds[info.name] = rng.integers(0, 2, shape).astype(dtype)
    return feeds


def _is_dynamic(inputs: Sequence[Any]) -> bool:
    return any(not isinstance(dim, int) for info in inputs for dim in info.shape)


def _difference(wanted: Any, got: Any) -> str | None:
    """How one output differs, or None."""
    if not isinstance(wanted, np.ndarray) or wanted.dtype == object:
        return None if _plain(wanted) == _plain(got) else "differs"
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        return f"is {got.dtype} {list(got.shape)}, was {wanted.dtype} {list(wanted.shape)}"
    if not np.issubdtype(wanted.dtype, np.floating):
        wrong = int((wanted != got).sum())
        return f"differs in {wrong} of {wanted.size} elements" if wrong else None
    finite = np.isfinite(wanted)
    if not np.array_equal(wanted[~finite], got[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return "has NaN or Inf where it had none, or the other way round"
    a, b = wanted[finite].astype(np.float64), got[finite].astype(np.float64)
    error, scale = np.abs(a - b).max(initial=0.0), np.abs(a).max(initial=0.0)
    if error <= _ULPS * float(np.finfo(wanted.dtype).eps) * scale:
        return None
    return f"differs by up to {error:.3g}, its largest value is {scale:.3g}"


def _plain(value: Any) -> Any:
    """Sequences, maps and string arrays as plain Python values."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _reason(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its prefix."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.rpartition(" : ")[2][:200]
