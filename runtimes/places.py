"""The runtimes that can be installed, by name."""

from __future__ import annotations

from .chromium import chromium_places
from .coreml import coreml_places
from .emulated import emulated_places
from .install.place import Place
from .nvidia import nvidia_places
from .older import older_places
from .openvino import openvino_places
from .qnn import qnn_places
from .web import web_places
from .webgpu import webgpu_places
from .xnnpack import xnnpack_places

__all__ = ["places"]


def places() -> dict[str, Place]:
    """All of them, in the order they are listed."""
    return {
        place.name: place
        for place in (
            *emulated_places(),
            *xnnpack_places(),
            *qnn_places(),
            *web_places(),
            *chromium_places(),
            *webgpu_places(),
            *openvino_places(),
            *coreml_places(),
            *nvidia_places(),
            *older_places(),
        )
    }
