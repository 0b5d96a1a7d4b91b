"""A GGUF file as a model: the graph from its metadata, weights and tokenizer as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from ....errors import ModelError
from ..built import Built
from ..decoder.build import build
from ..decoder.config import DecoderConfig
from ..decoder.genai import GENAI_CONFIG, genai_config
from ..decoder.matrices import Weight
from .config import INTERLEAVED, decoder_config
from .finite import check_scales
from .kinds import FLOATS, KINDS
from .matrices import HalfMatrix, QuantizedMatrix
from .names import gguf_name
from .read import GgufFile, GgufTensor, read_gguf
from .tokenizer import tokenizer_files

__all__ = ["read_gguf_model"]

# What says where a weight is, and is none.
_ELSEWHERE = ("rope_freqs.weight",)


def read_gguf_model(path: Path, origin: str, *, stored: bool = True, accuracy_level: int = 4) -> Built:
    """Build the model of a GGUF file.

    Args:
        path: The file.
        origin: How messages call it.
        stored: Keep 16-bit floats as they are stored; else they are float32, to be quantized.
        accuracy_level: Of MatMulNBits: 4 rounds what is multiplied to 8 bits per block, 1 does not.

    Raises:
        MissingExtraError: The `gguf` package is not installed.
        ModelError: The file cannot be read, or its model cannot be built; see `read_gguf` and `decoder_config`.
    """
    file = read_gguf(path, origin)
    config = decoder_config(file)
    weights = _Weights(file, config, stored=stored, level=accuracy_level)
    model = build(config, weights, origin=origin)
    left = sorted(name for name in file.tensors if name not in weights.used and name not in _ELSEWHERE)
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise ModelError(
            origin,
            f"has tensors that the graph of {config.architecture} has no place for: {', '.join(left[:3])}{more}",
            remedy="Export the model to ONNX from its original checkpoint",
        )
    licence = file.metadata.get("general.license")
    if isinstance(licence, str):
        model.metadata_props["license"] = licence
    tokenizer, notes = tokenizer_files(file.metadata, origin)
    return Built(
        model=model,
        files=(path.resolve(),),
        companions={**tokenizer, GENAI_CONFIG: genai_config(config)},
        notes=notes,
        stored=stored and weights.narrow,
    )


class _Weights(Mapping[str, Weight]):
    """Weights by Hugging Face's names; remembers which tensors were asked for, and whether some take few bits."""

    def __init__(self, file: GgufFile, config: DecoderConfig, *, stored: bool, level: int) -> None:
        self.used: set[str] = set()
        self.narrow = False
        self._file = file
        self._stored = stored
        self._level = level
        interleaved = file.metadata["general.architecture"] in INTERLEAVED
        self._heads = {"q_proj": config.heads, "k_proj": config.kv_heads} if interleaved else {}

    def __getitem__(self, name: str) -> Weight:
        found = self._file.tensors[gguf_name(name) or ""]
        self.used.add(found.name)
        heads = self._heads.get(name.split(".")[-2], 0) if "." in name else 0
        tensor = _in_halves(found, heads, self._file.origin) if heads else found
        if tensor.kind in KINDS:
            if len(tensor.shape) != 2:
                raise ModelError(
                    f"{self._file.origin}, tensor {tensor.name!r}",
                    f"is {tensor.kind} {list(tensor.shape)}: only matrices are read in quantized types",
                    remedy="Convert the model to GGUF again",
                )
            matrix = QuantizedMatrix(name=name, tensor=tensor, level=self._level)
            self.narrow = True
            check_scales(matrix, f"{self._file.origin}, tensor {tensor.name!r}")
            return matrix
        if len(tensor.shape) == 2 and self._stored and tensor.kind != "F32":
            self.narrow = True
            return HalfMatrix(name=name, tensor=tensor)
        return ir.LazyTensor(
            lambda: ir.Tensor(tensor.floats(), name=name),
            dtype=ir.DataType.from_numpy(FLOATS[tensor.kind]),
            shape=ir.Shape(tensor.shape),
            name=name,
        )

    def __contains__(self, name: object) -> bool:
        return gguf_name(str(name)) in self._file.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.tensors)

    def __len__(self) -> int:
        return len(self._file.tensors)


def _in_halves(tensor: GgufTensor, heads: int, origin: str) -> GgufTensor:
    """Rows of queries or keys with the pairs of each head in halves, (i, i + d/2), where GGUF has neighbours.

    The converter's permutation undone (llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute): whole rows move.
    """
    rows = tensor.shape[0]
    if rows % (2 * heads):
        raise ModelError(
            f"{origin}, tensor {tensor.name!r}",
            f"has {rows} rows, which {heads} heads do not share",
            remedy="Convert the model to GGUF again",
        )
    return replace(tensor, order=np.arange(rows).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1))
