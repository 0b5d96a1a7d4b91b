"""Support rules by the name a target gives them, so that a manifest and a user's TOML file can name them, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import TargetError
from .nvidia.cuda_support import CUDA
from .nvidia.tensorrt_support import TENSORRT
from .support import SupportRules

__all__ = ["CHECKERS", "support_rules"]

CHECKERS: Mapping[str, SupportRules] = {"cuda": CUDA, "tensorrt": TENSORRT}


def support_rules(names: Sequence[str], *, where: str) -> tuple[SupportRules, ...]:
    """The rules of these names, in order.

    Args:
        names: What `TargetSpec.support` lists.
        where: Names the target or the manifest in the error.

    Raises:
        TargetError: Nobody knows one of them.
    """
    for name in names:
        if name not in CHECKERS:
            raise TargetError(
                f"{where}: support",
                f"{name!r} is not one of {', '.join(CHECKERS)}",
                remedy="Name rules edgec knows, or leave them out",
            )
    return tuple(CHECKERS[name] for name in names)
