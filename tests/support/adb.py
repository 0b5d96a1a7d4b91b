"""An `adb` that speaks that program's commands, its devices folders of this machine.

What it does as the real one does (packages/modules/adb, 2026-11): `devices` lists serial numbers and states behind
tabs; `-s` and ANDROID_SERIAL choose; `shell` joins its words, has the device's shell read them, and gives standard
streams and exit code through; `exec-out` sends nothing to the device; messages of what is missing go to stderr, exit 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

__all__ = ["Phone", "plug_in"]

_PROGRAM = """#!{python} -S
import os, shutil, subprocess, sys

root = {root!r}
words = sys.argv[1:]
serial = os.environ.get("ANDROID_SERIAL", "")
if words[:1] == ["-s"]:
    serial, words = words[1], words[2:]
with open(os.path.join(root, "asked"), "a") as file:
    file.write(repr(sys.argv[1:]) + "\\n")
with open(os.path.join(root, "devices")) as file:
    devices = dict(line.rstrip("\\n").split("\\t") for line in file)

def end(message):
    sys.exit("error: " + message)

if words == ["devices"]:
    print("* daemon started successfully", file=sys.stderr)
    print("List of devices attached")
    for name, state in devices.items():
        print(name + "\\t" + state)
    print()
    sys.exit(0)
if not devices:
    end("no devices/emulators found")
if not serial and len(devices) > 1:
    end("more than one device/emulator")
if serial and serial not in devices:
    end("device '" + serial + "' not found")
state = devices[serial or next(iter(devices))]
if state != "device":
    end("device " + state + ".")
disk = os.path.join(root, serial or next(iter(devices)))
temporary = os.path.join(disk, "data/local/tmp")
os.makedirs(temporary, exist_ok=True)
if words[0] == "push":
    *sources, into = words[1:]
    for source in sources:
        aim = disk + into
        if os.path.isdir(aim):
            aim = os.path.join(aim, os.path.basename(source.rstrip("/")))
        os.makedirs(os.path.dirname(aim), exist_ok=True)
        shutil.copytree(source, aim) if os.path.isdir(source) else shutil.copy(source, aim)
        print(source + ": 1 file pushed, 0 skipped.")
elif words[0] == "pull":
    shutil.copy(disk + words[1], words[2])
elif words[0] in ("shell", "exec-out"):
    command = [word for word in words[1:] if word != "-T"] if words[0] == "shell" else words[1:]
    environment = {{"PATH": os.path.join(disk, "bin") + ":/usr/bin:/bin", "HOME": "/", "TMPDIR": temporary}}
    given = None if words[0] == "shell" else subprocess.DEVNULL
    text = " ".join(command).replace("/data/local/tmp", temporary)
    sys.exit(subprocess.run(["/bin/sh", "-c", text], stdin=given, env=environment, cwd=disk).returncode)
else:
    end("unknown command " + words[0])
"""


class Phone:
    """The devices that adb sees."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sees(R58M="device")

    def sees(self, **states: str) -> None:
        """List these serial numbers with their states, and no others."""
        self.sees_all(states)

    def sees_all(self, states: dict[str, str]) -> None:
        """The same of any serial numbers."""
        text = "".join(f"{name}\t{state}\n" for name, state in states.items())
        (self.root / "devices").write_text(text, encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        """The command lines it got, as lists written out."""
        return (self.root / "asked").read_text(encoding="utf-8").splitlines()

    def disk(self, serial: str = "R58M") -> Path:
        """Where a device's temporary folder is."""
        return self.root / serial / "data" / "local" / "tmp"


def plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """Put the program on PATH, one device behind it."""
    program = folder / "bin" / "adb"
    program.parent.mkdir(parents=True)
    root = folder / "phones"
    root.mkdir()
    program.write_text(_PROGRAM.format(python=sys.executable, root=str(root)), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return Phone(root)
