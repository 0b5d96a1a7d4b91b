"""Prove a bundle with each of its adapters active: golden replay, and against float with the same adapter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...runtimes.adapters import adapted, takes_adapter
from ...runtimes.base import Session
from ...runtimes.ort import OrtSession
from ..proving.evaluate import evaluate
from ..proving.golden import replay_golden
from ..proving.proof import AdapterProof
from ..samples.base import Samples, State

__all__ = ["adapted_float", "prove_adapters"]


def prove_adapters(
    bundle: Bundle,
    session: Session,
    float_model: Callable[[Path], Session | None],
    samples: Samples | None,
    state: State,
    **how: Any,
) -> tuple[tuple[AdapterProof, ...], tuple[str, ...]]:
    """Measure the bundle with every adapter.

    Args:
        bundle: The bundle.
        session: It, open; the adapters are switched in this session.
        float_model: Opens float with an adapter active; None where there is no float.
        samples: Evaluation samples; None replays the golden ones only.
        state: Outputs fed back as inputs.
        **how: What `evaluate` takes beside that: metric, seed, progress, scores.

    Returns:
        One proof for each adapter, and what the reader of the verdict must know.

    Raises:
        SamplesError: The samples do not fit the model.
        ModelError: The model cannot be run.
    """
    if not bundle.adapters:
        return (), ()
    if not isinstance(session, OrtSession):
        return (), ("adapters were not run: they are switched on in this process only",)
    manifest = bundle.manifest
    near = (manifest.get("golden_noise_db"), manifest["target"].get("golden_margin_db", 3.0))
    found, notes = [], []
    for name in bundle.adapters:
        active = adapted(session, bundle.adapter(name))
        golden = replay_golden(active, *bundle.golden(name), state, *near)
        evaluated = None
        if samples is not None:
            reference = float_model(bundle.adapter(name))
            if reference is None:
                evaluated, _ = evaluate(samples, active, None, state=state, **how)
            else:
                with closing(reference):
                    evaluated, _ = evaluate(samples, active, reference, state=state, **how)
        found.append(AdapterProof(name=name, golden=golden, evaluation=evaluated))
    if any(each.evaluation is not None for each in found) and not _has_float(found):
        notes.append("adapters were not compared with float: the float model given has no inputs for them")
    return tuple(found), tuple(notes)


def adapted_float(session: Session, file: Path) -> Session | None:
    """The float model with an adapter active; None, and closed, where it has no inputs for it."""
    if takes_adapter(session, file):
        return adapted(session, file)
    session.close()
    return None


def _has_float(found: list[AdapterProof]) -> bool:
    outputs = (output for each in found if each.evaluation is not None for output in each.evaluation.outputs)
    return any(output.against_float is not None for output in outputs)
