"""Ask a place for a receipt: this interpreter, another one, an emulated processor, a machine over ssh or adb."""

from __future__ import annotations

import sys
from typing import Any

from ...bundle import MANIFEST, Bundle
from ...errors import HostError
from ...runtimes import runtime
from ...runtimes.host.launch import Launch, own_site
from ...runtimes.host.receipt import receipt_of
from ...runtimes.host.runtime import HostRuntime
from ..proving.places import IN_PROCESS

__all__ = ["fetch_receipt"]


def fetch_receipt(bundle: Bundle, *, on: str | None = None, key: str = "", **asked: Any) -> str:
    """The receipt of a bundle, as its file holds it.

    Args:
        bundle: The bundle; every file is compared with its manifest here, and again there.
        on: The place; None takes a new process of this interpreter.
        key: The private key's file there; "" takes EDGEC_SIGNING_KEY there.
        **asked: Fields of `runtimes.device.measured.Asked`.

    Raises:
        BundleError: The bundle is incomplete or altered.
        TargetError: There is no such place.
        HostError: It is not here, fails, or lacks a provider.
        OptionError: It has no such key.
        ModelError: It cannot run the model.
    """
    bundle.verify()
    files = [MANIFEST, *bundle.manifest["files"]]
    place = _here() if on is None or on == IN_PROCESS else _there(on, bundle)
    return receipt_of(place, bundle.path, files, key=key, asked=asked)


def _here() -> HostRuntime:
    launch = Launch(command=(sys.executable,), site=own_site())
    return HostRuntime(name=IN_PROCESS, launch=lambda: launch, missing=lambda: None)


def _there(name: str, bundle: Bundle) -> HostRuntime:
    found = runtime(name, tuple(bundle.manifest["target"]["providers"]), bundle.manifest.get("provider_options", {}))
    if not isinstance(found, HostRuntime):
        raise HostError(f"runtime {name!r}", "is no place of another process", remedy="Leave --on out")
    return found
