"""Attach PEFT adapters to a loaded model: inputs for the factors of every linear that one of them changes.

Adapters may change different linears, with different ranks: one that leaves a linear alone leaves its inputs at their
defaults of rank 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from ...errors import OptionError
from .attach import NODES, attach, input_names
from .fit import fit
from .linears import Linear, linears_of
from .match import match_modules
from .peft import LowRank, read_peft

if TYPE_CHECKING:
    from ..request import CompileRequest

__all__ = ["Adapter", "adapt", "check_name", "spared_by", "sparing_adapters"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Adapter:
    """An adapter as it ships.

    Attributes:
        name: What it is switched on by.
        origin: The name of its folder.
        digest: sha256 of the files in it, hex.
        parameters: What it feeds, by input.
        notes: What the user should know.
    """

    name: str
    origin: str
    digest: str
    parameters: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it, beside its file."""
        ranks = sorted({array.shape[1] for name, array in self.parameters.items() if name.endswith(".lora_A")})
        linears = len(self.parameters) // 2
        return {"origin": self.origin, "digest": self.digest, "linears": linears, "ranks": ranks}


def adapt(model: ir.Model, folders: Mapping[str, Path], chosen: Mapping[str, str]) -> tuple[Adapter, ...]:
    """Give a model the inputs that adapters feed; it is edited.

    Args:
        model: As it was loaded.
        folders: PEFT folders, by the name an adapter is to have.
        chosen: Module → node, where names do not tell.

    Returns:
        The adapters, in the order given.

    Raises:
        OptionError: A name is none.
        ModelError: An adapter cannot be read, or does not fit the model.
    """
    linears = linears_of(model.graph)
    fitted: dict[str, dict[Linear, LowRank]] = {}
    read = {}
    for name, folder in folders.items():
        check_name(name)
        peft = read[name] = read_peft(folder)
        fitted[name] = fit(peft, match_modules(tuple(peft.modules), linears, chosen, peft.origin))
    changed = {linear for factors in fitted.values() for linear in factors}
    attach(model.graph, [linear for linear in linears if linear in changed])
    return tuple(
        Adapter(
            name=name,
            origin=Path(folders[name]).name,
            digest=read[name].digest,
            parameters=_parameters(factors),
            notes=read[name].notes,
        )
        for name, factors in fitted.items()
    )


def check_name(name: str) -> None:
    """Raise OptionError where a name could not be a file's."""
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"--adapter {name}=", "is no name of letters, digits, `.`, `_` and `-`", remedy="Name it like support-de"
        )


def sparing_adapters(request: CompileRequest) -> CompileRequest:
    """The request in which what adapters add stays float: nobody observed one."""
    if not request.adapters:
        return request
    policy = replace(request.policy, exclude_nodes=(*request.policy.exclude_nodes, NODES))
    return replace(request, policy=policy)


def spared_by(request: CompileRequest) -> tuple[str, ...]:
    """What the user should know of rewrites that leave alone what adapters read."""
    policy = request.policy
    asked = (("--awq", policy.awq), ("--rotate", policy.rotate), ("--smooth", policy.smooth != "off"))
    named = [flag for flag, is_asked in asked if is_asked]
    if not request.adapters or not named:
        return ()
    return (f"{', '.join(named)}: inputs of linears with adapters stay as they are, since adapters read them, too",)


def _parameters(factors: Mapping[Linear, LowRank]) -> dict[str, np.ndarray]:
    found = {}
    for linear, each in factors.items():
        x = linear.nodes[0].inputs[0]
        assert x is not None
        assert x.dtype is not None
        for name, array in zip(input_names(linear), (each.a, each.b), strict=True):
            found[name] = np.ascontiguousarray(array.astype(x.dtype.numpy()))
    return found
