"""Tokens per second of decoders in four bits, beside other engines and the memory's bandwidth, interleaved in one run.

    python tests/benchmarks/decode.py                                   # ~125M and ~1.1B, one thread and two
    python tests/benchmarks/decode.py --shapes 125m --threads 1 --tokens 16 --rounds 3

Weights are random blocks: speed does not depend on them, and nothing has to be quantized. Edgec's form is blocks of
128, the embedding in blocks too. Peers where their interpreters are named: `EDGEC_GENAI_PYTHON` (onnxruntime-genai, on
edgec's folder, and on the form its builder writes by default: blocks of 32, float embedding; `--builder FOLDER` takes
one that it wrote itself), `EDGEC_LLAMA_PYTHON` (llama-cpp-python, Q4_0). Every engine is a process that stays; rounds
go through them in turn, and the best round of each counts: a busy machine slows all alike.

The limit is what reading the weights once per token allows: bandwidth of a sum over 256 MiB per thread, in the same
run, by the bytes of codes and scales.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from random_decoders import SHAPES, RandomWeights, bytes_per_token, write_gguf, write_onnx

from edgec.passes.weight_only.blocks import BlockForm

OUT = Path(__file__).resolve().parents[2] / "bench-out" / "decode.json"
WORKER = Path(__file__).with_name("decode_worker.py")
OURS, THEIRS = BlockForm(bits=4, size=128), BlockForm(bits=4, size=32)
BUILDER = "genai, builder's form"
_STREAM = 64 << 20  # float32 elements of a thread: 256 MiB


class Engine:
    """A worker process.

    Args:
        python: The interpreter that has the engine.
        kind: `edgec`, `genai` or `llama`.
        path: The model.
        threads: How many.
    """

    def __init__(self, python: str, kind: str, path: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            [python, str(WORKER), kind, str(path), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        self._answer()

    def run(self, prompt: int, tokens: int) -> tuple[float, float]:
        """Seconds of a prompt, and of tokens after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{prompt} {tokens}\n")
        self._process.stdin.flush()
        found = self._answer()
        return found["prompt_seconds"], found["seconds"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("{"):
            raise SystemExit(f"{' '.join(map(str, self._process.args))}: {line or 'ended'}")  # type: ignore[arg-type]
        found: dict[str, Any] = json.loads(line)
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["125m", "1.1b"], choices=list(SHAPES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--prompt", type=int, default=32, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens timed after it")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--builder", type=Path, help="folder that genai's builder wrote, for the one shape named")
    parser.add_argument("--folder", type=Path, help="where models are kept; else they are removed at the end")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        for shape in options.shapes:
            models = _models(shape, folder, options.builder)
            for threads in options.threads:
                records += _bench(shape, models, threads, options)
                options.out.write_text(json.dumps({"records": records}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(_table(records))
    return 0


def bandwidth(threads: int) -> float:
    """Bytes per second that threads read together: the best of five sums."""
    parts = [np.ones(_STREAM, np.float32) for _ in range(threads)]
    best = 0.0
    for _ in range(5):
        workers = [threading.Thread(target=np.dot, args=(part, part)) for part in parts]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, 4 * _STREAM * threads / (time.perf_counter() - started))
    return best


def _models(shape: str, folder: Path, builder: Path | None) -> dict[str, tuple[str, str, Path, float]]:
    """Engine → interpreter, kind, model, bytes that a token reads."""
    config, genai, llama = SHAPES[shape], os.environ.get("EDGEC_GENAI_PYTHON"), os.environ.get("EDGEC_LLAMA_PYTHON")
    ours, theirs = RandomWeights(config, OURS), RandomWeights(config, THEIRS, float_table=True)
    sys.stderr.write(f"{shape}: writing models ...\n")
    mine = folder / f"{shape}-ours"
    if not mine.exists():
        write_onnx(mine, config, ours)
    found = {"edgec": (sys.executable, "edgec", mine, float(bytes_per_token(ours, OURS)))}
    if genai:
        form = builder or folder / f"{shape}-builder"
        if not form.exists():
            write_onnx(form, config, theirs)
        found["genai, edgec's folder"] = (genai, "genai", mine, float(bytes_per_token(ours, OURS)))
        found[BUILDER] = (genai, "genai", form, float(bytes_per_token(theirs, THEIRS)))
    if llama:
        file = folder / f"{shape}.gguf"
        if not file.exists():
            write_gguf(file, config)
        codes = bytes_per_token(theirs, BlockForm(bits=4, size=0))
        found["llama.cpp Q4_0"] = (llama, "llama", file, codes * 18 / 16)
    return found


def _bench(
    shape: str, models: dict[str, tuple[str, str, Path, float]], threads: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    sys.stderr.write(f"{shape}, {threads} threads ...\n")
    engines = {name: Engine(python, kind, path, threads) for name, (python, kind, path, _) in models.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    reads = 0.0
    for number in range(options.rounds + 1):
        order = list(engines) if number % 2 else list(reversed(engines))
        for name in order:
            taken = engines[name].run(options.prompt, options.tokens)
            if number:  # the first one warms up
                seconds[name].append(taken)
        reads = max(reads, bandwidth(threads))
    for engine in engines.values():
        engine.close()
    records = []
    for name, rows in seconds.items():
        first, rest = (min(column) for column in zip(*rows, strict=True))
        rate, limit = options.tokens / rest, reads / models[name][3]
        records.append(
            {
                "shape": shape, "threads": threads, "engine": name, "tokens_per_second": rate,
                "prompt_tokens_per_second": options.prompt / first, "limit": limit, "bandwidth": reads,
            }
        )  # fmt: skip
    return records


def _table(records: Sequence[dict[str, Any]]) -> str:
    rows = [
        "| shape | threads | engine | tokens/s | of edgec's | of the limit | prompt tokens/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in records:
        ours = next(
            each["tokens_per_second"]
            for each in records
            if each["engine"] == "edgec" and all(each[key] == record[key] for key in ("shape", "threads"))
        )
        rate = record["tokens_per_second"]
        rows.append(
            f"| {record['shape']} | {record['threads']} | {record['engine']} | {rate:.1f} | {rate / ours:.2f} | "
            f"{rate / record['limit']:.2f} of {record['limit']:.0f} ({record['bandwidth'] / 1e9:.1f} GB/s) | "
            f"{record['prompt_tokens_per_second']:.0f} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
