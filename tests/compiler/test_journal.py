"""Compiles that put away what they make: the same bytes as in memory, and behind a kill what was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.large import large_model

import edgec
from edgec.bundle import Bundle
from edgec.compiler import journal as module
from edgec.compiler.journal import Journal, journal_for
from edgec.compiler.load import load_model
from edgec.compiler.progress import Quiet
from edgec.compiler.request import CompileRequest
from edgec.passes.observe.statistics import Gram
from edgec.passes.outside import Outside, outside
from edgec.passes.outside import given as given_outside
from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.kept_blocks import found_or_made, put_away

RNG = np.random.default_rng(0)
WIDTH, HIDDEN, LAYERS = 64, 160, 3
SAMPLES = [{"x": RNG.standard_normal((1, 6, WIDTH)).astype(np.float32)} for _ in range(3)]
# What the model's weights do not fit into twice, and everything else does.
TIGHT = 1 << 20
ROUNDINGS = ("nearest", "gptq")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return large_model(tmp_path / "model", width=WIDTH, hidden=HIDDEN, layers=LAYERS)


def compiled(source: Path, output: Path, rounding: str = "nearest", **options: Any) -> Bundle:
    how: dict[str, Any] = {"scheme": "w4", "rounding": rounding, "prove": False, "block_size": 32, **options}
    if rounding != "nearest":
        how["calibration"] = SAMPLES
    return edgec.compile(source, output=output, **how)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is observed in segments, and every constant is worth a file."""
    monkeypatch.setattr("edgec.compiler.observing.segments.SEGMENT_ABOVE", 0)
    monkeypatch.setattr("edgec.compiler.observing.segments._SEGMENT_BYTES", 100_000)
    monkeypatch.setattr("edgec.passes.edit._LARGE", 0)


@pytest.fixture
def tight(cut: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is too large to be held."""
    del cut
    monkeypatch.setattr(module, "LARGE", 0)


# --- arrays -----------------------------------------------------------------------------------------------------------

DTYPES = (np.float32, np.float64, np.uint8, np.int64, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.bfloat16)


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 5), max_size=3).map(tuple),
    seed=st.integers(0, 99),
)
def test_what_is_put_away_comes_back(
    tmp_path_factory: pytest.TempPathFactory, dtype: Any, shape: tuple[int, ...], seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 8, shape).astype(dtype)
    journal = Journal(tmp_path_factory.mktemp("journal"))
    away = journal.put(array)
    for found in (away.read(), away.tensor("t").numpy()):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)
    assert journal.put(array.copy()).file == away.file
    found_again = journal.remember("k", {"a": array})["a"]
    assert journal.recall("k") == {"a": found_again}


def test_what_is_not_whole_is_not_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    away = journal.remember("k", {"a": np.arange(9)})["a"]
    assert journal.recall("other") is None
    whole = away.file.read_bytes()
    away.file.write_bytes(whole[:-1])
    assert journal.recall("k") is None
    away.file.write_bytes(whole)
    assert journal.recall("k") is not None
    (tmp_path / "k.json").write_text("[")
    assert journal.recall("k") is None


def test_blocks_are_made_once_for_the_same_matrix(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Blocks:
        made.append(1)
        return Blocks(form=form, codes=np.ones((4, 8), np.uint8), scale=np.ones((4, 1), np.float32), zero=None)

    form, w = BlockForm(bits=4, size=8), RNG.standard_normal((4, 8)).astype(np.float32)
    h = np.eye(8)[None]
    with given_outside(Outside(keeper=Journal(tmp_path))):
        first = found_or_made("gptq", w, h, form, make)
        again = found_or_made("gptq", np.asfortranarray(w), h, form, make)
        np.testing.assert_array_equal(first.real, again.real)
        assert first.nbytes == make().nbytes
        assert len(made) == 2
        for other in (
            ("hqq", w, h, form), ("gptq", w + 1, h, form), ("gptq", w, 2 * h, form), ("gptq", w, None, form),
            ("gptq", w, h, BlockForm(bits=4, size=8, symmetric=False)),
        ):  # fmt: skip
            found_or_made(*other, make)
        assert len(made) == 7
        assert put_away(first) is first
        np.testing.assert_array_equal(put_away(make()).codes, make().codes)
    plain = make()
    assert put_away(plain) is plain
    assert outside().keeper is None


# --- compiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scheme", ["w4", "w8"])
def test_the_same_bytes_as_in_memory(
    source: Path, tmp_path: Path, rounding: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = compiled(source, tmp_path / "plain", rounding, scheme=scheme, cache=False)
    monkeypatch.setattr(module, "LARGE", 0)
    away = compiled(source, tmp_path / "away", rounding, scheme=scheme, cache_dir=tmp_path / "cache")
    assert away.digest == plain.digest
    assert not [each for each in (tmp_path / "cache" / "layers").iterdir() if each.suffix != ".lock"]


def test_models_that_fit_are_held(source: Path, tmp_path: Path) -> None:
    loaded = load_model(source)
    request = CompileRequest(model=source, cache_dir=tmp_path / "cache")
    with journal_for(loaded, request) as journal:
        assert journal is None
    limited = CompileRequest(model=source, cache_dir=tmp_path / "cache", max_memory=TIGHT)
    with journal_for(loaded, limited) as journal:
        assert journal is not None
        assert journal.folder.parent == tmp_path / "cache" / "layers"
        with journal_for(loaded, limited) as other:  # of another compile of the same model at the same time
            assert other is not None
            assert other.folder.parent != journal.folder.parent
    uncached = CompileRequest(model=source, cache_dir=tmp_path / "cache", max_memory=TIGHT, cache=False)
    with journal_for(loaded, uncached) as journal:
        assert journal is not None
        assert journal.folder.parent != tmp_path / "cache" / "layers"


def test_what_a_killed_compile_left_goes_after_a_while(source: Path, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "layers" / "left"
    (left / "data").mkdir(parents=True)
    lock = left.with_suffix(".lock")
    lock.touch()
    request = CompileRequest(model=source, cache_dir=tmp_path / "cache", max_memory=TIGHT)
    with journal_for(load_model(source), request):
        assert left.is_dir()
    os.utime(lock, (0, 0))
    with journal_for(load_model(source), request):
        assert not left.exists()
        assert not lock.exists()


class _Stopped(Exception):  # noqa: N818 - it stands for a kill
    pass


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_interrupted_anywhere_it_goes_on_to_the_same_bytes(
    source: Path, tmp_path: Path, rounding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in front of every matrix in turn, each compile makes one more and none again."""
    wanted = compiled(source, tmp_path / "wanted", rounding, cache=False)
    from edgec.passes.weight_only import round_blocks

    real = round_blocks.blocks_by
    made: list[int] = []

    def one_more(*given: Any) -> Blocks:
        if made:
            raise _Stopped
        made.append(1)
        return real(*given)

    monkeypatch.setattr(round_blocks, "blocks_by", one_more)
    for _ in range(7 * LAYERS - 1):
        made.clear()
        with pytest.raises(edgec.errors.InternalError):
            compiled(source, tmp_path / "out", rounding, cache_dir=tmp_path / "cache")
    made.clear()
    assert compiled(source, tmp_path / "out", rounding, cache_dir=tmp_path / "cache").digest == wanted.digest


@pytest.mark.usefixtures("tight")
def test_segments_that_were_observed_are_not_run_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgec.compiler.observing import segments

    real, seen = segments.observe, []

    def observe(model: ir.Model, *given: Any, **how: Any) -> Any:
        if len(seen) in stops:
            stops.remove(len(seen))
            raise KeyboardInterrupt
        seen.append(model.graph)
        return real(model, *given, **how)

    stops: list[int] = []
    monkeypatch.setattr(segments, "observe", observe)
    wanted = compiled(source, tmp_path / "wanted", "gptq", cache=False)
    whole = len(seen)
    assert whole > 3
    seen.clear()
    stops += [1, 3]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            compiled(source, tmp_path / "out", "gptq", cache_dir=tmp_path / "cache")
    assert compiled(source, tmp_path / "out", "gptq", cache_dir=tmp_path / "cache").digest == wanted.digest
    assert len(seen) == whole


@pytest.mark.usefixtures("cut")
def test_layer_after_layer_runs_those_before_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step observes the one segment it needs; what crosses into it was run by the step before."""
    from edgec.compiler.observing import segments

    wanted = compiled(source, tmp_path / "wanted", "gptq", in_turn=True, cache=False)
    monkeypatch.setattr(module, "LARGE", 0)
    real, spilled = segments._spill, []
    monkeypatch.setattr(segments, "_spill", lambda *given: (spilled.append(given), real(*given))[1])
    assert compiled(source, tmp_path / "out", "gptq", in_turn=True, cache=False).digest == wanted.digest
    steps = 4 * LAYERS  # queries, keys and values together, gates and ups
    assert len(spilled) <= 2 * steps
    monkeypatch.setattr(module, "LARGE", 1 << 30)
    before = len(spilled)
    compiled(source, tmp_path / "again", "gptq", in_turn=True, cache=False)
    assert len(spilled) - before > 2 * (len(spilled[:before]))


def test_gram_matrices_are_read_again_each_time(source: Path, tmp_path: Path) -> None:
    from edgec.compiler.observing.segments import observe_in_segments
    from edgec.compiler.samples import open_samples
    from edgec.compiler.signature import inputs_of
    from edgec.passes.observe.statistics import Need, Products

    model = load_model(source).model
    samples = open_samples(SAMPLES, inputs_of(model), role="calibration")
    need = Need(value="v0", statistic=Products())
    how: dict[str, Any] = {"threads": 1, "progress": Quiet()}
    plain = observe_in_segments(model.clone(), [need], samples, **how)[need]
    away = observe_in_segments(model.clone(), [need], samples, journal=Journal(tmp_path), **how)[need]
    assert isinstance(plain, Gram)
    assert isinstance(away, Gram)
    np.testing.assert_array_equal(away.matrix, plain.matrix)
    assert away.matrix is not away.matrix
    assert away.rows == plain.rows == 18


def test_rounding_tells_how_far_it_is(source: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int | None, int]] = []

    class Watching(Quiet):
        def stage(self, name: str, total: int | None = None) -> Any:
            from contextlib import contextmanager

            @contextmanager
            def entered() -> Any:
                yield lambda units: told.append((name, total, units))

            return entered()

    compiled(source, tmp_path / "out", progress=Watching())
    rounds = [(total, units) for name, total, units in told if name == "round"]
    weights = LAYERS * (4 * WIDTH * WIDTH + 3 * WIDTH * HIDDEN)
    assert len(rounds) == 7 * LAYERS
    assert {total for total, _ in rounds} == {weights} == {sum(units for _, units in rounds)}


@pytest.mark.parametrize(("limit", "compared"), [(300_000_000, True), (1_000_000, False)])
def test_float_is_run_where_it_fits(source: Path, tmp_path: Path, limit: int, compared: bool) -> None:
    bundle = compiled(
        source, tmp_path / "out", prove=True, evaluation=SAMPLES, max_memory=limit, probe=False, report=False,
        cache_dir=tmp_path / "cache",
    )  # fmt: skip
    proof = json.loads((bundle.proof / "proof.json").read_text())
    assert (proof["evaluation"]["outputs"]["y"]["against_float"] is not None) is compared
    size = 2 * LAYERS * 4 * (4 * WIDTH * WIDTH + 3 * WIDTH * HIDDEN) + 2 * 4 * WIDTH
    note = f"nothing was compared with float, whose session takes {size / 1e9:.3g} GB: --max-memory is 0.001 GB"
    assert (note in proof["notes"]) is not compared


_COMPILE = """
import sys, threading
import edgec.compiler.journal as journal
journal.LARGE = 0
from edgec.compiler.cli.app import run
raise SystemExit(run(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_killed_at_random(tmp_path: Path, rounding: str) -> None:
    """Five kills of a whole process, whenever they come."""
    source = large_model(tmp_path / "model", width=512, hidden=1408, layers=6)
    np.savez(tmp_path / "calib.npz", x=RNG.standard_normal((4, 1, 8, 512)).astype(np.float32))
    words = ["compile", str(source), "--scheme", "w4", "--rounding", rounding, "--no-prove", "--max-memory", "2G"]
    words += ["--calibration", str(tmp_path / "calib.npz")] if rounding != "nearest" else []
    rng = np.random.default_rng(0)

    def start(output: str, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _COMPILE, *words, "-o", str(tmp_path / output), *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    assert start("wanted", "--no-cache").wait(timeout=600) == 0
    killed = 0
    while True:
        process = start("out", "--cache-dir", str(tmp_path / "cache"))
        if killed == 5:
            assert process.wait(timeout=600) == 0
            break
        try:
            process.wait(timeout=float(rng.uniform(2.0, 7.0)))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
            process.wait()
            killed += 1
    assert killed
    assert Bundle.open(tmp_path / "out").digest == Bundle.open(tmp_path / "wanted").digest
