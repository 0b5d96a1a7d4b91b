"""A real OpenSSH server of this user's on a free port of this machine, and an `ssh` on PATH that knows the way."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["MACHINE", "sshd"]

MACHINE = "edge"
_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/key.pub
AuthenticationMethods publickey
UsePAM no
StrictModes no
PrintMotd no
PermitRootLogin prohibit-password
SetEnv TMPDIR={remote}
"""
_CLIENT = """
Host {machine}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    LogLevel ERROR
"""


@contextmanager
def sshd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run a server while the block does; the temporary folder there.

    Skips the test where there is no server, or it may not run.
    """
    server, client, keygen = _server(), shutil.which("ssh"), shutil.which("ssh-keygen")
    if sys.platform == "win32" or not server or not client or not keygen:
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    remote = folder / "remote"
    remote.mkdir()
    for name in ("host", "key"):
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    port = _free_port()
    (folder / "sshd_config").write_text(_SERVER.format(port=port, folder=folder, remote=remote))
    (folder / "ssh_config").write_text(
        _CLIENT.format(port=port, folder=folder, machine=MACHINE, user=getpass.getuser())
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {client} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    if os.geteuid() == 0:  # root's server needs a folder that a boot makes, and a container has not
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        command = [server, "-D", "-e", "-f", str(folder / "sshd_config")]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log) as process:
            try:
                _wait(port, process, folder / "log")
                yield remote
            finally:
                process.terminate()
                process.wait(20)


def _server() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.skip(f"the OpenSSH server does not start here: {' '.join(log.read_text().split())}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the OpenSSH server does not answer: {log.read_text()}")
