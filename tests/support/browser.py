"""A headless Chromium that opens one page: schemes, widths, print, screenshots, and all it complains of or asks for.

Speaks the DevTools protocol over the browser's debugging pipe: file descriptors 3 and 4, messages end with a NUL.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Browser", "Look", "browser"]

_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-extensions", "--no-first-run", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip

# Chromium looks for its pipes under these numbers; they may be other files' here.
_PIPES = """
import fcntl, os, sys
reading, writing, *command = sys.argv[1:]
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in (reading, writing)]
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(command[0], command)
"""


class Look:
    """One way to look at a page: how wide, in which scheme, on screen or on paper."""

    def __init__(self, *, width: int = 1100, scheme: str = "light", media: str = "screen") -> None:
        self.width, self.scheme, self.media = width, scheme, media


class Browser:
    """A tab; `said` is what the page and the browser complained of, `asked` every address it wanted."""

    def __init__(self, reading: Any, writing: Any) -> None:
        self._reading, self._writing = reading, writing
        self._numbers = itertools.count(1)
        self._waiting: list[dict[str, Any]] = []
        self._session = ""
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while True:
            found = self._next()
            if found.get("id") == number:
                assert "error" not in found, (method, found["error"])
                result: dict[str, Any] = found["result"]
                return result
            self._waiting.append(found)

    def open(self, file: Path, look: Look) -> None:
        """Load a file, and wait until it is there."""
        self.look(look)
        self._waiting.clear()
        self.call("Page.navigate", url=file.as_uri())
        self._wait("Page.loadEventFired")

    def look(self, look: Look) -> None:
        """See the page another way."""
        metrics = {"width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": look.scheme}]
        self.call("Emulation.setEmulatedMedia", media=look.media, features=features)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, file: Path) -> None:
        """The whole page as PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def pdf(self, file: Path) -> None:
        """The page on A4, as a reader whose screen is dark prints it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.look(Look(scheme="dark", media=""))
        found = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def _wait(self, method: str) -> None:
        while not any(each.get("method") == method for each in self._waiting):
            self._waiting.append(self._next())

    def _next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_until_nul(self._reading))
        params = found.get("params", {})
        match found.get("method"):
            case "Runtime.exceptionThrown":
                self.said.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.said.append(str(params["args"]))
            case "Log.entryAdded":
                self.said.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
        return found


@contextmanager
def browser(program: Path, libraries: str) -> Iterator[Browser]:
    """Start one; it ends with the block, and leaves nothing.

    Args:
        program: A headless Chromium.
        libraries: Folders of its libraries, as `LD_LIBRARY_PATH` has them.
    """
    theirs, ours = os.pipe()
    mine, yours = os.pipe()
    folder = tempfile.mkdtemp(prefix="edgec-page-")
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder)
    process = subprocess.Popen(
        [sys.executable, "-c", _PIPES, str(theirs), str(yours), str(program), *_OPTIONS, f"--user-data-dir={folder}/p"],
        pass_fds=(theirs, yours),
        env={**os.environ, **own, "LD_LIBRARY_PATH": libraries},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(yours)
    try:
        with os.fdopen(ours, "wb") as writing, os.fdopen(mine, "rb", buffering=0) as reading:
            yield Browser(reading, writing)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


_LEFT: dict[int, bytes] = {}


def _until_nul(reading: Any) -> bytes:
    """The next message of a pipe; what came behind it is kept for the next call."""
    held = _LEFT.pop(reading.fileno(), b"")
    while b"\0" not in held:
        piece = reading.read(1 << 16)
        assert piece, "the browser has gone"
        held += piece
    message, _, rest = held.partition(b"\0")
    _LEFT[reading.fileno()] = rest
    return message
