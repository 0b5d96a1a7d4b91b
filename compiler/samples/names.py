"""Which stored array feeds which input, and which holds the labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import State
from .check import check_names, needed, quoted

__all__ = ["LABELS", "label_name", "matched"]

LABELS = ("label", "labels")

logger = logging.getLogger(__name__)


def label_name(names: Sequence[str], inputs: Sequence[TensorInfo], where: str) -> str | None:
    """The name that holds labels: `label` or `labels`, unless the model has an input of that name."""
    taken = {info.name for info in inputs}
    found = [name for name in names if name in LABELS and name not in taken]
    if len(found) > 1:
        raise SamplesError(where, f"has both {quoted(found)}", remedy="Keep one of them")
    return found[0] if found else None


def matched(
    names: Sequence[str], inputs: Sequence[TensorInfo], state: State, where: str, *, say: bool = True
) -> tuple[dict[str, str], str | None]:
    """Match stored names with inputs.

    They must be the same, except that a single array feeds a single input whatever its name; `say` logs that.

    Returns:
        Stored name of each needed input, and that of the labels.

    Raises:
        SamplesError: A name is unknown or missing.
    """
    label = label_name(names, inputs, where)
    rest = [name for name in names if name != label]
    wanted = needed(inputs, state)
    if len(rest) == len(wanted) == 1 and rest[0] not in state.carried:
        if say and rest[0] != wanted[0].name:
            logger.info("%s: %r feeds the only input, %r", where, rest[0], wanted[0].name)
        return {wanted[0].name: rest[0]}, label
    check_names(rest, inputs, state, where)
    return {info.name: info.name for info in wanted}, label
