"""What a contract says of the ONNX Runtime that must open a bundle, brought to the target a compile is for.

The operator set and the IR version that the target's own runtime reads are held to those of the oldest release named,
and to those named themselves: the model is lowered to them as it is loaded, so that what is searched, observed and
measured is what ships.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import ContractError, OptionError
from ..targets import find_target
from ..targets.releases.facts import RELEASES, Release
from ..targets.spec import TargetSpec
from .contract import Contract
from .lockfile import read_lock
from .request import CompileRequest
from .scheme import opset_of_scheme

__all__ = ["held_to", "release_named", "target_of"]

_NARROW = "a8w8, d8w8 or w8"


def target_of(request: CompileRequest) -> TargetSpec:
    """The target of a compile, held to what its contract names.

    Raises:
        TargetError: There is no such target.
        ContractError: The target needs more than the contract allows.
        OptionError: The scheme does.
    """
    scheme = request.policy.scheme if request.recipe is None else read_lock(request.recipe).scheme
    return held_to(find_target(request.target), request.contract, scheme)


def held_to(target: TargetSpec, contract: Contract, scheme: str) -> TargetSpec:
    """A target that reads no newer operator set and IR version than a contract allows.

    Args:
        target: The target.
        contract: Its clauses `oldest_onnxruntime`, `opset` and `ir_version` count.
        scheme: What is asked for.

    Raises:
        ContractError: The target needs a newer operator set.
        OptionError: The scheme does.
    """
    opset, ir_version, who, mend = target.max_opset, target.max_ir_version, "", ""
    for clause_id in ("oldest_onnxruntime", "opset", "ir_version"):
        clause = contract.clause(clause_id)
        if clause is None or clause.limit is None:
            continue
        value = int(clause.limit.value)
        if clause_id == "ir_version":
            ir_version = min(ir_version, value)
            continue
        oldest = release_named(value) if clause_id == "oldest_onnxruntime" else None
        newest = value if oldest is None else oldest.quantized_opset
        if oldest is not None:
            ir_version = min(ir_version, oldest.ir_version)
        if newest < opset:
            opset = newest
            who = f"the contract allows {newest}" if oldest is None else f"ONNX Runtime {oldest} opens {newest}"
            mend = f"{clause.kind.flag} " + (str(opset_of_scheme(scheme)) if oldest is None else _reading(scheme))
    if opset < target.opset:
        raise ContractError(
            "contract: opset",
            f"is {opset}, and target {target.name} needs operator set {target.opset}",
            remedy=f"Write {target.opset} or more",
        )
    if opset_of_scheme(scheme) > opset and who:
        raise OptionError(
            f"--scheme {scheme}",
            f"needs the types of operator set {opset_of_scheme(scheme)}, and {who} at most",
            remedy=f"Choose {_NARROW}, or {mend}",
        )
    return replace(target, max_opset=opset, max_ir_version=ir_version)


def release_named(minor: int) -> Release:
    """The release of a minor number.

    Raises:
        ContractError: Nothing is known of it.
    """
    found = next((each for each in RELEASES if each.minor == minor), None)
    if found is None:
        raise ContractError(
            "contract: oldest_onnxruntime",
            f"nothing is known of ONNX Runtime 1.{minor}",
            remedy=f"Name one of {RELEASES[0]} to {RELEASES[-1]}",
        )
    return found


def _reading(scheme: str) -> str:
    """The oldest release that reads the types of a scheme."""
    return str(next(each for each in RELEASES if each.quantized_opset >= opset_of_scheme(scheme)))
