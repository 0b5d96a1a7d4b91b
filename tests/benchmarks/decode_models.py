"""What `decode.py` runs: engines, their models, and what those are made of."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from random_checkpoint import build_as_genai, can_build, write_checkpoint
from random_decoders import SHAPES, RandomWeights, bytes_per_token, passes, write_gguf, write_onnx

from edgec.passes.weight_only.blocks import BlockForm

__all__ = ["BUILDER", "EDGEC", "LLAMA", "LONG", "OURS", "THEIRS", "Contender", "contenders"]

OURS, THEIRS = BlockForm(bits=4, size=128), BlockForm(bits=4, size=32)
EDGEC, LONG = "edgec", "edgec, --long-inputs"
FOLDER, BUILDER, LLAMA = "genai, edgec's folder", "genai, its builder's", "llama.cpp Q4_0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """An engine and its model.

    Attributes:
        name: How tables call it.
        python: The interpreter that has the engine.
        kind: `edgec`, `genai` or `llama`.
        path: The model.
        read: Bytes of weights that a token reads.
        note: What the model is, where that is to be said.
    """

    name: str
    python: str
    kind: str
    path: Path
    read: float
    note: str = ""

    @property
    def stored(self) -> int:
        """Bytes of the model on the disk: graph and weights."""
        files = [self.path] if self.path.is_file() else [self.path / "model.onnx", self.path / "model.onnx.data"]
        return sum(file.stat().st_size for file in files)


def contenders(shape: str, folder: Path) -> list[Contender]:
    """What takes part, models written where they are not in the folder."""
    config, genai, llama = SHAPES[shape], os.environ.get("EDGEC_GENAI_PYTHON"), os.environ.get("EDGEC_LLAMA_PYTHON")
    ours, theirs = RandomWeights(config, OURS), RandomWeights(config, THEIRS, float_table=True)
    sys.stderr.write(f"{shape}: writing models ...\n")
    mine, long = folder / f"{shape}-ours", folder / f"{shape}-long"
    for path, twice in ((mine, False), (long, True)):
        if not path.exists():
            write_onnx(path, config, ours, passes(long_inputs=twice))
    read = float(bytes_per_token(ours, OURS))
    found = [
        Contender(name=name, python=sys.executable, kind="edgec", path=path, read=read)
        for name, path in ((EDGEC, mine), (LONG, long))
    ]
    if genai:
        built, note = _built(genai, shape, folder, theirs)
        read_there = float(bytes_per_token(theirs, THEIRS))
        found += [
            Contender(name=FOLDER, python=genai, kind="genai", path=mine, read=read),
            Contender(name=BUILDER, python=genai, kind="genai", path=built, read=read_there, note=note),
        ]
    if llama:
        file = folder / f"{shape}.gguf"
        if not file.exists():
            write_gguf(file, config)
        codes = bytes_per_token(theirs, BlockForm(bits=4, size=0))
        found.append(Contender(name=LLAMA, python=llama, kind="llama", path=file, read=codes * 18 / 16))
    return found


def _built(python: str, shape: str, folder: Path, weights: RandomWeights) -> tuple[Path, str]:
    """What onnxruntime-genai's builder writes: written by it where it can, else by edgec in the same form."""
    built, alike = folder / f"{shape}-built", folder / f"{shape}-builder"
    if not built.exists() and can_build(python):
        checkpoint = folder / f"{shape}-checkpoint"
        if not checkpoint.exists():
            write_checkpoint(checkpoint, SHAPES[shape], weights.shapes)
        build_as_genai(python, checkpoint, built)
    if built.exists():
        return built, "written by the builder itself: int4 on the CPU, its defaults"
    if not alike.exists():
        write_onnx(alike, SHAPES[shape], weights, passes()[:1])
    return (
        alike,
        "its form, written by edgec: blocks of 32, float embedding (no torch and transformers for the builder)",
    )
