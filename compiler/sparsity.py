"""What zeros among the weights buy: a smaller file once it is compressed, and time only where a kernel skips them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ..bundle import Bundle
from ..errors import OutputError
from ..passes.prune.pattern import is_kept_in, read_pattern
from ..passes.rewrite.linear import Linear, linear_of
from ..targets.spec import TargetSpec

__all__ = ["RECORD", "Sparsity", "read_sparsity", "sparsity_note", "sparsity_of", "write_sparsity"]

RECORD = "sparsity.json"
# Fewer zeros than this are nobody's intention.
_SPARSE = 0.3
# Files of more bytes are not compressed to see what comes of it: a gigabyte takes half a minute.
_LARGEST = 1 << 28
_CHUNK = 1 << 22


@dataclass(frozen=True, kw_only=True, slots=True)
class Sparsity:
    """Zeros of a model's products.

    Attributes:
        weights: Of all products with constants.
        zeros: Those that are 0.
        layers: Products, and how many of them have 2 zeros in every 4 weights that are summed up next to each other.
        two_of_four: The latter.
    """

    weights: int
    zeros: int
    layers: int
    two_of_four: int

    @property
    def share(self) -> float:
        """Of the weights, those that are 0."""
        return self.zeros / max(self.weights, 1)


def sparsity_of(model: ir.Model) -> Sparsity | None:
    """Zeros of a float model; None where there are too few to speak of."""
    found = [layer for node in model.graph if isinstance(layer := linear_of(node), Linear)]
    weights = zeros = fours = 0
    for layer in found:
        array = layer.weight
        weights, zeros = weights + int(array.size), zeros + int((array == 0).sum())
        even = layer.inputs % 4 == 0
        fours += int(even and is_kept_in(array.swapaxes(-1, -2), read_pattern("2:4")))
    sparse = Sparsity(weights=weights, zeros=zeros, layers=len(found), two_of_four=fours)
    return sparse if sparse.share >= _SPARSE else None


def sparsity_note(found: Sparsity | None, target: TargetSpec) -> tuple[str, ...]:
    """What the reader of the manifest must know; nothing where there are no zeros to speak of."""
    if found is None:
        return ()
    fours = f", 2 of 4 in {found.two_of_four} of {found.layers} layers" if found.two_of_four else ""
    return (f"{100 * found.share:.0f}% of the weights of products are 0{fours}; {_time(target)}",)


def write_sparsity(bundle: Bundle, found: Sparsity | None) -> None:
    """Write `proof/sparsity.json` into a bundle: the zeros, and what its model's files take, compressed too.

    Raises:
        OutputError: It cannot be written.
    """
    if found is None:
        return
    files = sorted(bundle.path.glob(f"{bundle.model.name}*"))
    size = sum(file.stat().st_size for file in files)
    zipped = sum(_zipped(file) for file in files) if size <= _LARGEST else None
    record = {"schema_version": "1", "bundle": bundle.digest, **asdict(found), "bytes": size, "zipped_bytes": zipped}
    try:
        bundle.proof.mkdir(exist_ok=True)
        (bundle.proof / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            str(bundle.proof), f"cannot be written: {error.strerror}", remedy="Make the bundle's folder writable"
        ) from error


def read_sparsity(bundle: Bundle) -> Mapping[str, Any] | None:
    """What was written; None where there is nothing."""
    file = bundle.proof / RECORD
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found


def _time(target: TargetSpec) -> str:
    """What they do to the time of a run."""
    if target.family == "cpu":
        # onnxruntime 1.31.1 has one sparse product, SparseToDenseMatMul, for inputs of type SparseTensor alone.
        return "they make a zip of it smaller, and save no time: ONNX Runtime's CPU kernels multiply by them"
    return "they make a zip of it smaller; whether a kernel of this target skips them was not measured"


def _zipped(file: Path) -> int:
    """Bytes of a file, deflated."""
    packer, count = zlib.compressobj(6), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            count += len(packer.compress(chunk))
    return count + len(packer.flush())
