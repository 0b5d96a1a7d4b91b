"""Runs models with ONNX Runtime: imported here, served from another interpreter, elsewhere sent as one file.

Needs onnxruntime (1.17 or newer) and numpy, nothing of edgec, any Python from 3.10 on. As a program it serves one
client over its standard streams until the client closes them; whatever a library prints goes to the log (stderr).
`EDGEC_PLUGIN` names a provider in a library of its own, loaded at the start.
What it writes to a disk lies in one folder (`EDGEC_HOST_FOLDER`, else one of its own), which it deletes when it leaves.

A message, both ways::

    "EDGC"  length of header (u32)  length of payload (u64)  header (JSON)  payload

The header lists the payload's arrays: ``"tensors": [[name, dtype, shape, bytes], ...]``; strings stand in the header,
``[name, "string", shape, [text, ...]]``.
Lengths are little-endian, arrays C-contiguous and little-endian.

====================== =========================================================================
request                answer
====================== =========================================================================
(none, at the start)   versions, providers, machine, process id
open                   session number, inputs, outputs, seconds it took, providers in use
run                    outputs, seconds
profile                events of one run, provider by node, features, optimized graphs where they are needed
compile                files of a model that a plugin's backend has compiled (EPContext), the model first; seconds
memory                 resident bytes before a model is opened, and the most while it is opened and run; null both where
                       the system does not tell
close                  nothing
receipt                the receipt of a bundle, where the parts in device/ are joined to this file
====================== =========================================================================

An answer that is no answer: ``{"error": kind, "message": ...}`` with kind ``import``, ``plugin``, ``provider``,
``nowhere``, ``disk``, ``open``, ``run``, ``compile`` or ``request``. Any request may name sessions to close beside what
it asks: ``"forget": [number, ...]``.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import platform
import re
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

__all__ = [
    "Evidence",
    "GarbageError",
    "RefusedError",
    "compile_context",
    "evidence",
    "fresh_peak",
    "hello",
    "kernel_events",
    "main",
    "open_session",
    "options",
    "peak_bytes",
    "plug",
    "read_message",
    "serve",
    "write_files",
    "write_message",
]

MAGIC = b"EDGC"
_HEAD = struct.Struct("<4sIQ")
_LARGEST_HEADER = 1 << 30
_FATAL = 4  # OrtLoggingLevel: what matters comes back as an exception
_KERNEL = "_kernel_time"
_CPU = "CPUExecutionProvider"
_PLAIN = frozenset(
    f"{kind}{bits}"
    for kind, sizes in {
        "int": (8, 16, 32, 64),
        "uint": (8, 16, 32, 64),
        "float": (16, 32, 64),
        "complex": (64, 128),
        "bool": ("",),
    }.items()
    for bits in sizes
)
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
            tensors.append([name, "string", list(array.shape), [_text(item) for item in array.reshape(-1)]])
            continue
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
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


def _text(item: Any) -> str:
    return item.decode(errors="surrogateescape") if isinstance(item, bytes) else str(item)


def read_message(stream: io.BufferedIOBase) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The next message: header and arrays by name; None at the end of the stream.

    Raises:
        GarbageError: What came is no message.
        EOFError: The stream ends within one.
    """
    head = b""
    while len(head) < _HEAD.size:
        more = stream.read1(_HEAD.size - len(head))  # not `read`: garbage may be short, and nothing come after it
        if not more:
            if head:
                raise EOFError
            return None
        head += more
        if head[: len(MAGIC)] != MAGIC[: len(head)]:
            raise GarbageError(head)
    _, length, size = _HEAD.unpack(head)
    if length > _LARGEST_HEADER:
        raise GarbageError(head)
    text = bytearray(length)
    _fill(stream, memoryview(text))
    try:
        header = json.loads(text)
        arrays, held = _announced(header.pop("tensors"))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise GarbageError(bytes(text[:64])) from None
    if held != size:
        raise GarbageError(bytes(text[:64]))
    for array in arrays.values():
        if array.nbytes and array.dtype != object:
            _fill(stream, memoryview(array.reshape(-1).view("uint8")))
    return header, arrays


def _announced(tensors: list[Any]) -> tuple[dict[str, Any], int]:
    """The arrays a header announces, still to be filled where they are no strings, and the bytes that fill them."""
    arrays: dict[str, Any] = {}
    size = 0
    for name, dtype, shape, held in tensors:
        import numpy as np

        if not isinstance(name, str) or any(type(dim) is not int or dim < 0 for dim in shape):
            raise ValueError
        if dtype == "string":
            if not all(isinstance(item, str) for item in held):
                raise ValueError
            flat = np.empty(len(held), dtype=object)
            flat[:] = held
            arrays[name] = flat.reshape(shape)
            continue
        found = _dtype(dtype)
        if held != math.prod(shape) * found.itemsize:  # before it is allocated
            raise ValueError
        arrays[name] = np.empty(shape, dtype=found)
        size += held
    return arrays, size


def _dtype(name: str) -> Any:
    import numpy as np

    if name in _PLAIN:
        return np.dtype(name)
    import ml_dtypes  # bfloat16, float8, int4: only where that package is there

    found = np.dtype(getattr(ml_dtypes, name))
    if found.hasobject:
        raise ValueError(name)
    return found


def _fill(stream: io.BufferedIOBase, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        got = stream.readinto(view[filled:])
        if not got:
            raise EOFError
        filled += got


# ---- ONNX Runtime --------------------------------------------------------------------------------------------


class Evidence(NamedTuple):
    """What one run shows of where it ran.

    Attributes:
        events: Kernel events of the profile, in order.
        assigned: Provider by node name, of the assignment record; empty where this ONNX Runtime keeps none.
        graph: The graph as optimized before layouts are chosen; None where no event needs it.
        placed: The graph as it ran; None where only the CPU provider was asked for.
        features: Instruction sets of the processor, by numpy's names (`AVX2`, `ASIMDDP`).
        backend: What a plugin's backend wrote of the graphs it ran, JSON by partition; None where there is none.
        printed: What a provider's library printed of that run; None where it was not told to print.
        written: Kernel events of the graph as written, on the CPU provider: what there is to multiply. None where
            nothing was printed, or that provider lacks an operator.
    """

    events: list[dict[str, Any]]
    assigned: dict[str, str]
    graph: bytes | None
    placed: bytes | None
    features: list[str]
    backend: dict[str, str] | None = None
    printed: str | None = None
    written: list[dict[str, Any]] | None = None


def options(
    *, threads: int = 0, optimize: bool = True, patterns: bool = True, config: dict[str, str] | None = None
) -> Any:
    """Session options; everything not named stays at ONNX Runtime's default."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.log_severity_level = _FATAL
    if threads:
        made.intra_op_num_threads = threads
    if not optimize:
        made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    made.enable_mem_pattern = patterns
    for key, value in (config or {}).items():
        made.add_session_config_entry(key, value)
    return made


def plug(made: Any, provider: str, chosen: dict[str, str], beside: Sequence[str] = ()) -> None:
    """Have a session use a plugin's provider, and keep a record of the nodes it gets.

    Args:
        made: Session options.
        provider: Its name; its library is loaded.
        chosen: Provider options.
        beside: Further providers of this build, which take what it leaves before the CPU's does.

    Raises:
        LookupError: It finds no device here.
    """
    import onnxruntime

    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == provider]
    if devices:
        made.add_provider_for_devices(devices[:1], chosen)
    elif provider in onnxruntime.get_available_providers():  # it is part of this build, no plugin of it
        made.add_provider(provider, chosen)
    else:
        raise LookupError(f"{provider} finds no device here")
    for name in beside:
        made.add_provider(name, {})
    made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")


def open_session(
    model: str | bytes,
    made: Any,
    providers: Sequence[Any],
    weights: dict[str, Any] | None = None,
    *,
    plugged: bool = False,
) -> tuple[Any, list[Any]]:
    """An `InferenceSession`, and what must live as long as it does.

    Args:
        model: A file, or a serialized model.
        made: Session options.
        providers: Execution providers, in order; with options as pairs.
        weights: Arrays of initializers whose bytes the model says are external. They are handed over as they are,
            mapped files included: nothing is serialized, parsed or written to a disk on their account.
        plugged: The options name the provider (`plug`). Python's own second try, on the CPU alone, is off.

    Raises:
        Exception: What ONNX Runtime raises; its exceptions share no base.
    """
    import numpy as np
    import onnxruntime

    values = []
    for array in (weights or {}).values():
        whole = np.ascontiguousarray(array).reshape(np.shape(array))  # a scalar stays one
        values.append(onnxruntime.OrtValue.ortvalue_from_numpy(whole))
    if values:
        made.add_external_initializers(list(weights or {}), values)
    if plugged:
        return onnxruntime.InferenceSession(model, made, enable_fallback=0), values
    return onnxruntime.InferenceSession(model, made, providers=list(providers)), values


def compile_context(model: str | bytes, made: Any, into: Path, name: str) -> list[Path]:
    """A model whose nodes its providers have compiled, and the binaries it names, written to a folder.

    The graph is optimized as a session's is: as written, which is the default of ONNX Runtime here, MobileNetV2 answers
    otherwise than in a session that compiles it as it opens (onnxruntime-qnn 2.7.0 beside 1.31.1, 2026-11).

    A file is opened by its name alone, from its folder: its path would become part of the binary, which otherwise has
    the same bytes each time, where it is the first that a process compiles.

    Args:
        model: A file, or a serialized model.
        made: Session options that name a provider (`plug`).
        into: The folder, absolute; exists, and is empty.
        name: What the model becomes.

    Returns:
        The files, the model first.

    Raises:
        Exception: What ONNX Runtime raises; no node that can be compiled among it.
    """
    import onnxruntime

    file = Path(model) if isinstance(model, str) else None
    before = Path.cwd()
    try:
        if file is not None:
            os.chdir(file.parent)
        compiler = onnxruntime.ModelCompiler(
            made,
            model if file is None else file.name,
            embed_compiled_data_into_model=False,
            flags=onnxruntime.OrtCompileApiFlags.ERROR_IF_NO_NODES_COMPILED,
            graph_optimization_level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        )
        compiler.compile_to_file(str(into / name))
    finally:
        os.chdir(before)
    return [into / name, *sorted(file for file in into.iterdir() if file.name != name)]


def evidence(
    model: str | bytes,
    settings: dict[str, Any],
    providers: list[str],
    weights: dict[str, Any] | None,
    feeds: dict[str, Any],
    plugin: dict[str, Any] | None = None,
) -> Evidence:
    """What one run of `feeds` shows, in a session opened as the user would open it.

    Prepacking is off in that session where it can be: it drops prepacked weights from the profile and changes no node.

    Args:
        model: As `open_session` takes it.
        settings: As `options` takes them.
        providers: As `open_session` takes them.
        weights: As `open_session` takes them.
        feeds: Checked feeds.
        plugin: A plugin's `provider`, its `options`, `graphs`: options that have its backend write its graphs, and
            `prints`: whether its library prints what it executes.

    Raises:
        Exception: What ONNX Runtime raises.
    """
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        made = options(**settings)
        made.enable_profiling = True
        made.profile_file_prefix = str(Path(folder) / "profile")
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        _keep_weights(made, providers)
        written = Path(folder) / "backend"
        if plugin is not None:
            written.mkdir()
            asked = {name: value.replace("{folder}", str(written)) for name, value in plugin["graphs"].items()}
            plug(made, plugin["provider"], {**plugin["options"], **asked}, plugin.get("beside", ()))
        session, _ = open_session(model, made, providers, weights, plugged=plugin is not None)
        prints = plugin is not None and plugin.get("prints", False)
        with _printed(Path(folder) / "printed") if prints else contextlib.nullcontext():
            session.run(None, feeds)
        events = kernel_events(session)
        graph = placed = None
        if plugin is not None:  # ONNX Runtime saves no graph with a backend's partitions in it
            backend = {file.stem: file.read_text(encoding="utf-8") for file in sorted(written.glob("*.json"))}
            seen = Evidence(events, _assigned(session), None, None, _features(), backend)
            if not prints:
                return seen
            lines = (Path(folder) / "printed").read_text(encoding="utf-8", errors="replace")
            plain = _as_written(model, settings, weights, feeds, Path(folder) / "written")
            return seen._replace(backend=None, printed=lines, written=plain)
        if any(_needs_graph(event) for event in events):
            graph = _optimized(model, settings, providers, weights, Path(folder) / "extended.onnx", extended=True)
        if providers != [_CPU]:
            placed = _optimized(model, settings, providers, weights, Path(folder) / "placed.onnx", extended=False)
    return Evidence(events=events, assigned=_assigned(session), graph=graph, placed=placed, features=_features())


def kernel_events(session: Any) -> list[dict[str, Any]]:
    """Kernel events of a session that was profiled."""
    profile = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [event for event in profile if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)]


def _as_written(
    model: str | bytes, settings: dict[str, Any], weights: dict[str, Any] | None, feeds: dict[str, Any], prefix: Path
) -> list[dict[str, Any]] | None:
    """Kernel events of the graph as written, on the CPU provider; none where that cannot run it."""
    made = options(**{**settings, "optimize": False})
    made.enable_profiling = True
    made.profile_file_prefix = str(prefix)
    try:
        session, _ = open_session(model, made, [_CPU], weights)
        session.run(None, feeds)
    except Exception:  # an operator that only another provider has
        return None
    return kernel_events(session)


@contextlib.contextmanager
def _printed(file: Path) -> Iterator[None]:
    """Lead this process's standard output into a file meanwhile: libraries print there, whatever Python does."""
    kept = os.dup(1)
    try:
        with file.open("wb") as taken:
            os.dup2(taken.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _keep_weights(made: Any, providers: list[str]) -> None:
    # XNNPACK's kernels run on what they have packed, and crash without it (1.21).
    if providers == [_CPU]:
        made.add_session_config_entry("session.disable_prepacking", "1")


def _features() -> list[str]:
    import importlib

    import numpy as np

    core = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
    found = importlib.import_module(f"{core}._multiarray_umath").__cpu_features__
    return sorted(name for name, there in found.items() if there)


def _assigned(session: Any) -> dict[str, str]:
    return {node.name: group.ep_name for group in _groups(session) for node in group.get_nodes()}


def _groups(session: Any) -> list[Any]:
    """The assignment record: nodes that one provider got together."""
    try:
        return list(session.get_provider_graph_assignment_info())
    except Exception:  # older than 1.24: the method, or the record, is missing
        return []


def _needs_graph(event: dict[str, Any]) -> bool:
    """Whether shapes alone do not tell this kernel's MACs: padded channels, or MatMulNBits' accuracy level."""
    name, op_type = event["name"][: -len(_KERNEL)], event["args"]["op_name"]
    return op_type == "MatMulNBits" or (op_type == "Conv" and _BLOCKED.match(name) is not None)


def _optimized(
    model: str | bytes,
    settings: dict[str, Any],
    providers: list[str],
    weights: dict[str, Any] | None,
    saved: Path,
    *,
    extended: bool,
) -> bytes:
    import onnxruntime

    made = options(**settings)
    if extended and settings.get("optimize", True):
        made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    made.optimized_model_filepath = str(saved)
    made.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    made.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    _keep_weights(made, providers)
    open_session(model, made, providers, weights)
    return saved.read_bytes()


# ---- the program ---------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """An answer that is no answer: its kind, its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# What answers a request: header and arrays in, header and arrays out.
Act = Callable[[dict[str, Any], dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]


class _Open(NamedTuple):
    session: Any
    names: list[str]
    model: str | bytes
    settings: dict[str, Any]
    providers: list[str]
    weights: dict[str, Any]
    kept: list[Any]
    folder: Path | None
    plugin: dict[str, Any] | None


class _Server:
    """Sessions by number.

    Args:
        folder: Where it may write.
        more: What answers further requests, by name.
    """

    def __init__(self, folder: Path, more: Mapping[str, Act]) -> None:
        self._folder = folder
        self._more = more
        self._sessions: dict[int, _Open] = {}
        self._next = 1

    def answer(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and arrays of the answer to one request."""
        for number in request.get("forget", ()):
            self._free(number)
        acts = {"open": self._open, "run": self._run, "profile": self._profile, "compile": self._compile}
        act = {**acts, "memory": self._memory, "close": self._close, **self._more}.get(request["do"])
        if act is None:
            raise RefusedError("request", f"{request['do']!r} is not a request")
        return act(request, arrays)

    def _open(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import onnxruntime

        providers = request["providers"]
        absent = [name for name in providers if name not in onnxruntime.get_available_providers()]
        if absent:
            raise RefusedError("provider", f"this ONNX Runtime has no {absent[0]}")
        number, self._next = self._next, self._next + 1
        model, folder = self._given(number, request, arrays)
        plugin = request.get("plugin")
        started = time.perf_counter()
        try:
            made = options(**request["settings"])
            if plugin is not None:
                _plug(made, plugin)
            session, kept = open_session(model, made, providers, arrays, plugged=plugin is not None)
            seconds = time.perf_counter() - started
            if session.get_providers()[: len(providers)] != providers:
                used = session.get_providers()
                raise RefusedError("provider", f"ONNX Runtime opened it with {used}, not {providers}")
            if plugin is not None:
                _need_nodes(session, plugin["provider"])
        except Exception as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise error if isinstance(error, RefusedError) else RefusedError("open", str(error)) from error
        names = [value.name for value in session.get_outputs()]
        settings = request["settings"]
        self._sessions[number] = _Open(session, names, model, settings, providers, arrays, kept, folder, plugin)
        return {
            "session": number,
            "inputs": [[value.name, value.type, value.shape] for value in session.get_inputs()],
            "outputs": [[value.name, value.type, value.shape] for value in session.get_outputs()],
            "seconds": seconds,
        }, {}

    def _given(self, number: int, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[str | bytes, Path | None]:
        """The model of a request, and the folder it was written to, if it was."""
        if "path" in request:
            return request["path"], None
        if "files" in request:
            folder = self._folder / f"model-{number}"
            return str(write_files(folder, request["files"], arrays)), folder
        return arrays.pop("model:").tobytes(), None

    def _compile(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import numpy as np

        number, self._next = self._next, self._next + 1
        model, given = self._given(number, request, arrays)
        folder = self._folder / f"context-{number}"
        started = time.perf_counter()
        try:
            folder.mkdir(parents=True)
            made = options(**request["settings"])
            _plug(made, request["plugin"])
            files = compile_context(model, made, folder, request["name"])
            found = {file.name: np.fromfile(file, dtype=np.uint8) for file in files}
        except OSError as error:
            raise RefusedError("disk", str(error)) from error
        except Exception as error:
            raise error if isinstance(error, RefusedError) else RefusedError("compile", str(error)) from error
        finally:
            for each in (folder, given):
                if each is not None:
                    shutil.rmtree(each, ignore_errors=True)
        return {"seconds": time.perf_counter() - started}, found

    def _run(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import numpy as np

        opened = self._sessions[request["session"]]
        started = time.perf_counter()
        try:
            found = opened.session.run(None, arrays)
        except Exception as error:
            raise RefusedError("run", str(error)) from error
        seconds = time.perf_counter() - started
        if not request.get("outputs", True):
            return {"seconds": seconds}, {}
        outputs = dict(zip(opened.names, found, strict=True))
        for name, value in outputs.items():
            if not isinstance(value, np.ndarray):
                raise RefusedError("run", f"output {name!r} is a {type(value).__name__}, only tensors are sent back")
        return {"seconds": seconds}, outputs

    def _profile(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        import numpy as np

        opened = self._sessions[request["session"]]
        try:
            seen = evidence(opened.model, opened.settings, opened.providers, opened.weights, arrays, opened.plugin)
        except Exception as error:
            raise RefusedError("run", str(error)) from error
        graphs = {"graph": seen.graph, "placed": seen.placed}
        arrays = {name: np.frombuffer(graph, dtype=np.uint8) for name, graph in graphs.items() if graph is not None}
        told = {name: value for name, value in seen._asdict().items() if name not in graphs}
        return told, arrays

    def _memory(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        feeds = {name: arrays.pop(name) for name in request["feeds"]}
        model, folder = self._given(0, request, arrays)  # what was sent lies on the disk from here on
        try:
            before = fresh_peak()
            opened, _ = self._open({**request, "path": model}, arrays)
            for _ in range(request["runs"]):
                self._run({"session": opened["session"], "outputs": False}, feeds)
            peak = peak_bytes()
            self._free(opened["session"])
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        return {"before": before, "peak": peak}, {}

    def _close(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        del arrays
        self._free(request["session"])
        return {}, {}

    def _free(self, number: int) -> None:
        opened = self._sessions.pop(number, None)
        if opened is not None and opened.folder is not None:
            folder = opened.folder
            del opened  # its files may be mapped
            shutil.rmtree(folder, ignore_errors=True)


def _plug(made: Any, plugin: dict[str, Any]) -> None:
    try:
        plug(made, plugin["provider"], plugin["options"], plugin.get("beside", ()))
    except Exception as error:
        raise RefusedError("provider", str(error)) from error


def _need_nodes(session: Any, provider: str) -> None:
    """A provider that is among a session's may have got none of the nodes: then all of it runs on the CPU."""
    if any(group.ep_name == provider for group in _groups(session)):  # not by name: nodes need not have any
        return
    open_ended = [
        f"{value.name} {value.shape}"
        for value in session.get_inputs()
        if not all(isinstance(dim, int) for dim in value.shape)
    ]
    raise RefusedError("nowhere", f"its inputs have dynamic shapes: {', '.join(open_ended)}" if open_ended else "")


def write_files(folder: Path, names: list[str], arrays: dict[str, Any]) -> Path:
    """Write the files that came with a request; the first one's path."""
    for name in names:
        if PurePath(name).anchor or ".." in PurePath(name).parts:
            raise RefusedError("open", f"{name} lies outside the model's folder")
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(arrays.pop("file:" + name))
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RefusedError("disk", str(error)) from error
    return folder / names[0]


def serve(requests: io.BufferedIOBase, answers: BinaryIO, more: Mapping[str, Act] = MappingProxyType({})) -> None:
    """Answer requests until the client closes its end, then leave at once, whatever still runs.

    The requests are read by a thread of their own, so that the client's end is noticed during a long run too.

    Args:
        requests: Where they come from.
        answers: Where answers go.
        more: What answers further requests, by name.
    """
    import queue

    folder = Path(os.environ.get("EDGEC_HOST_FOLDER") or tempfile.mkdtemp(prefix="edgec-"))
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)  # ONNX Runtime itself leaves a file there (1.31: `.ses`)
    waiting: Any = queue.Queue(maxsize=2)
    server = _Server(folder, more)

    def receive() -> None:
        try:
            while True:
                message = read_message(requests)
                if message is None:
                    break
                waiting.put(message)
        except BaseException as error:  # a torn request is the end of the client
            sys.stderr.write(f"requests ended: {error!r}\n")
        _leave(folder)

    threading.Thread(target=receive, daemon=True).start()
    try:
        write_message(answers, hello(), {})
        while True:
            request, arrays = waiting.get()
            try:
                header, found = server.answer(request, arrays)
            except RefusedError as refused:
                header, found = {"error": refused.kind, "message": str(refused)}, {}
            except Exception as error:
                header, found = {"error": "request", "message": f"{type(error).__name__}: {error}"}, {}
            write_message(answers, header, found)
            del request, arrays, header, found  # or they are held until the next request came
    except OSError as error:  # nobody reads the answer
        sys.stderr.write(f"answers ended: {error!r}\n")
        _leave(folder)


def _leave(folder: Path) -> None:
    """End this process, without waiting for what runs in it; nothing it wrote stays."""
    sys.stderr.flush()
    for _ in range(100):  # a request that is still at work may write a file in between
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.05)
    os._exit(0)


def fresh_peak() -> int | None:
    """Resident bytes of this process now, from which its peak is counted anew where the system allows it.

    Elsewhere its peak so far stands for them: what it held when it loaded its libraries.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc_pid_clear_refs(5): resets VmHWM
        return _status("VmRSS")
    except OSError:
        return peak_bytes()


def peak_bytes() -> int | None:
    """The most resident bytes of this process; None where the system does not tell."""
    # Not getrusage on Linux: its maximum begins with that of the process that started this one.
    found = _status("VmHWM")
    if found is None and sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found


def _status(name: str) -> int | None:
    """A number of kB in Linux's `/proc/self/status`, in bytes; None where there is none."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:")), None)


def hello() -> dict[str, Any]:
    """What this interpreter has; `error` when onnxruntime cannot be imported."""
    try:
        import numpy
        import onnxruntime
    except Exception as error:  # ImportError, and what a library for another processor raises
        return {"error": "import", "message": f"{type(error).__name__}: {error}"}
    try:
        _load_plugin(json.loads(os.environ.get("EDGEC_PLUGIN", "null")))
    except Exception as error:
        return {"error": "plugin", "message": f"{type(error).__name__}: {error}"}
    return {
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}".strip(),
        "providers": onnxruntime.get_available_providers(),
        "features": _features(),
        "process": os.getpid(),
    }


def _load_plugin(named: dict[str, str] | None) -> None:
    """Register a provider's library; its module says where that is."""
    import importlib

    import onnxruntime

    if named is None or named["provider"] in onnxruntime.get_available_providers():
        return
    library = importlib.import_module(named["module"]).get_library_path()
    onnxruntime.register_execution_provider_library(named["provider"], library)


def main(site: list[str], more: Mapping[str, Act] = MappingProxyType({})) -> None:
    """Serve over the standard streams.

    Args:
        site: Folders for `sys.path`.
        more: As `serve` takes it.
    """
    # The folder of this file holds modules of edgec; a guest must not find them by their plain names.
    here = Path(globals().get("__file__", "")).parent
    sys.path[:] = [*site, *(path for path in sys.path if Path(path) != here)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is log
    requests: Any = sys.stdin.buffer
    serve(requests, answers, more)


if __name__ == "__main__":
    main(sys.argv[1:])
