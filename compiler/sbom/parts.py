"""What a bundle needs to run, and what shaped it: facts of the packages, dated."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ... import __version__
from .part import Part

__all__ = ["makers", "runtime_parts"]

# As the packages' metadata state them (2026-11-21); wheels of numpy and scipy embed libraries under others.
_MAKERS = {
    "ml_dtypes": "Apache-2.0",
    "numpy": "BSD-3-Clause",
    "onnx": "Apache-2.0",
    "onnx-ir": "Apache-2.0",
    "onnxruntime": "MIT",
    "scipy": "BSD-3-Clause",
}
_WHAT_FOR = "executes the model"
# Builds of ONNX Runtime that are packages of their own, by `TargetSpec.runtime`: the kind of their package URL.
_BUILDS = {
    "onnxruntime-gpu": "pypi/onnxruntime-gpu",
    "onnxruntime-openvino": "pypi/onnxruntime-openvino",
    "onnxruntime-web": "npm/onnxruntime-web",
}
# What comes with a runtime and is its vendor's own, by execution provider: name and licence.
_VENDORS = {
    "QNNExecutionProvider": ("QAIRT", "Qualcomm AI Stack License"),
    "CUDAExecutionProvider": ("CUDA", "End User License Agreement of the CUDA Toolkit"),
    "TensorrtExecutionProvider": ("TensorRT", "NVIDIA TensorRT's own licence"),
    "OpenVINOExecutionProvider": ("OpenVINO", "Apache-2.0"),
}


def runtime_parts(target: Mapping[str, object], onnxruntime: str) -> tuple[Part, ...]:
    """What a device needs to run a bundle.

    A bundle says with which ONNX Runtime its golden outputs were answered, and runs in others; so that version stands
    with ONNX Runtime itself, and none with builds and libraries that are versioned apart.

    Args:
        target: `target` of the manifest.
        onnxruntime: The version that answered the golden outputs.
    """
    build = str(target["runtime"])
    ort = Part(
        ref="onnxruntime",
        kind="framework",
        name="ONNX Runtime",
        version=onnxruntime,
        licence="MIT",
        purl=f"pkg:github/microsoft/onnxruntime@v{onnxruntime}",
        about=f"{_WHAT_FOR}; the version the golden outputs were answered with",
        needed=True,
    )
    found = [ort]
    if build in _BUILDS:
        about = f"{_WHAT_FOR}: the build of ONNX Runtime for the target"
        purl = f"pkg:{_BUILDS[build]}"
        found.append(Part(ref=build, kind="framework", name=build, licence="MIT", purl=purl, about=about, needed=True))
    providers = target["providers"]
    assert isinstance(providers, list)
    for provider in providers:
        if provider in _VENDORS:
            name, licence = _VENDORS[provider]
            about = f"libraries behind {provider}"
            found.append(Part(ref=name.lower(), kind="framework", name=name, licence=licence, about=about, needed=True))
    return tuple(found)


def makers() -> tuple[Part, ...]:
    """edgec, and the libraries whose versions decide the payload's bytes."""
    own = Part(
        ref=f"edgec@{__version__}",
        kind="application",
        name="edgec",
        version=__version__,
        licence="Apache-2.0",
        purl=f"pkg:pypi/edgec@{__version__}",
    )
    return (own, *(part for name, licence in _MAKERS.items() if (part := _installed(name, licence)) is not None))


def _installed(name: str, licence: str) -> Part | None:
    """A library of this interpreter; None where another distribution carries it (onnxruntime-gpu, a nightly)."""
    try:
        found = version(name)
    except PackageNotFoundError:
        return None
    slug = name.replace("_", "-")
    return Part(
        ref=f"{slug}@{found}",
        kind="library",
        name=name,
        version=found,
        licence=licence,
        purl=f"pkg:pypi/{slug}@{found}",
    )
