"""An Android device behind `adb`: the runner is sent along, and the model with it; nothing is installed there.

What the protocol rests on, of adb's sources (packages/modules/adb, 2026-11): `exec-out` sends nothing to the device,
only `shell` has both directions; `-T` gives it no terminal, which would change bytes; from Android 7 on (shell_v2) its
standard error and exit code come apart (daemon/shell_service.cpp, the table at its top), and TMPDIR is /data/local/tmp.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from .host.launch import Launch
from .host.runtime import HostRuntime
from .plugin_ep import NONE, Options, built_in

__all__ = ["PREFIX", "adb"]

PREFIX = "adb:"
_SECONDS = 20.0  # starting its server takes some
_MEND = {
    "unauthorized": "it has not authorized this machine: unlock its screen and allow USB debugging",
    "authorizing": "it has not authorized this machine yet: unlock its screen and allow USB debugging",
    "offline": "it is offline: plug it in again, or adb reconnect",
}


def adb(
    destination: str, providers: tuple[str, ...] = ("CPUExecutionProvider",), options: Options = NONE
) -> HostRuntime:
    """The runtime of a device; its name is `adb:` and the destination.

    Args:
        destination: The serial number that `adb devices` lists (`emulator-5554`, `192.168.1.5:5555`), or nothing where
            there is one device; then, after another colon, the Python to use there if it is not `python3`:
            `adb::run-as com.termux files/usr/bin/python3`. That Python must have onnxruntime and numpy.
        providers: Execution providers to use, in order.
        options: What the target gives them.
    """
    serial, python = _parts(destination)
    chosen = ("-s", serial) if serial else ()
    return HostRuntime(
        name=PREFIX + destination,
        launch=lambda: Launch(
            command=("adb", *chosen, "shell", "-T", python),
            shares_files=False,
            quoted=True,
            plugin=built_in(providers, options),
            mend="Install it there: in Termux, pkg install python-onnxruntime",
        ),
        missing=lambda: _missing(serial),
        providers=providers,
    )


def _parts(destination: str) -> tuple[str, str]:
    """Serial number and Python: a port belongs to the number."""
    serial, _, rest = destination.partition(":")
    port, _, python = rest.partition(":")
    if port.isdigit():
        return f"{serial}:{port}", python or "python3"
    return serial, rest or "python3"


def _missing(serial: str) -> str | None:
    """Why that device cannot be used; None when it can."""
    if serial.startswith("-"):
        return f"{serial} is no serial number"
    if shutil.which("adb") is None:
        return "there is no adb on this machine"
    try:
        listed = subprocess.run(
            ["adb", "devices"], capture_output=True, text=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"adb devices does not answer within {_SECONDS:g} s"
    except subprocess.CalledProcessError as error:
        return f"adb devices fails: {' '.join(error.stderr.split()) or f'exit code {error.returncode}'}"
    lines = [line.partition("\t") for line in listed.stdout.splitlines() if "\t" in line]
    states = {name: state.strip() for name, _, state in lines}
    wanted = serial or os.environ.get("ANDROID_SERIAL", "")
    if not states:
        return "adb sees no device: switch on USB debugging there and plug it in, or adb connect it"
    if not wanted and len(states) > 1:
        return f"adb sees {len(states)} devices, name one: {', '.join(PREFIX + name for name in states)}"
    if wanted and wanted not in states:
        return f"adb sees no device {wanted}, but {', '.join(states)}"
    state = states[wanted or next(iter(states))]
    return None if state == "device" else _MEND.get(state, f"its state is {state!r}, where 'device' is needed")
