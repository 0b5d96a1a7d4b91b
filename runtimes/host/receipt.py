"""A receipt from a place: the bundle is sent there, and what comes back is signed there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BundleError, HostError, ModelError, OptionError
from .runtime import HostRuntime

__all__ = ["receipt_of"]


def receipt_of(runtime: HostRuntime, folder: Path, files: list[str], *, key: str, asked: Mapping[str, Any]) -> str:
    """The signed receipt of a bundle, made in a process of its own there.

    Args:
        runtime: The place.
        folder: The bundle.
        files: Its payload's files, the manifest among them.
        key: Path of the private key there; "" takes EDGEC_SIGNING_KEY there.
        asked: Fields of `device.measured.Asked`.

    Raises:
        HostError: The place is missing, dies, hangs, has another runner than Python's, or lacks a provider.
        BundleError: It finds the bundle changed.
        OptionError: It has no such key.
        ModelError: Its ONNX Runtime cannot run the model.
    """
    where = f"runtime {runtime.name!r}"
    with closing(runtime.fresh(sent=True)) as host:
        if host.launch.runner is not None:
            raise HostError(
                where,
                "is no Python, and gives no receipt over its pipe",
                remedy="Copy the script there: edgec runner --write runner.mjs --language javascript",
            )
        request = {
            "do": "receipt",
            "name": folder.resolve().name,
            "files": files,
            "key": key,
            "asked": {**asked, "emulated": host.launch.emulated},
        }
        arrays = {f"file:{name}": np.fromfile(folder / name, dtype=np.uint8) for name in files}
        answer, _ = host.ask(request, arrays, what=f"receipt of {folder}")
    if "error" not in answer:
        return str(answer["receipt"])
    kind, message = answer["error"], str(answer["message"])
    match kind:
        case "bundle":
            raise BundleError(str(folder), f"is not what it was: {message}", remedy="Compile the bundle again")
        case "key":
            raise OptionError(
                where, message, remedy="Name with --key a file that lies there; edgec_runner.py --new-key makes one"
            )
        case "run":
            raise ModelError(str(folder), message, remedy="Compile it for a target of that runtime")
    raise HostError(where, message, remedy=host.launch.mend or f"See `edgec runtime list` for {runtime.name}")
