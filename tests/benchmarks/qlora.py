"""QLoRA on stories260k: two adapters beside a base of four bits, each trained on a small set of texts.

    python tests/benchmarks/qlora.py                    # exit 1 when a line is red; needs edgec[torch], edgec[peft]

The base is the zoo's GGUF file, its weights rounded to blocks of 32; the texts are our own, and those that are judged
were not learned from. Perplexity is of one bundle in ONNX Runtime, opened once, adapters switched on between runs.
Acceptance: each adapter betters its own set; the base is the same bytes with adapters and without; back and forth
between adapters gives the same answers, bit for bit. Beside it, what merging costs: the adapter added to the float
weights, which are rounded anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import peft
import torch
from line import Line, status
from onnx import numpy_helper
from table import lines_table, markdown
from tasks.base import zoo_folder
from two_texts import TEXTS, text_of

import edgec
from edgec.bundle import Bundle
from edgec.compiler.generating.tokenizer import TOKENIZER, Tokenizer
from edgec.compiler.load import load_model
from edgec.compiler.run import OpenBundle, open_bundle
from edgec.compiler.samples.decoders import decoder_state

FORM: dict[str, Any] = {"scheme": "w4", "block_size": 32}
LENGTH = 64  # tokens of a row
LEARN, JUDGE = 300, 80  # sentences


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120, help="of each adapter")
    options = parser.parse_args(arguments)
    source = zoo_folder() / "models" / "stories260k_gguf" / "stories260K-f16.gguf"
    tokenizer = Tokenizer(load_model(source, already_quantized="stored").companions[TOKENIZER], str(source))
    judged = {name: _rows(tokenizer, text_of(name, JUDGE, seed=1)) for name in TEXTS}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in TEXTS}
        for name, folder in folders.items():
            _learn(source, _rows(tokenizer, text_of(name, LEARN, seed=0)), options.steps).save_pretrained(folder)
        plain = edgec.compile(source, output=Path(scratch) / "plain", prove=False, **FORM)
        bundle = edgec.compile(source, output=Path(scratch) / "out", adapters=folders, prove=False, **FORM)
        with open_bundle(bundle) as opened:
            found = {
                adapter: {name: _perplexity(opened, rows, adapter) for name, rows in judged.items()}
                for adapter in (None, *TEXTS)
            }
            same = _back_and_forth(opened, next(iter(judged.values())))
        merged = {}
        for name, folder in folders.items():
            alone = edgec.compile(
                source, output=Path(scratch) / f"{name}-merged", merge_adapter=folder, prove=False, **FORM
            )
            with open_bundle(alone) as opened:
                merged[name] = _perplexity(opened, judged[name], None)
        kept = _is_base_kept(plain, bundle, judged["recipes"])
    rows = [
        [name or "base", *(f"{each:.2f}" for each in perplexities.values())] for name, perplexities in found.items()
    ]
    rows.append(["merged, rounded anew", *(f"{merged[name]:.2f}" for name in TEXTS)])
    lines = [
        Line(
            model="stories260k",
            name=f"qlora-{name}",
            status=status(found[name][name] < found[None][name]),
            text=f"perplexity {found[None][name]:.2f} -> {found[name][name]:.2f} on texts it did not learn from",
        )
        for name in TEXTS
    ]
    lines += [
        Line(model="stories260k", name="base-kept", status=status(kept), text="weights of the base, bit for bit"),
        Line(model="stories260k", name="switching", status=status(same), text="one session, back and forth"),
    ]
    sys.stdout.write(markdown(["adapter", *TEXTS], rows) + "\n\n" + lines_table(lines) + "\n")
    return int(any(each.status == "red" for each in lines))


def _rows(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """Rows of a text, (rows, LENGTH), each begun as texts are."""
    first, *tokens = tokenizer.encode(text)
    count = len(tokens) // (LENGTH - 1)
    parts = np.asarray(tokens[: count * (LENGTH - 1)], np.int64).reshape(count, LENGTH - 1)
    return np.concatenate([np.full((count, 1), first, np.int64), parts], 1)


def _learn(source: Path, rows: np.ndarray, steps: int) -> Any:
    """An adapter trained beside the base."""
    torch.manual_seed(0)
    module = edgec.qlora.prepare(source, **FORM)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    learner = peft.get_peft_model(module, peft.LoraConfig(r=8, lora_alpha=16, target_modules=targets))
    optimizer = torch.optim.Adam([each for each in learner.parameters() if each.requires_grad], lr=3e-3)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        batch = rows[rng.integers(0, len(rows), 8)]
        ids = torch.from_numpy(batch[:, :-1])
        logits, *_ = learner(input_ids=ids, attention_mask=torch.ones_like(ids))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(batch[:, 1:]).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return learner


def _logits(opened: OpenBundle, row: np.ndarray, adapter: str | None) -> np.ndarray:
    state = decoder_state(opened.session.inputs, opened.session.outputs)
    ids = row[None, :-1]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), **state.start}
    return opened.run(feeds, adapter)["logits"][0]


def _perplexity(opened: OpenBundle, rows: np.ndarray, adapter: str | None) -> float:
    lost = []
    for row in rows:
        logits = _logits(opened, row, adapter).astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        lost.append(-shares[np.arange(len(row) - 1), row[1:]])
    return float(np.exp(np.mean(lost)))


def _back_and_forth(opened: OpenBundle, rows: np.ndarray) -> bool:
    """Whether each adapter answers the same whatever was active before, and none as the others do."""
    order = [None, *TEXTS, *reversed(list(TEXTS)), None]
    answers: dict[str | None, list[np.ndarray]] = {}
    for adapter in order:
        answers.setdefault(adapter, []).append(_logits(opened, rows[0], adapter))
    again = all(np.array_equal(*each) for each in answers.values())
    apart = len({each[0].tobytes() for each in answers.values()}) == len(answers)
    return again and apart


def _is_base_kept(plain: Bundle, adapted: Bundle, rows: np.ndarray) -> bool:
    """Whether the base without an adapter answers as one that knows none, bit for bit, and has the very same codes.

    Products that adapters read stand by themselves, where others are packed side by side: rows are compared.
    """
    answers = []
    for bundle in (plain, adapted):
        with open_bundle(bundle) as opened:
            answers.append([_logits(opened, row, None) for row in rows[:4]])
    same = all(np.array_equal(*each) for each in zip(*answers, strict=True))
    return same and _rows_of_codes(plain) == _rows_of_codes(adapted)


def _rows_of_codes(bundle: Bundle) -> Counter[bytes]:
    """Rows of every matrix in blocks, as they are stored."""
    arrays = [numpy_helper.to_array(each) for each in onnx.load(bundle.path / "model.onnx").graph.initializer]
    return Counter(row.tobytes() for each in arrays if each.dtype == np.uint8 and each.ndim == 3 for row in each)


if __name__ == "__main__":
    sys.exit(main())
