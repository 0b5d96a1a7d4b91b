"""Other processors, emulated: the ONNX Runtime of their instruction set under qemu's user mode.

An emulator runs a processor's real instructions one after the other: what comes out is what the device computes, how
long it takes says nothing of the device.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from .host.launch import Launch, own_site
from .install.component import PYTHON, onnxruntime_version
from .install.place import INTEL, Place
from .install.record import read_record

__all__ = ["emulated_places"]

# No modules of this user's: they are of another version, or for another processor.
_ENVIRONMENT = {"PYTHONNOUSERSITE": "1"}


def emulated_places() -> tuple[Place, ...]:
    """Arm's cores for 64 and 32 bits, and an x86-64 without VNNI."""
    wheels = f"arm64-onnxruntime-{onnxruntime_version()}"
    arm64 = tuple(
        Place(
            name=f"arm64-{core}",
            about=f"ONNX Runtime for arm64 on an emulated {core.replace('cortex-a', 'Cortex-A')}{note}",
            needs=("emulators", "arm64-python", wheels),
            starts=partial(in_sysroot, emulator="qemu-aarch64", processor=core, sysroot="arm64-python", site=wheels),
        )
        # dotprod and fp16 are optional in Armv8.2; the A76 has both (Arm Cortex-A76 TRM, 2018)
        for core, note in (("cortex-a53", ""), ("cortex-a72", ""), ("cortex-a76", ", which has dotprod and fp16"))
    )
    armv7 = Place(
        name="armv7-cortex-a7",
        about="Debian's ONNX Runtime for armhf on an emulated Cortex-A7",
        needs=("emulators", "armv7-debian"),
        starts=partial(in_sysroot, emulator="qemu-arm", processor="cortex-a7", sysroot="armv7-debian"),
    )
    haswell = Place(
        name="x86-64-haswell",
        about="the ONNX Runtime of this interpreter on an emulated Haswell: AVX2, no VNNI",
        needs=("emulators",),
        starts=_this_interpreter,
        machines=INTEL,
    )
    return (*arm64, armv7, haswell)


def in_sysroot(home: Path, *, emulator: str, processor: str, sysroot: str, site: str = "") -> Launch:
    """An emulated interpreter over a tree of its own.

    Args:
        home: Where components lie.
        emulator: File name of the emulator.
        processor: Its name of the processor.
        sysroot: Component whose Python is run; what is not in it is looked up on this machine.
        site: Component with onnxruntime and numpy, where they are not part of the sysroot.
    """
    root = home / sysroot
    interpreter = root / "usr" / "bin" / f"python{PYTHON}"
    return Launch(
        command=(str(_emulator(home, emulator)), "-cpu", processor, "-L", str(root), str(interpreter)),
        environment=_ENVIRONMENT,
        site=(home / site,) if site else (),
        emulated=_what(home, emulator, processor),
    )


def _this_interpreter(home: Path) -> Launch:
    # The model without TSX: its emulator has none, and says so at every start.
    processor = "Haswell-noTSX"
    return Launch(
        command=(str(_emulator(home, "qemu-x86_64")), "-cpu", processor, sys.executable),
        environment=_ENVIRONMENT,
        site=own_site(),
        emulated=_what(home, "qemu-x86_64", processor),
    )


def _emulator(home: Path, name: str) -> Path:
    return home / "emulators" / "usr" / "bin" / name


def _what(home: Path, emulator: str, processor: str) -> str:
    record = read_record(home / "emulators")
    version = record.version("qemu-user") if record else ""
    return f"{emulator} {version}, {processor}".replace(" ,", ",")
