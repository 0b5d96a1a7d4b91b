"""Random but valid bytes of every quantized type of GGUF, and small language models made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

# Bytes of a block where its halves lie; 0 where it is not listed.
_HALVES = {
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_1": (0, 2),
    "Q4_K": (0, 2),
    "Q5_1": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
}


def random_blocks(name: str, nbytes: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Blocks of random bytes whose scales are finite and of the sizes that weights have: uint8, (count, nbytes)."""
    blocks = rng.integers(0, 256, (count, nbytes), dtype=np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = rng.integers(115, 125, count)
    elif name == "NVFP4":
        blocks[:, :4] = rng.integers(0, 48, (count, 4))
    elif name == "IQ1_M":
        d = _halves(rng, count, sign=True).view(np.uint16)
        words = np.ascontiguousarray(blocks[:, 48:56]).view(np.uint16) & 0x0FFF
        blocks[:, 48:56] = (words | (d >> np.arange(0, 16, 4, dtype=np.uint16) & 15) << 12).view(np.uint8)
    else:
        at = _HALVES.get(name, (0,))
        # Real files have scales above 0 beside minima; a minimum of Q4_1 is a weight, so that 0 lies among the codes.
        for k, start in enumerate(at):
            d = _halves(rng, count, sign=len(at) == 1)
            d = (d * -8).astype(np.float16) if k and name.endswith("_1") else d
            blocks[:, start : start + 2] = d.view(np.uint8)
    return blocks


def _halves(rng: np.random.Generator, count: int, *, sign: bool) -> np.ndarray:
    signs = rng.choice([-1, 1], (count, 1)) if sign else 1
    return (rng.uniform(0.004, 0.01, (count, 1)) * signs).astype(np.float16)


def interleave(w: np.ndarray, heads: int) -> np.ndarray:
    """Rows in halves per head as llama.cpp's converter writes them: element by element, from its documentation."""
    size = len(w) // heads
    made = np.empty_like(w)
    for head in range(heads):
        for pair in range(size // 2):
            made[head * size + 2 * pair] = w[head * size + pair]
            made[head * size + 2 * pair + 1] = w[head * size + size // 2 + pair]
    return made


def write_gguf(
    path: Path,
    tensors: dict[str, np.ndarray | tuple[np.ndarray, str]],
    *,
    architecture: str = "llama",
    metadata: dict[str, Any] | None = None,
) -> Path:
    """A file of these tensors, floats as they are, others as (bytes, type), and these metadata."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (metadata or {}).items():
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)
    for name, tensor in tensors.items():
        if isinstance(tensor, tuple):
            writer.add_tensor(name, tensor[0], raw_dtype=gguf.GGMLQuantizationType[tensor[1]])
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
