"""A machine over `ssh`: the runner is sent along, and the model with it; nothing is installed there."""

from __future__ import annotations

import shutil

from .host.launch import Launch
from .host.runtime import HostRuntime
from .plugin_ep import NONE, Options, built_in

__all__ = ["PREFIX", "ssh"]

PREFIX = "ssh:"


def ssh(
    destination: str, providers: tuple[str, ...] = ("CPUExecutionProvider",), options: Options = NONE
) -> HostRuntime:
    """The runtime of a machine; its name is `ssh:` and the destination.

    Args:
        destination: What `ssh` takes (`pi@raspberrypi`, a name of its configuration), then, after a second colon,
            the Python to use there if it is not `python3`. That Python must have onnxruntime and numpy, and the
            login must need no password: nothing is asked.
        providers: Execution providers to use, in order.
        options: What the target gives them.
    """
    machine, _, python = destination.partition(":")
    python = python or "python3"

    def missing() -> str | None:
        if not machine or machine.startswith("-"):
            return f"{machine or 'nothing'} is no machine"
        return None if shutil.which("ssh") else "there is no ssh on this machine"

    return HostRuntime(
        name=PREFIX + destination,
        launch=lambda: Launch(
            command=("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", machine, python),
            shares_files=False,
            quoted=True,
            plugin=built_in(providers, options),
            mend=f"Install it there: ssh {machine} {python} -m pip install onnxruntime",
        ),
        missing=missing,
        providers=providers,
    )
