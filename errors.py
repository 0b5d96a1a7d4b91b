"""Every error edgec raises on purpose, and the exit code each one ends in.

::

    EdgecError
     ├─ InputError .............. 2  the user can mend it
     │   ├─ ModelError ............. the model file or graph
     │   ├─ SamplesError ........... calibration or evaluation data
     │   ├─ TargetError ............ a target's name or TOML
     │   ├─ ContractError .......... a limit, a metric, edgec.toml
     │   ├─ OptionError ............ an option of the command line or the library
     │   ├─ BundleError ............ a bundle on disk
     │   ├─ ReceiptError ........... a device's answer: changed, stale, of another bundle, by an unknown key
     │   ├─ OutputError ............ the place to write to: exists, full, forbidden
     │   ├─ InstallError ........... a runtime cannot be fetched: no network, no apt, no pip
     │   └─ MissingExtraError ...... a package that an extra brings; names the pip line
     ├─ ExecutionRequiredError .. 3  the contract asks to execute, this machine cannot
 │   └─ HostError .............. 3  a place that was to execute is missing, died, hung or answered garbage
     └─ InternalError ........... 4  our defect; comes with a reproducer

A message has four parts: where, what is wrong, who is affected, what to do.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BundleError",
    "ContractError",
    "EdgecError",
    "ExecutionRequiredError",
    "HostError",
    "InputError",
    "InstallError",
    "InternalError",
    "MissingExtraError",
    "ModelError",
    "OptionError",
    "OutputError",
    "ReceiptError",
    "SamplesError",
    "TargetError",
]


class EdgecError(Exception):
    """Base of all errors edgec raises on purpose.

    Args:
        where: The file, node, value, sample or option concerned.
        problem: What is wrong: what was got, what is needed.
        affects: Who is affected, when that is not plain from `where`; may be empty.
        remedy: What the user can do about it.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, where: str, problem: str, *, remedy: str, affects: str = "") -> None:
        self.where = where
        self.problem = problem
        self.affects = affects
        self.remedy = remedy
        sentences = [f"{where}: {problem}", affects, remedy]
        super().__init__(" ".join(_sentence(part) for part in sentences if part))


class InputError(EdgecError):
    """Something the user gave cannot be used; the user can mend it."""

    exit_code = 2


class ModelError(InputError):
    """The model file or its graph cannot be used."""


class SamplesError(InputError):
    """Calibration or evaluation samples cannot be used."""


class TargetError(InputError):
    """The target is unknown or its description is wrong."""


class ContractError(InputError):
    """A limit, a metric or `edgec.toml` is wrong."""


class OptionError(InputError):
    """An option of the command line or the library is wrong."""


class BundleError(InputError):
    """A bundle on disk is missing, incomplete or altered."""


class ReceiptError(InputError):
    """A device's receipt cannot be trusted: it was changed, is stale, of another bundle, or by an unknown key."""


class OutputError(InputError):
    """The output cannot be written: it exists, the disk is full, or writing is forbidden."""


class InstallError(InputError):
    """A runtime cannot be installed: no network, no apt, no pip, no mirror."""


class MissingExtraError(InputError):
    """An optional package is missing; the remedy is the pip line that brings it."""

    def __init__(self, where: str, package: str, extra: str) -> None:
        super().__init__(
            where,
            f"needs the package {package!r}, which is not installed",
            remedy=f'Install it with: pip install "edgec[{extra}]"',
        )


class ExecutionRequiredError(EdgecError):
    """The contract asks for proof by execution and the target cannot be executed here."""

    exit_code = 3


class HostError(ExecutionRequiredError):
    """A place that was to execute a bundle is missing, died, hung, or answered something else."""


class InternalError(EdgecError):
    """A defect of edgec itself."""

    exit_code = 4


def _sentence(part: str) -> str:
    part = part.strip()
    if "\n" in part:  # ends in lines to copy
        return part
    return part if part.endswith((".", "!", "?", '"')) else part + "."
