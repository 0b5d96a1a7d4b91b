"""Measure a bundle: golden replay, accuracy against float, size, load, latency, placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import onnx
import onnx_ir as ir

from ... import __version__
from ...bundle import Bundle
from ...runtimes import runtime
from ...runtimes.base import Feeds, RuntimeFacts, Session, SessionSettings
from ...runtimes.host.memory import memory_of
from ...runtimes.recast import Recast
from ..adapters.prove import adapted_float, prove_adapters
from ..baking.bake import Baking, baking_of
from ..baking.learned_codes import with_centers
from ..baking.samples import open_baked
from ..baking.session import Outside, baked_float, same_as_outside
from ..checking import check_bundle, checked_json, off_by_rules, placement_by_rules
from ..generating.tokenizer import TOKENIZER
from ..metrics import Metric
from ..progress import Progress, Quiet
from ..samples import DataSource, ImagePreprocess
from ..samples.base import Samples, State
from ..sources.decoder.genai import GENAI_CONFIG
from .context import check_context, prove_context
from .evaluate import evaluate
from .float_model import FloatModel, float_file
from .golden import replay_golden
from .latency import time_sessions
from .machine import Machine
from .older import file_versions, prove_older
from .ort_format import check_ort, prove_ort
from .places import IN_PROCESS, Place, place_for
from .probing.probe import off_wanted, wanted_provider
from .proof import ContextProof, EvaluationProof, LatencyProof, OrtProof, Proof
from .steps import Beside, output_steps

__all__ = ["companions_of", "measure", "state_of"]


def measure(
    bundle: Bundle,
    *,
    evaluation: DataSource | None = None,
    metric: Metric | None = None,
    float_model: FloatModel | None = None,
    samples: int | None = None,
    seed: int = 0,
    state: State | None = None,
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    latency_runs: int = 100,
    threads: Sequence[int] = (1, 2),
    progress: Progress | None = None,
    notes: Sequence[str] = (),
    place: Place | None = None,
    probe: bool = True,
    memory: bool = False,
    oldest: int | None = None,
) -> Proof:
    """Measure everything a contract can ask about.

    Args:
        bundle: What to measure; its digests are compared first.
        evaluation: Samples to compare with float on, and to score by their labels.
        metric: Task metric; None takes top1 where labels are class indices.
        float_model: What the bundle was compiled from; without it nothing is said against float.
        samples: Use this many evaluation samples, drawn with `seed`.
        seed: Seeds the draw and the bootstrap.
        state: Outputs fed back as inputs; None takes the manifest's, started as the golden sample was.
        preprocess: How image files become an input.
        latency_runs: Timed runs of each session, fewer when two seconds have passed, at least ten.
        threads: Thread counts to time.
        progress: Who watches.
        notes: What the reader of the verdict must know beside what is measured.
        place: Where; None takes the best that is at hand. Elsewhere than in this process, the bundle is run here
            too, and the differences are kept.
        probe: Try what ran off the provider wanted, to find out why.
        memory: Measure what opening and running it takes of a new process.
        oldest: Minor number of the oldest ONNX Runtime that must open it; None asks none.

    Raises:
        BundleError: The bundle is incomplete or altered.
        SamplesError: The samples do not fit the model.
        ModelError: A model cannot be opened or run.
        HostError: The place fails.
    """
    compiled, ort_file = check_context(bundle), check_ort(bundle)  # first: they say more than that some digest differs
    bundle.verify()
    manifest = bundle.manifest
    place = place or place_for(manifest["target"])
    missing = place.runtime.available()
    golden_feeds, golden_outputs = bundle.golden()
    state = state_of(bundle) if state is None else state
    common: dict[str, Any] = {
        "bundle": bundle.digest,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": Machine.here(),
        "runtime": place.runtime.name,
        "providers": tuple(manifest["target"]["providers"]),
        "session_options": dict(manifest["session_options"]),
        "unexecuted": missing or place.unexecuted,
        "untimed": missing or place.untimed,
        "size_bytes": bundle.size_bytes,
        **file_versions(bundle.model),
        "older": None if oldest is None else prove_older(bundle, oldest, state),
    }
    baking = with_centers(baking_of(manifest), bundle.path)
    with (
        float_file(float_model) as (reference, float_bytes),
        baked_float(float_model, baking) as inside,
        place.open() as there,
    ):
        common["float_bytes"] = float_bytes
        common["wanted"] = wanted = wanted_provider(bundle, there)
        if missing:
            return Proof(
                **common, versions=_versions(None), emulated="", golden=None, placement=None, evaluation=None,
                load_seconds=None, opened=0, latency=(), notes=tuple(notes),
            )  # fmt: skip
        facts = there.facts()
        bench = _Bench(place, bundle.model, reference, common["session_options"], baking, inside)
        progress = progress or Quiet()
        with closing(bench.bundle(1, compared=True)) as session:
            near = (manifest.get("golden_noise_db"), manifest["target"].get("golden_margin_db", 3.0))
            golden = replay_golden(session, golden_feeds, golden_outputs, state, *near)
            checked = check_bundle(bundle) if place.unexecuted and not place.elsewhere else None
            placement = session.placement(golden_feeds[0]) if checked is None else placement_by_rules(checked)
            evaluated: EvaluationProof | None = None
            found: tuple[str, ...] = ()
            data: Samples | None = None
            if evaluation is not None:
                data = open_baked(
                    evaluation,
                    session.inputs,
                    baking,
                    role="evaluation",
                    preprocess=preprocess or {},
                    state=state,
                    limit=samples,
                    seed=seed,
                    companions=companions_of(bundle),
                )
                evaluated, found = _evaluated(bench, session, data, state, metric, seed, progress)
            how = {"metric": metric, "seed": seed, "progress": progress, "scores": baking.scores}
            adapters, said = prove_adapters(bundle, session, bench.float_with, data, state, **how)
            found = (*found, *said)
            if bench.inside is not None:
                found = (*found, bench.same_as_outside(golden_feeds))
            apart = session.results() if isinstance(session, Beside) else None
            context: ContextProof | None = None
            if compiled is not None and place.unexecuted:
                found = (*found, f"the context binary was not loaded: {place.unexecuted}")
            elif compiled is not None:
                config = common["session_options"]
                context = prove_context(bundle, compiled, place, session, golden_feeds, state, config)
            ort: OrtProof | None = None
            if ort_file is not None:
                ort = prove_ort(bundle, ort_file, there, golden_feeds, state)
        latency = []
        if not place.elsewhere or not place.untimed:
            with progress.stage("latency", len(threads)) as advance:
                for count in threads:
                    latency.append(_latency(bench, golden_feeds[0], count, latency_runs))
                    advance(1)
        if memory and not place.unexecuted:
            taken, why = memory_of(there, bundle.model, golden_feeds[0], bench.settings(1))
            common |= {"memory": taken, "memory_reason": why}
        # Last: a form that is tried may end the place's process, and every session in it.
        if checked is not None:
            common["off_wanted"] = off_by_rules(checked)
        else:
            first = golden_feeds[0]
            common["off_wanted"] = off_wanted(bundle, placement, wanted=wanted, feeds=first, place=there, probe=probe)
    return Proof(
        **common,
        versions=_versions(facts),
        emulated=facts.emulated,
        isa=_isa(facts),
        golden=golden,
        placement=placement,
        checked=None if checked is None else checked_json(checked),
        evaluation=evaluated,
        apart=apart,
        context=context,
        ort=ort,
        adapters=adapters,
        load_seconds=median(bench.load_seconds),
        opened=len(bench.load_seconds),
        latency=tuple(latency),
        notes=(*notes, *found, *_same_samples(manifest, evaluated)),
    )


class _Bench:
    """Opens sessions of bundle and float, and keeps the bundle's load times.

    Float runs in this process: it is what accuracy is compared with, wherever the bundle runs. Only where the
    place's times are the device's is it timed there.
    """

    def __init__(
        self,
        place: Place,
        bundle: Path,
        float_file: Path | bytes | None,
        options: Mapping[str, str],
        baking: Baking,
        inside: Path | bytes | None,
    ) -> None:
        self._place = place
        self._bundle = bundle
        self._float = float_file
        self.baking = baking
        self.inside = inside
        self.options = options
        self.load_seconds: list[float] = []

    @property
    def in_process(self) -> bool:
        return not self._place.elsewhere

    def settings(self, threads: int) -> SessionSettings:
        return SessionSettings(threads=threads, config=self.options)

    def bundle(self, threads: int, *, compared: bool = False) -> Session:
        settings = self.settings(threads)
        session = self._place.runtime.open(self._bundle, settings)
        self.load_seconds.append(session.load_seconds)
        if compared and self._place.elsewhere:
            return Beside(session, runtime(IN_PROCESS).open(self._bundle, settings), output_steps(self._bundle))
        return session

    def bundle_without_options(self, threads: int) -> Session | None:
        return self._place.runtime.open(self._bundle, SessionSettings(threads=threads)) if self.options else None

    def float_model(self, threads: int, *, timed: bool = False) -> Session | None:
        if self._float is None:
            return None
        where = self._place.runtime if timed else runtime(IN_PROCESS)
        settings = SessionSettings(threads=threads)
        if not self.baking:
            return where.open(self._float, settings)
        # Timed with the same steps inside; compared with them outside, in numpy.
        if timed and self.inside is not None:
            return where.open(self.inside, settings)
        return Outside(where.open(self._float, settings), self.baking)

    def float_with(self, adapter: Path) -> Session | None:
        """Float with an adapter active; None where there is no float, or it has no inputs for the adapter."""
        if self._float is None:
            return None
        session = adapted_float(runtime(IN_PROCESS).open(self._float, SessionSettings(threads=1)), adapter)
        return session if session is None or not self.baking else Outside(session, self.baking)

    def same_as_outside(self, feeds: Sequence[Feeds]) -> str:
        """What baking the steps into the float model changed of its answers; for the reader of the verdict."""
        outside = self.float_model(1)
        assert outside is not None
        assert self.inside is not None
        with closing(outside), closing(runtime(IN_PROCESS).open(self.inside, SessionSettings(threads=1))) as inside:
            return same_as_outside(outside, inside, feeds)


def _evaluated(
    bench: _Bench,
    bundle: Session,
    data: Samples,
    state: State,
    metric: Metric | None,
    seed: int,
    progress: Progress,
) -> tuple[EvaluationProof, tuple[str, ...]]:
    """Compare with float, one thread each: two sessions run in turn, and idle workers of one would slow the other."""
    float_model = bench.float_model(1)
    try:
        return evaluate(
            data,
            bundle,
            float_model,
            state=state,
            metric=metric,
            seed=seed,
            progress=progress,
            scores=bench.baking.scores,
        )
    finally:
        if float_model is not None:
            float_model.close()


def _latency(bench: _Bench, feeds: Feeds, threads: int, runs: int) -> LatencyProof:
    """Time bundle, float and, where it has session options, the bundle without them."""
    sessions = {
        "bundle": bench.bundle(threads),
        "float": bench.float_model(threads, timed=True),
        "without": bench.bundle_without_options(threads),
    }
    present = {name: Recast(session) for name, session in sessions.items() if session is not None}
    try:
        return time_sessions(present, feeds, threads=threads, runs=runs, in_process=bench.in_process)
    finally:
        for session in present.values():
            session.close()


def companions_of(bundle: Bundle) -> dict[str, bytes]:
    """What samples of text are read with."""
    files = (bundle.path / name for name in (TOKENIZER, GENAI_CONFIG))
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def state_of(bundle: Bundle) -> State:
    """The state the bundle was compiled with, started as its golden sample was."""
    carried, golden = dict(bundle.manifest["state"]), bundle.golden()[0]
    return State(carried=carried, start={name: golden[0][name] for name in carried if golden and name in golden[0]})


def _isa(facts: RuntimeFacts) -> str:
    """The place's instruction set, as `TargetSpec.isa` writes it, as far as numpy tells it."""
    if facts.machine.lower() in ("x86_64", "amd64"):
        return "x86_64+vnni" if "AVX512VNNI" in facts.features else "x86_64+avx2"
    return facts.machine + ("+dotprod" if "ASIMDDP" in facts.features else "")


def _same_samples(manifest: Mapping[str, Any], evaluated: EvaluationProof | None) -> tuple[str, ...]:
    calibration = manifest["samples"]["calibration"]
    if evaluated is not None and calibration is not None and calibration["digest"] == evaluated.digest:
        return ("the evaluation samples are the calibration samples: accuracy on new data may be lower",)
    return ()


def _versions(facts: RuntimeFacts | None) -> dict[str, str]:
    """Of what measured, and of what executed."""
    there = {} if facts is None else {"onnxruntime": facts.onnxruntime, "numpy": facts.numpy}
    there = {name: version for name, version in there.items() if version}  # WebAssembly has no numpy
    return {"edgec": __version__, "onnx": onnx.__version__, "onnx_ir": ir.__version__, **there}
