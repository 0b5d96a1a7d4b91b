"""Adapters beside a decoder built from a Hugging Face folder, with its cache: against the same equations, merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import feeds_of, reference_logits, tiny_config, tiny_weights
from support.lowrank import write_peft

import edgec
from edgec.bundle import Bundle

CONFIG = tiny_config()
WEIGHTS = tiny_weights(CONFIG)
TOKENS = np.random.default_rng(7).integers(0, CONFIG.vocabulary, 9)
TARGETS = {
    "attention": ("q_proj", "v_proj"),
    "every": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "head": ("lm_head",),
}


def added(targets: tuple[str, ...], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng, found = np.random.default_rng(seed), {}
    for name, array in WEIGHTS.items():
        module = name.removesuffix(".weight")
        if module.endswith(targets):
            rows, columns = array.shape
            a = rng.standard_normal((3, columns)) / np.sqrt(columns)
            found[module] = (a.astype(np.float32), (0.1 * rng.standard_normal((rows, 3))).astype(np.float32))
    assert found
    return found


def merged(given: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """W + 2 B A: alpha is twice the rank."""
    return WEIGHTS | {f"{m}.weight": WEIGHTS[f"{m}.weight"] + 2 * b @ a for m, (a, b) in given.items()}


def answers(bundle: Bundle, adapter: str | None) -> np.ndarray:
    return bundle.run(feeds_of(CONFIG, TOKENS), adapter)["logits"][0]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("scheme", ["float", "w4"])
def test_three_adapters(tmp_path: Path, scheme: str) -> None:
    source = write_checkpoint(tmp_path / "tiny", CONFIG, WEIGHTS)
    given = {name: added(targets, seed) for seed, (name, targets) in enumerate(TARGETS.items())}
    folders = {name: write_peft(tmp_path / name, each) for name, each in given.items()}
    bundle = edgec.compile(source, scheme=scheme, adapters=folders, output=tmp_path / "out", prove=False)
    plain = reference_logits(CONFIG, WEIGHTS, TOKENS)
    base = max(2e-5, relative(answers(bundle, None), plain))
    for name, each in given.items():
        wanted = reference_logits(CONFIG, merged(each), TOKENS)
        assert relative(plain, wanted) > 0.02
        assert relative(answers(bundle, name), wanted) <= 1.25 * base


@pytest.mark.parametrize("rewrite", ["awq", "rotate"])
def test_rewrites_leave_alone_what_adapters_read(tmp_path: Path, rewrite: str) -> None:
    """An adapter was trained on the values as they were: scaled or rotated ones would make another of it."""
    source = write_checkpoint(tmp_path / "tiny", CONFIG, WEIGHTS)
    rng = np.random.default_rng(0)
    samples = [
        {name: array for name, array in feeds_of(CONFIG, tokens).items() if "past" not in name}
        for tokens in rng.integers(0, CONFIG.vocabulary, (4, 9))
    ]
    given = added(TARGETS["every"], 1)
    how = {"scheme": "w4", "calibration": samples, "prove": False, "cache": False, rewrite: True}
    folders = {"every": write_peft(tmp_path / "every", given)}
    bundle = edgec.compile(source, adapters=folders, output=tmp_path / "out", **how)
    plain = edgec.compile(source, output=tmp_path / "plain", **how)
    note = f"--{rewrite}: inputs of linears with adapters stay as they are, since adapters read them, too"
    assert note in bundle.manifest["notes"]
    assert note not in plain.manifest["notes"]
    base = relative(answers(bundle, None), reference_logits(CONFIG, WEIGHTS, TOKENS))
    assert base != relative(answers(plain, None), reference_logits(CONFIG, WEIGHTS, TOKENS))  # it is rewritten without
    assert relative(answers(bundle, "every"), reference_logits(CONFIG, merged(given), TOKENS)) <= 1.25 * base
