"""A real OpenSSH server of this user's on a free port of this machine; `ssh` and `scp` on PATH that know the way.

The machine behind it has a home and a temporary folder of its own, and our interpreter as its `python3`.
"""

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
Subsystem sftp {folder}/bin/sftp-server
ForceCommand {folder}/there
"""
_THERE = """#!/bin/sh
cd {folder}/home
export HOME={folder}/home TMPDIR={folder}/remote PATH={folder}/python:/usr/bin:/bin
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
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
    """Run a server while the block does; the machine's temporary folder, beside its `home`.

    Skips the test where there is no server, or it may not run.
    """
    server, client, keygen = _server(), shutil.which("ssh"), shutil.which("ssh-keygen")
    if sys.platform == "win32" or not server or not client or not keygen:
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    for name in ("remote", "home", "bin", "python"):
        (folder / name).mkdir()
    for name in ("host", "key"):
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    port = _free_port()
    (folder / "sshd_config").write_text(_SERVER.format(port=port, folder=folder))
    (folder / "ssh_config").write_text(
        _CLIENT.format(port=port, folder=folder, machine=MACHINE, user=getpass.getuser())
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    _program(folder / "there", _THERE.format(folder=folder))
    _program(folder / "python" / "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    _program(folder / "bin" / "sftp-server", f"#!/bin/sh\nexec {_sftp_server(server)}\n")
    for name in ("ssh", "scp"):
        _program(folder / "bin" / name, f'#!/bin/sh\nexec {shutil.which(name)} -F {folder}/ssh_config "$@"\n')
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if os.geteuid() == 0:  # root's server needs a folder that a boot makes, and a container has not
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        command = [server, "-D", "-e", "-f", str(folder / "sshd_config")]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log) as process:
            try:
                _wait(port, process, folder / "log")
                yield folder / "remote"
            finally:
                process.terminate()
                process.wait(20)


def _server() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin")


def _sftp_server(server: str) -> Path:
    """The program that serves files, where Debian, Fedora and macOS have it."""
    found = [Path("/usr/lib/openssh"), Path("/usr/libexec/openssh"), Path("/usr/libexec"), Path(server).parent]
    return next((place / "sftp-server" for place in found if (place / "sftp-server").is_file()), Path("sftp-server"))


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


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
