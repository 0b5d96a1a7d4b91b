"""What a device shows of a bundle: distance from golden, time, memory, and the provider of every node."""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..runner import RefusedError, fresh_peak, hello, kernel_events, open_session, options, peak_bytes, plug
from .golden import replayed, steps_of

__all__ = ["Asked", "measured"]

_FEWEST = 10  # runs, however long they take
_MEMORY_RUNS = 2


class Asked(NamedTuple):
    """What a receipt is asked to show.

    Attributes:
        device: What the device is called; "" takes its host name.
        nonce: A word of whoever asks, which makes the answer one to this very question; "" where nobody gave one.
        threads: Intra-op threads; 0 is ONNX Runtime's choice.
        warmup: Runs before those that are timed.
        runs: Timed runs; fewer when `seconds` have passed, at least ten.
        seconds: For all timed runs together.
        emulated: What emulates the processor; "" where it is real.
    """

    device: str = ""
    nonce: str = ""
    threads: int = 1
    warmup: int = 5
    runs: int = 100
    seconds: float = 10.0
    emulated: str = ""


def measured(folder: Path, manifest: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """What this device shows of a bundle whose payload was checked.

    Args:
        folder: The bundle.
        manifest: What its manifest says.
        asked: What to show.

    Raises:
        RefusedError: This ONNX Runtime lacks what the target needs, or cannot run it.
    """
    here = hello()
    if "error" in here:
        raise RefusedError(here["error"], f"onnxruntime cannot be imported: {here['message']}")
    chosen, names = manifest.get("provider_options", {}), [str(name) for name in manifest["target"]["providers"]]
    absent = [name for name in names if name not in here["providers"]]
    if absent:
        there = ", ".join(here["providers"])
        raise RefusedError("provider", f"its target runs on {absent[0]}, this ONNX Runtime has {there}")
    wanted = [(name, dict(chosen.get(name, {}))) for name in names]
    config = dict(manifest["session_options"])
    feeds, expected = (steps_of(folder / "golden" / f"{name}.npz") for name in ("inputs", "outputs"))
    model = str(folder / str(manifest["model"]))
    before = fresh_peak()
    try:
        started = time.perf_counter_ns()
        session = _opened(model, options(threads=asked.threads, config=config), wanted)
        load = time.perf_counter_ns() - started
        for _ in range(_MEMORY_RUNS):
            session.run(None, feeds[0])
        peak = peak_bytes()
        latency = _timed(session, feeds[0], asked)
        golden = replayed(_running(session), feeds, expected, manifest["state"])
        adapters = {
            name: replayed(
                _running(session, folder / "adapters" / f"{name}.onnx_adapter"),
                feeds,
                steps_of(folder / "golden" / "adapters" / f"{name}.npz"),
                manifest["state"],
            )
            for name in manifest.get("adapters", {})
        }
        used = session.get_providers()
        if used[: len(names)] != names:
            raise RefusedError("provider", f"ONNX Runtime opened it with {', '.join(used)}")
        placement = _placement(model, config, wanted, feeds[0])
    except RefusedError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base
        raise RefusedError("run", f"ONNX Runtime {here['onnxruntime']} cannot run it: {error}") from error
    return {
        "device": {
            "name": asked.device or platform.node(),
            "system": here["system"],
            "machine": here["machine"],
            "processor": _processor(),
            "cores": os.cpu_count(),
            "features": here["features"],
            "emulated": asked.emulated,
        },
        "runtime": {
            "language": f"Python {here['python']}",
            "library": "onnxruntime",
            "onnxruntime": here["onnxruntime"],
            "providers": used,
        },
        "model": str(manifest["model"]),
        "golden": {"steps": len(feeds), "outputs": golden, "adapters": adapters},
        "load_ns": load,
        "latency": latency,
        "memory": None if before is None or peak is None else {"before": before, "peak": peak, "runs": _MEMORY_RUNS},
        "placement": placement,
    }


def _opened(model: str, made: Any, wanted: list[tuple[str, dict[str, str]]]) -> Any:
    """A session with these providers; the first one's library is loaded where `EDGEC_PLUGIN` names it."""
    (first, chosen), *others = wanted
    plugin = json.loads(os.environ.get("EDGEC_PLUGIN", "null"))
    if plugin is None or plugin["provider"] != first:
        return open_session(model, made, wanted)[0]
    plug(made, first, chosen, [name for name, _ in others[:-1]])
    return open_session(model, made, [], plugged=True)[0]


def _running(session: Any, adapter: Path | None = None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Feeds to outputs by name, with an adapter active where one is given."""
    import onnxruntime

    names = [value.name for value in session.get_outputs()]
    chosen = onnxruntime.RunOptions()
    loaded = None
    if adapter is not None:
        loaded = onnxruntime.LoraAdapter()
        loaded.Load(str(adapter))
        chosen.add_active_adapter(loaded)

    def run(feeds: dict[str, Any], _kept: Any = loaded) -> dict[str, Any]:  # the options hold its bare address
        return dict(zip(names, session.run(None, feeds, chosen), strict=True))

    return run


def _timed(session: Any, feeds: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Nanoseconds of every timed run; with one thread, also what the processor computed meanwhile."""
    for _ in range(asked.warmup):
        session.run(None, feeds)
    taken: list[int] = []
    began, computed = time.perf_counter(), time.thread_time_ns()
    while len(taken) < asked.runs and (len(taken) < _FEWEST or time.perf_counter() - began < asked.seconds):
        started = time.perf_counter_ns()
        session.run(None, feeds)
        taken.append(time.perf_counter_ns() - started)
    computed = time.thread_time_ns() - computed
    alone = computed if asked.threads == 1 else None
    return {"threads": asked.threads, "warmup": asked.warmup, "ns": taken, "computing_ns": alone}


def _placement(
    model: str, config: dict[str, str], wanted: list[tuple[str, dict[str, str]]], feeds: dict[str, Any]
) -> dict[str, Any]:
    """Which provider ran each node, of the profile of one run."""
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        made = options(config=config)
        made.enable_profiling = True
        made.profile_file_prefix = str(Path(folder) / "profile")
        session = _opened(model, made, wanted)
        session.run(None, feeds)
        events = kernel_events(session)
    nodes = {
        event["name"].rpartition("_kernel_time")[0]: (event["args"]["op_name"], event["args"]["provider"])
        for event in events
    }
    return {
        "evidence": "profile of one run",
        "nodes": [{"name": name, "op": op, "provider": provider} for name, (op, provider) in nodes.items()],
    }


def _processor() -> str:
    """What the system calls its processor or its board; "" where it does not tell."""
    for file, pattern in (("/proc/device-tree/model", r"(.+)"), ("/proc/cpuinfo", r"(?m)^model name\s*:\s*(.+)$")):
        try:
            found = re.search(pattern, Path(file).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found is not None:
            return found[1].strip("\0 \n")
    return platform.processor()
