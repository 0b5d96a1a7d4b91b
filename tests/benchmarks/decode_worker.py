"""One engine of `decode.py`, in a process of its own: answers `prompt tokens` lines with seconds and memory.

    python decode_worker.py edgec|genai|llama PATH THREADS

Run by the interpreter that has the engine; imports nothing of the benchmarks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CAPACITY = 1024


def main() -> None:
    """Serve until the input ends."""
    engine, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run = {"edgec": _edgec, "genai": _genai, "llama": _llama}[engine](path, threads)
    sys.stdout.write(json.dumps({"ready": engine}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        prompt, tokens = map(int, line.split())
        first, rest = run([1, *range(3, 2 + prompt)], tokens)
        answer = {"prompt_seconds": first, "seconds": rest, "resident": _resident(), "peak": _resident("VmHWM")}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _resident(what: str = "VmRSS") -> int:
    """Bytes that the process holds, or held at most; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(what)), 0)


def _edgec(path: str, threads: int) -> Callable[[list[int], int], tuple[float, float]]:
    from edgec.runtimes.base import SessionSettings
    from edgec.runtimes.cached_decoder import CachedDecoder, open_decoder
    from edgec.runtimes.ort import OrtCpu

    # As `edgec run --prompt` opens it.
    session = open_decoder(OrtCpu(), Path(path) / "model.onnx", SessionSettings(threads=threads))
    decoder = CachedDecoder(session, _CAPACITY)

    def run(prompt: list[int], tokens: int) -> tuple[float, float]:
        decoder.forget()
        started = time.perf_counter()
        logits = decoder.feed(prompt)
        middle = time.perf_counter()
        for _ in range(tokens):
            logits = decoder.feed([int(logits.argmax())])
        return middle - started, time.perf_counter() - middle

    return run


def _genai(path: str, threads: int) -> Callable[[list[int], int], tuple[float, float]]:
    import onnxruntime_genai as og  # type: ignore[import-not-found]

    config = og.Config(path)
    options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}
    config.overlay(json.dumps(options))
    model = og.Model(config)

    def run(prompt: list[int], tokens: int) -> tuple[float, float]:
        params = og.GeneratorParams(model)
        # As many tokens as are timed, whatever ends an answer.
        params.set_search_options(max_length=_CAPACITY, min_length=len(prompt) + tokens + 1)
        generator = og.Generator(model, params)
        started = time.perf_counter()
        generator.append_tokens(prompt)
        generator.generate_next_token()
        middle = time.perf_counter()
        for _ in range(tokens):
            generator.generate_next_token()
        return middle - started, time.perf_counter() - middle

    return run


def _llama(path: str, threads: int) -> Callable[[list[int], int], tuple[float, float]]:
    import llama_cpp  # type: ignore[import-not-found]
    import numpy as np

    model: Any = llama_cpp.Llama(
        path, n_ctx=_CAPACITY, n_threads=threads, n_threads_batch=threads, logits_all=False, verbose=False
    )

    def run(prompt: list[int], tokens: int) -> tuple[float, float]:
        model.reset()
        started = time.perf_counter()
        model.eval(prompt)
        middle = time.perf_counter()
        for _ in range(tokens):
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(model.ctx), (model.n_vocab(),))
            model.eval([int(logits.argmax())])
        return middle - started, time.perf_counter() - middle

    return run


if __name__ == "__main__":
    main()
