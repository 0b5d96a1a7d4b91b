"""Support rules by the name a target gives them, so that a manifest and a user's TOML file can name them, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import TargetError
from .coreml.support import MLPROGRAM, NEURAL_NETWORK
from .nnapi.support import nnapi_rules
from .nvidia.cuda_support import CUDA
from .nvidia.tensorrt_support import TENSORRT
from .support import SupportRules

__all__ = ["CHECKERS", "support_rules"]

# By the provider's ModelFormat.
_COREML = {"coreml-mlprogram": MLPROGRAM, "coreml-neuralnetwork": NEURAL_NETWORK}
# By NNAPI's feature levels: 1 is Android 8.1, 4 Android 11.
_NNAPI = {f"nnapi-{level}": nnapi_rules(level) for level in range(1, 9)}

CHECKERS: Mapping[str, SupportRules] = {**_COREML, "cuda": CUDA, "tensorrt": TENSORRT, **_NNAPI}


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
