"""Runs models with ONNX Runtime: imported here, served from another interpreter, elsewhere sent as one file.

Needs onnxruntime (1.17 or newer) and numpy, nothing of edgec, any Python from 3.10 on. As a program it serves one
client over its standard streams until the client closes them; whatever a library prints goes to the log (stderr).

A message, both ways::

    "EDGC"  length of header (u32)  length of payload (u64)  header (JSON)  payload

The header lists the payload's arrays: ``"tensors": [[name, dtype, shape, bytes], ...]``; strings stand in the header.
Lengths are little-endian, arrays C-contiguous and little-endian.

====================== =========================================================================
request                answer
====================== =========================================================================
(none, at the start)   versions, providers, machine, process id
open                   session number, inputs, outputs, seconds it took, providers in use
run                    outputs, seconds
profile                events of one run, provider by node, the optimized graph where it is needed
close                  nothing
====================== =========================================================================

An answer that is no answer: ``{"error": kind, "message": ...}`` with kind ``import``, ``provider``, ``open``, ``run``
or ``request``.
"""

from __future__ import annotations

import json
import os
import platform
import re
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

__all__ = [
    "Evidence",
    "GarbageError",
    "evidence",
    "hello",
    "open_session",
    "options",
    "read_message",
    "serve",
    "write_message",
]

MAGIC = b"EDGC"
_HEAD = struct.Struct("<4sIQ")
_LARGEST_HEADER = 1 << 30
_FATAL = 4  # OrtLoggingLevel: what matters comes back as an exception
_KERNEL = "_kernel_time"
_BLOCKED = re.compile(r".*_nchwc(?:_token_\d+)?$")


# ---- messages ------------------------------------------------------------------------------------------------


class GarbageError(Exception):
    """What came is no message; `found` holds its first bytes."""

    def __init__(self, found: bytes) -> None:
        super().__init__(repr(found))
        self.found = found


def write_message(stream: BinaryIO, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Send one message; arrays are sent from where they lie, without a copy."""
    tensors: list[list[Any]] = []
    parts: list[Any] = []
    for name, value in arrays.items():
        import numpy as np  # not needed to say that it is missing

        array = np.asarray(value)
        if array.dtype == object or array.dtype.kind in "US":
            tensors.append([name, "string", list(array.shape), [str(item) for item in array.reshape(-1)]])
            continue
        array = np.ascontiguousarray(array).reshape(array.shape)
        tensors.append([name, array.dtype.name, list(array.shape), array.nbytes])
        parts.append(array)
    text = json.dumps({**header, "tensors": tensors}).encode()
    stream.write(_HEAD.pack(MAGIC, len(text), sum(part.nbytes for part in parts)))
    stream.write(text)
    for part in parts:
        if part.nbytes:
            stream.write(memoryview(part.reshape(-1).view("uint8")))
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The next message: header and arrays by name; None at the end of the stream.

    Raises:
        GarbageError: What came is no message.
        EOFError: The stream ends within one.
    """
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if not head.startswith(MAGIC):
        raise GarbageError(head)
    if len(head) < _HEAD.size:
        raise EOFError
    _, length, size = _HEAD.unpack(head)
    if length > _LARGEST_HEADER:
        raise GarbageError(head)
    text = _exactly(stream, length)
    try:
        header = json.loads(text)
        tensors = header.pop("tensors")
    except (ValueError, KeyError, AttributeError):
        raise GarbageError(bytes(text[:64])) from None
    arrays: dict[str, Any] = {}
    for name, dtype, shape, held in tensors:
        import numpy as np

        if dtype == "string":
            arrays[name] = np.array(held, dtype=object).reshape(shape)
        else:
            arrays[name] = np.frombuffer(_exactly(stream, held), dtype=_dtype(dtype)).reshape(shape)
            size -= held
    if size:
        raise GarbageError(head)
    return header, arrays


def _dtype(name: str) -> Any:
    import numpy as np

    try:
        return np.dtype(name)
    except TypeError:  # bfloat16 and float8, where that package is there
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """`size` bytes, in a buffer of its own: arrays made of it can be written to."""
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        filled += got
    return buffer


# ---- ONNX Runtime --------------------------------------------------------------------------------------------


class Evidence(NamedTuple):
    """What one run shows of where it ran.

    Attributes:
        events: Kernel events of the profile, in order.
        assigned: Provider by node name, of the assignment record; empty where this ONNX Runtime keeps none.
        graph: The graph as optimized before layouts are chosen; None where no event needs it.
    """

    events: list[dict[str, Any]]
    assigned: dict[str, str]
    graph: bytes | None


def options(*, threads: int = 0, optimize: bool = True, config: dict[str, str] | None = None) -> Any:
    """Session options; everything not named stays at ONNX Runtime's default."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.log_severity_level = _FATAL
    if threads:
        made.intra_op_num_threads = threads
    if not optimize:
        made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key, value in (config or {}).items():
        made.add_session_config_entry(key, value)
    return made


def open_session(
    model: str | bytes, made: Any, providers: list[str], weights: dict[str, Any] | None = None
) -> tuple[Any, list[Any]]:
    """An `InferenceSession`, and what must live as long as it does.

    Args:
        model: A file, or a serialized model.
        made: Session options.
        providers: Execution providers, in order.
        weights: Arrays of initializers whose bytes the model says are external. They are handed over as they are,
            mapped files included: nothing is serialized, parsed or written to a disk on their account.

    Raises:
        Exception: What ONNX Runtime raises; its exceptions share no base.
    """
    import numpy as np
    import onnxruntime

    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)) for a in (weights or {}).values()]
    if values:
        made.add_external_initializers(list(weights or {}), values)
    return onnxruntime.InferenceSession(model, made, providers=providers), values


def evidence(
    model: str | bytes,
    settings: dict[str, Any],
    providers: list[str],
    weights: dict[str, Any] | None,
    feeds: dict[str, Any],
) -> Evidence:
    """What one run of `feeds` shows, in a session opened as the user would open it.

    Prepacking is off in that session: it drops prepacked weights from the profile and changes no node.

    Args:
        model: As `open_session` takes it.
        settings: As `options` takes them.
        providers: As `open_session` takes them.
        weights: As `open_session` takes them.
        feeds: Checked feeds.

    Raises:
        Exception: What ONNX Runtime raises.
    """
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        made = options(**settings)
        made.enable_profiling = True
        made.profile_file_prefix = str(Path(folder) / "profile")
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        made.add_session_config_entry("session.disable_prepacking", "1")
        session, _ = open_session(model, made, providers, weights)
        session.run(None, feeds)
        profile = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        events = [event for event in profile if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)]
        graph = None
        if any(_needs_graph(event) for event in events):
            graph = _optimized(model, settings, providers, weights, Path(folder) / "optimized.onnx")
    return Evidence(events=events, assigned=_assigned(session), graph=graph)


def _assigned(session: Any) -> dict[str, str]:
    try:
        groups = session.get_provider_graph_assignment_info()
    except Exception:  # older than 1.24: the method, or the record, is missing
        return {}
    return {node.name: group.ep_name for group in groups for node in group.get_nodes()}


def _needs_graph(event: dict[str, Any]) -> bool:
    """Whether shapes alone do not tell this kernel's MACs: padded channels, or MatMulNBits' accuracy level."""
    name, op_type = event["name"][: -len(_KERNEL)], event["args"]["op_name"]
    return op_type == "MatMulNBits" or (op_type == "Conv" and _BLOCKED.match(name) is not None)


def _optimized(
    model: str | bytes, settings: dict[str, Any], providers: list[str], weights: dict[str, Any] | None, saved: Path
) -> bytes:
    import onnxruntime

    made = options(**settings)
    if settings.get("optimize", True):
        made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    made.optimized_model_filepath = str(saved)
    made.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    made.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    made.add_session_config_entry("session.disable_prepacking", "1")
    open_session(model, made, providers, weights)
    return saved.read_bytes()


# ---- the program ---------------------------------------------------------------------------------------------


class _RefusedError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Open(NamedTuple):
    session: Any
    names: list[str]
    model: str | bytes
    settings: dict[str, Any]
    providers: list[str]
    weights: dict[str, Any]
    kept: list[Any]
    folder: Any


class _Server:
    """Sessions by number."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Open] = {}
        self._next = 1

    def answer(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and arrays of the answer to one request."""
        act = {"open": self._open, "run": self._run, "profile": self._profile, "close": self._close}.get(request["do"])
        if act is None:
            raise _RefusedError("request", f"{request['do']!r} is not a request")
        return act(request, arrays)

    def _open(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import onnxruntime

        providers = request["providers"]
        absent = [name for name in providers if name not in onnxruntime.get_available_providers()]
        if absent:
            raise _RefusedError("provider", f"this ONNX Runtime has no {absent[0]}")
        folder = None
        model: str | bytes
        if "path" in request:
            model = request["path"]
        elif "files" in request:
            folder = tempfile.TemporaryDirectory(prefix="edgec-")  # noqa: SIM115 - closed with the session
            for name in request["files"]:
                (Path(folder.name) / name).write_bytes(arrays.pop("file:" + name))
            model = str(Path(folder.name) / request["files"][0])
        else:
            model = arrays.pop("model:").tobytes()
        started = time.perf_counter()
        try:
            session, kept = open_session(model, options(**request["settings"]), providers, arrays)
        except Exception as error:
            raise _RefusedError("open", str(error)) from error
        seconds = time.perf_counter() - started
        if session.get_providers()[: len(providers)] != providers:
            raise _RefusedError("provider", f"ONNX Runtime opened it with {session.get_providers()}, not {providers}")
        number, self._next = self._next, self._next + 1
        names = [value.name for value in session.get_outputs()]
        self._sessions[number] = _Open(
            session, names, model, request["settings"], providers, arrays, kept, folder
        )  # fmt: skip
        return {
            "session": number,
            "inputs": [[value.name, value.type, value.shape] for value in session.get_inputs()],
            "outputs": [[value.name, value.type, value.shape] for value in session.get_outputs()],
            "seconds": seconds,
        }, {}

    def _run(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        opened = self._sessions[request["session"]]
        started = time.perf_counter()
        try:
            found = opened.session.run(None, arrays)
        except Exception as error:
            raise _RefusedError("run", str(error)) from error
        seconds = time.perf_counter() - started
        return {"seconds": seconds}, dict(zip(opened.names, found, strict=True)) if request.get("outputs", True) else {}

    def _profile(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import numpy as np

        opened = self._sessions[request["session"]]
        try:
            seen = evidence(opened.model, opened.settings, opened.providers, opened.weights, arrays)
        except Exception as error:
            raise _RefusedError("run", str(error)) from error
        graph = {} if seen.graph is None else {"graph:": np.frombuffer(seen.graph, dtype=np.uint8)}
        return {"events": seen.events, "assigned": seen.assigned}, graph

    def _close(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        del arrays
        opened = self._sessions.pop(request["session"])
        if opened.folder is not None:
            opened.folder.cleanup()
        return {}, {}

    def leave(self) -> None:
        """Delete what was written here."""
        for opened in self._sessions.values():
            if opened.folder is not None:
                opened.folder.cleanup()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the client closes its end, then leave at once, whatever still runs.

    The requests are read by a thread of their own, so that the client's end is noticed during a long run too.
    """
    import queue

    waiting: Any = queue.Queue(maxsize=2)
    server = _Server()

    def receive() -> None:
        try:
            while True:
                message = read_message(requests)
                if message is None:
                    break
                waiting.put(message)
        except BaseException as error:  # a torn request is the end of the client
            sys.stderr.write(f"requests ended: {error!r}\n")
        sys.stderr.flush()
        server.leave()
        os._exit(0)

    write_message(answers, hello(), {})
    threading.Thread(target=receive, daemon=True).start()
    while True:
        request, arrays = waiting.get()
        try:
            header, found = server.answer(request, arrays)
        except _RefusedError as refused:
            header, found = {"error": refused.kind, "message": str(refused)}, {}
        except Exception as error:
            header, found = {"error": "request", "message": f"{type(error).__name__}: {error}"}, {}
        write_message(answers, header, found)


def hello() -> dict[str, Any]:
    """What this interpreter has; `error` when onnxruntime cannot be imported."""
    try:
        import numpy
        import onnxruntime
    except Exception as error:  # ImportError, and what a library for another processor raises
        return {"error": "import", "message": f"{type(error).__name__}: {error}"}
    return {
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}".strip(),
        "providers": onnxruntime.get_available_providers(),
        "process": os.getpid(),
    }


def _main(site: list[str]) -> None:
    # The folder of this file holds modules of edgec; a guest must not find them by their plain names.
    here = Path(globals().get("__file__", "")).parent
    sys.path[:] = [*site, *(path for path in sys.path if Path(path) != here)]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is log
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main(sys.argv[1:])
