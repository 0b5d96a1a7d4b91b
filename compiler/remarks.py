"""What passes remarked of single nodes, told of a whole model."""

from __future__ import annotations

import re
from collections import Counter

import onnx_ir as ir

from ..passes.edit import remarks_of

__all__ = ["remarks"]


def remarks(model: ir.Model) -> tuple[str, ...]:
    """One note for each remark, with the number of nodes it holds for; names inside it do not set it apart."""
    each = (re.sub(r"'[^']*' ", "", what) for found in remarks_of(model).values() for what in found)
    return tuple(f"{number} node{'s' if number > 1 else ''}: {what}" for what, number in Counter(each).most_common())
