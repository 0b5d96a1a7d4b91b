"""Forms of weights in few bits: every column of the table, at every number of bits and size of blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CODEBOOK", "EVERY", "TABLE", "Form", "forms"]

CODEBOOK = "codebook (E8)"
SCALAR: dict[str, dict[str, Any]] = {
    "nearest": {},
    "HQQ": {"rounding": "hqq"},
    "AWQ": {"awq": True},
    "GPTQ": {"rounding": "gptq"},
    "GPTQ in turn": {"rounding": "gptq", "in_turn": True},
    "AWQ, GPTQ": {"awq": True, "rounding": "gptq"},
    "rotation, GPTQ": {"rotate": True, "rounding": "gptq"},
}
# By bits and name: what has blocks at these bits alone. Beside codebooks, which matrices take, tables have 4 bits: what
# a codebook is set against has them in 4, too.
BLOCKED: dict[int, dict[str, dict[str, Any]]] = {
    4: {"NF4": {"scheme": "nf4"}, "FP4": {"scheme": "fp4"}},
    2: {
        "GPTQ, tables in 4 bits": {"scheme": "w2", "rounding": "gptq", "keep": ["embedding=int4"]},
        "rotation, GPTQ, tables in 4 bits": {
            "scheme": "w2",
            "rotate": True,
            "rounding": "gptq",
            "keep": ["embedding=int4"],
        },
    },
}
# Codebooks behind a change of the inputs have no blocks.
WHOLE: dict[int, dict[str, dict[str, Any]]] = {
    2: {"incoherent, 4 levels": {"scheme": "w2h"}, CODEBOOK: {"scheme": "w2e8"}}
}
EVERY = (*SCALAR, *BLOCKED[4], *BLOCKED[2], *WHOLE[2])
# What the table of acceptance has; the others are run on request.
TABLE = tuple(name for name in EVERY if name not in ("GPTQ in turn", "FP4"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How weights are stored, and by which method: one cell of a model's table."""

    bits: int
    block: int | None
    method: str
    options: dict[str, Any] = field(compare=False)

    @property
    def name(self) -> str:
        return f"{self.method}, {self.bits} bits" + ("" if self.block is None else f", blocks of {self.block}")


def forms(bits: Collection[int], blocks: Collection[int], methods: Collection[str]) -> Iterator[Form]:
    """Every form asked for."""
    for each in bits:
        scalar = {name: {"scheme": f"w{each}"} | chosen for name, chosen in SCALAR.items()} | BLOCKED.get(each, {})
        for block in blocks:
            for method, chosen in scalar.items():
                if method in methods:
                    yield Form(bits=each, block=block, method=method, options=chosen | {"block_size": block})
        for method, chosen in WHOLE.get(each, {}).items():
            if method in methods:
                yield Form(bits=each, block=None, method=method, options=chosen)
