"""Whether PyTorch is here."""

from __future__ import annotations

from importlib.util import find_spec

from ...errors import MissingExtraError

__all__ = ["require_torch"]


def require_torch(where: str) -> None:
    """Nothing where PyTorch is installed.

    Args:
        where: What needs it, for the message.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec("torch") is None:
        raise MissingExtraError(where, "torch", "torch")
