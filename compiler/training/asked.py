"""Which options a training takes, beside its own: how model and samples are read, how a recipe is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from ...errors import OptionError
from ...targets.policy import Policy

__all__ = ["READING", "check_asked"]

# Of a compile's request.
READING = (
    *("shapes", "seed", "preprocess", "threads", "max_memory", "cache", "cache_dir", "progress"),
    *("weights", "dynamic"),
)


def check_asked(options: Iterable[str], own: Collection[str], function: str) -> None:
    """Refuse options that a training has no use for.

    Args:
        options: Names that were given.
        own: Those that it takes beside `READING` and the fields of a policy.
        function: What was called, for the message.

    Raises:
        OptionError: One is of something else.
    """
    known = {*READING, *own, *(each.name for each in fields(Policy))}
    for name in options:
        if name not in known:
            raise OptionError(
                f"option {name!r}",
                f"is not one of {function}",
                remedy="Give what concerns the bundle (evaluation, contract, output) to edgec.compile",
            )
