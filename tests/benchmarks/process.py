"""Run a job in a fresh process and measure its memory.

A job script takes its arguments as one JSON object and prints its record as one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Record", "job_main", "peak_rss_bytes", "run_job"]

Record = dict[str, Any]
MARK = "@@result "


def peak_rss_bytes() -> int:
    """Largest resident memory this process has had so far.

    On Linux from VmHWM, because `ru_maxrss` of a child starts at the size its parent had when it forked.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def run_job(script: str, **arguments: object) -> Record:
    """Run `script` beside this file in a fresh process; its record, or {"error": the last lines it wrote}.

    `process_seconds` is added: wall time from start to end of the process, imports included.
    """
    command = [sys.executable, str(Path(__file__).with_name(script)), json.dumps(arguments)]
    started = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}, check=False
    )
    seconds = time.perf_counter() - started
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            record: Record = json.loads(line.removeprefix(MARK))
            return record | {"process_seconds": seconds}
    tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
    return {"error": tail or f"exit {done.returncode} without a word", "process_seconds": seconds}


def job_main(job: Callable[..., Record]) -> None:
    """The `__main__` of a job script: run it with the JSON arguments, print its record."""
    record = job(**json.loads(sys.argv[1]))
    sys.stdout.write(f"\n{MARK}{json.dumps(record)}\n")
