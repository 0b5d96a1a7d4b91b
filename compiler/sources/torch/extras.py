"""The packages that PyTorch models need, asked for when one comes."""

from __future__ import annotations

from importlib import import_module

from ....errors import MissingExtraError

__all__ = ["need_torch", "need_transformers"]


def need_torch(origin: str) -> None:
    """Import what exporting takes.

    Raises:
        MissingExtraError: It is not installed; names the pip line.
    """
    for package in ("torch", "onnxscript"):
        _need(origin, package, "torch")


def need_transformers(origin: str) -> None:
    """Import what builds models of Hugging Face, besides.

    Raises:
        MissingExtraError: It is not installed; names the pip line.
    """
    need_torch(origin)
    _need(origin, "transformers", "torch,transformers")


def _need(origin: str, package: str, extra: str) -> None:
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(origin, package, extra) from error
