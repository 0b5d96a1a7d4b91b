"""Memory in large pages: asked for while something opens, given back afterwards, nothing where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgec.runtimes import large_pages as module
from edgec.runtimes.large_pages import large_pages

_SUPPORTED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# In a process of its own: what `malloc` does is a process's.
_TRIED = """
import json, sys
import numpy as np
from edgec.runtimes.large_pages import large_pages

def heap():
    found, here = {"hg": False, "size": 0}, False
    for line in open("/proc/self/smaps"):
        words = line.split()
        if not words[0].endswith(":"):
            here = words[-1] == "[heap]"
        elif here and words[0] == "Size:":
            found["size"] += int(words[1])
        elif here and words[0] == "VmFlags:":
            found["hg"] |= "hg" in words
    return found

before = heap()
with large_pages(256 << 20):
    within, kept = heap(), [np.full(1 << 20, 3, np.uint8) for _ in range(64)]
    used = heap()
after = heap()
right = all((each == 3).all() for each in kept)
del kept
json.dump({"before": before, "within": within, "used": used, "after": after, "right": right}, sys.stdout)
"""


@pytest.mark.skipif(not _SUPPORTED.is_file(), reason="needs a Linux with large pages")
def test_what_is_taken_in_the_block_is_of_large_pages() -> None:
    done = subprocess.run([sys.executable, "-c", _TRIED], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)

    assert not found["before"]["hg"]
    assert found["within"]["hg"]
    assert found["within"]["size"] >= found["before"]["size"] + (250 << 10)
    assert found["used"]["size"] == found["within"]["size"]  # 64 MiB more, and the heap is as long as it was
    assert found["after"]["size"] < found["before"]["size"] + (128 << 10)
    assert found["right"]


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "win32")
    monkeypatch.setattr(module.ctypes, "CDLL", None)  # would fail if it were called

    with large_pages(1 << 30):
        assert np.ones(4).sum() == 4


def test_a_system_that_refuses_is_let_be() -> None:
    code = "from edgec.runtimes.large_pages import large_pages\nwith large_pages(1 << 62): print(len(bytes(1 << 22)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(1 << 22)]
