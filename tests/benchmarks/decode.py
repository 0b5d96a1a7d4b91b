"""Tokens per second of decoders in four bits, beside other engines and the memory's bandwidth, interleaved in one run.

    python tests/benchmarks/decode.py                                   # ~125M and ~1.1B, one thread and two
    python tests/benchmarks/decode.py --shapes 125m --threads 1 --tokens 16 --rounds 3

Weights are random: speed does not depend on them. Edgec's forms are what `--scheme w4` compiles, without and with
`--long-inputs`. Peers where their interpreters are named: `EDGEC_GENAI_PYTHON` (onnxruntime-genai, on edgec's folder,
and on what its builder writes by default; where torch and transformers are missing, edgec writes that form),
`EDGEC_LLAMA_PYTHON` (llama-cpp-python, Q4_0). Every engine is a process that stays; rounds go through them in turn, and
the best round of each counts: a busy machine slows all alike.

Tokens are decoded behind a prompt of `--prompt`; prompts of `--long-prompt` are timed alone. The limit is what reading
the weights once per token allows: bandwidth of a sum over 256 MiB per thread, in the same run, by the bytes of codes
and scales. Below the table, what acceptance asks.
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
from decode_models import BUILDER, EDGEC, LLAMA, LONG, Contender, contenders
from line import status
from random_decoders import SHAPES
from table import markdown

OUT = Path(__file__).resolve().parents[2] / "bench-out" / "decode.json"
WORKER = Path(__file__).with_name("decode_worker.py")
_STREAM = 64 << 20  # float32 elements of a thread: 256 MiB
_MIB = 1 << 20


class Engine:
    """A worker process.

    Args:
        contender: What runs in it.
        threads: How many.
    """

    def __init__(self, contender: Contender, threads: int) -> None:
        self._process = subprocess.Popen(
            [contender.python, str(WORKER), contender.kind, str(contender.path), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        self._answer()

    def run(self, prompt: int, tokens: int) -> dict[str, float]:
        """Seconds of a prompt, and of tokens after it; bytes held."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{prompt} {tokens}\n")
        self._process.stdin.flush()
        return self._answer()

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
    parser.add_argument("--prompt", type=int, default=32, help="tokens before those that are decoded")
    parser.add_argument("--tokens", type=int, default=64, help="tokens decoded and timed")
    parser.add_argument("--long-prompt", type=int, default=256, help="tokens of the prompt that is timed")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where models are kept; else they are removed at the end")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in options.shapes:
            models = contenders(shape, options.folder or Path(scratch))
            for threads in options.threads:
                records += _bench(shape, models, threads, options)
                options.out.write_text(json.dumps({"records": records}, indent=1) + "\n", encoding="utf-8")
    notes = sorted({f"{record['engine']}: {record['note']}" for record in records if record["note"]})
    sys.stdout.write("\n\n".join([_table(records), *notes, *lines(records)]) + "\n")
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


def _bench(shape: str, models: Sequence[Contender], threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    sys.stderr.write(f"{shape}, {threads} threads ...\n")
    engines = {each.name: Engine(each, threads) for each in models}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    held: dict[str, dict[str, float]] = {}
    reads = 0.0
    for number in range(options.rounds + 1):
        for name in list(engines) if number % 2 else list(reversed(engines)):
            decoded = engines[name].run(options.prompt, options.tokens)
            prompted = engines[name].run(options.long_prompt, 1)
            if number:  # the first one warms up
                rounds[name].append((prompted["prompt_seconds"], decoded["seconds"]))
            held[name] = prompted
        reads = max(reads, bandwidth(threads))
    for engine in engines.values():
        engine.close()
    records = []
    for each in models:
        first, rest = (min(column) for column in zip(*rounds[each.name], strict=True))
        records.append(
            {
                "shape": shape, "threads": threads, "engine": each.name, "note": each.note,
                "tokens_per_second": options.tokens / rest, "limit": reads / each.read, "bandwidth": reads,
                "prompt": options.long_prompt, "prompt_tokens_per_second": options.long_prompt / first,
                "stored": each.stored, "resident": held[each.name]["resident"], "peak": held[each.name]["peak"],
            }
        )  # fmt: skip
    return records


def _of(records: Sequence[dict[str, Any]], like: dict[str, Any], engine: str) -> dict[str, Any] | None:
    """The record of an engine in the cell of another."""
    found = (each for each in records if each["engine"] == engine and _cell(each) == _cell(like))
    return next(found, None)


def _cell(record: dict[str, Any]) -> tuple[str, int]:
    return record["shape"], record["threads"]


def _table(records: Sequence[dict[str, Any]]) -> str:
    prompt = records[0]["prompt"]
    head = "shape|threads|engine|tokens/s|edgec's are|of the limit|prompt of {} tokens/s|file MiB|resident MiB (peak)"
    rows = []
    for record in records:
        ours, rate = _of(records, record, EDGEC), record["tokens_per_second"]
        assert ours is not None
        limit = f"{rate / record['limit']:.2f} of {record['limit']:.0f} ({record['bandwidth'] / 1e9:.1f} GB/s)"
        held = f"{record['resident'] / _MIB:.0f} ({record['peak'] / _MIB:.0f})"
        rows.append(
            [
                record["shape"], str(record["threads"]), record["engine"], f"{rate:.1f}",
                f"{ours['tokens_per_second'] / rate:.2f}x", limit, f"{record['prompt_tokens_per_second']:.0f}",
                f"{record['stored'] / _MIB:.0f}", held,
            ]
        )  # fmt: skip
    return markdown(head.format(prompt).split("|"), rows)


def lines(records: Sequence[dict[str, Any]]) -> list[str]:
    """What acceptance asks of every cell where the peer took part: green, or red."""
    found = []
    for ours in records:
        built, llama, long = (_of(records, ours, name) for name in (BUILDER, LLAMA, LONG))
        if ours["engine"] != EDGEC:
            continue
        asked = []
        if built is not None and long is not None:
            asked += [
                ("decoding, genai's builder", ours, built, "tokens_per_second", 1.25),
                ("prompts with --long-inputs, genai's builder", long, built, "prompt_tokens_per_second", 1.5),
            ]
        if llama is not None:
            least = 1.0 if _cell(ours) == ("1.1b", 2) else 0.85
            asked.append(("decoding, llama.cpp", ours, llama, "tokens_per_second", least))
        for name, mine, theirs, what, least in asked:
            ratio = mine[what] / theirs[what]
            shape, threads = _cell(ours)
            found.append(
                f"{status(ratio >= least)}: {shape}, {threads} threads, {name}: {ratio:.2f}x, {least:g}x asked"
            )
    return found


if __name__ == "__main__":
    sys.exit(main())
