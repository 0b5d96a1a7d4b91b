"""XNNPACK's kernels, which phones run: Debian's build of ONNX Runtime carries that provider."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from .emulated import in_sysroot
from .host.launch import Launch
from .install.component import PYTHON
from .install.place import INTEL, Place

__all__ = ["xnnpack_places"]

_PROVIDERS = ("XnnpackExecutionProvider", "CPUExecutionProvider")


def xnnpack_places() -> tuple[Place, ...]:
    """On this machine's processor, and on an emulated Cortex-A76."""
    native = Place(
        name="xnnpack-x86-64",
        about="Debian's ONNX Runtime with XNNPACK, on this processor",
        needs=("x86-64-debian",),
        starts=_by_own_loader,
        machines=INTEL,
        providers=_PROVIDERS,
    )
    arm64 = Place(
        name="xnnpack-arm64",
        about="Debian's ONNX Runtime with XNNPACK on an emulated Cortex-A76",
        needs=("emulators", "arm64-debian"),
        starts=partial(in_sysroot, emulator="qemu-aarch64", processor="cortex-a76", sysroot="arm64-debian"),
        providers=_PROVIDERS,
    )
    return (native, arm64)


def _by_own_loader(home: Path) -> Launch:
    """The sysroot's interpreter by the sysroot's loader: this machine's C library may be older."""
    usr = home / "x86-64-debian" / "usr"
    libraries = usr / "lib" / "x86_64-linux-gnu"
    loader = libraries / "ld-linux-x86-64.so.2"
    return Launch(
        command=(str(loader), "--library-path", str(libraries), str(usr / "bin" / f"python{PYTHON}")),
        environment={"PYTHONHOME": str(usr), "PYTHONNOUSERSITE": "1"},
        site=(usr / "lib" / "python3" / "dist-packages",),
    )
