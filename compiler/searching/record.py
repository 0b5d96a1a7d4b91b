"""What a search found, for `recipe.lock` and for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .goal import Goal
from .outputs import Fidelity
from .restore import Restored
from .trials import Trials

__all__ = ["accuracy_record", "faults_note", "notes_of", "refusals_note", "rounded", "widened_note"]

_NOTHING: frozenset[str] = frozenset()


def accuracy_record(trials: Trials, goal: Goal, restored: Restored, rejected: int) -> dict[str, Any]:
    """What was measured, as JSON values."""
    before, after = trials.score(_NOTHING), trials.score(restored.names)
    return {
        "samples": len(trials.bench.samples),
        "runs": trials.runs,
        "rejected": rejected,
        "float_nodes": sorted(restored.names),
        "float_mac_share": rounded(trials.units.share(restored.names)),
        "excess": [rounded(trials.excess(_NOTHING, goal)), rounded(restored.excess)],
        "outputs": {
            name: {"kind": found.kind, "before": _plain(found), "after": _plain(after[name])}
            for name, found in before.items()
        },
    }


def notes_of(trials: Trials, goal: Goal, restored: Restored, rejected: int) -> tuple[str, ...]:
    """What the reader of manifest and verdict must know; nothing where all stayed in integers and is good."""
    found = []
    if restored.names:
        before, after = trials.score(_NOTHING), trials.score(restored.names)
        nodes = _counted(len(restored.names), trials.units.share(restored.names))
        found.append(
            f"accuracy: {nodes[0]} kept in float ({nodes[1]}), {_difference(before, after, goal, trials.runs)}"
        )
    found += refusals_note(rejected)
    if restored.excess > 1:
        name = _worst(trials.score(restored.names), goal)
        found.append(
            f"accuracy: output {name!r} has {_described(trials.score(restored.names)[name])} on calibration samples, "
            f"{restored.excess:.2g} times the noise that is taken for safe; see --max-drop and --min-sqnr"
        )
    return tuple(found)


def refusals_note(rejected: int) -> tuple[str, ...]:
    """What the reader must know of evaluation samples that refused; nothing where they did not."""
    if not rejected:
        return ()
    times = "once" if rejected == 1 else f"{rejected} times"
    return (f"evaluation samples rejected a choice {times}: the verdict is that much less independent",)


def faults_note(count: int, share: float, left: float) -> str:
    """What the reader must know of nodes that alone make nearly all of the noise."""
    nodes = _counted(count, share)
    return f"accuracy: {nodes[0]} kept in float ({nodes[1]}), without which {left:.2g} of the noise is left"


def widened_note(
    count: int, share: float, before: Mapping[str, Fidelity], after: Mapping[str, Fidelity], goal: Goal, runs: int
) -> str:
    """What the reader must know of nodes with 16-bit activations."""
    nodes = _counted(count, share)
    return f"accuracy: {nodes[0]} with 16-bit activations ({nodes[1]}), {_difference(before, after, goal, runs)}"


def _counted(count: int, share: float) -> tuple[str, str]:
    return "1 node" if count == 1 else f"{count} nodes", f"{100 * share:.1f}% of the MACs"


def _difference(before: Mapping[str, Fidelity], after: Mapping[str, Fidelity], goal: Goal, runs: int) -> str:
    name = _worst(before, goal)
    return f"output {name!r} from {_described(before[name])} to {_described(after[name])}, {runs} runs"


def _worst(found: Mapping[str, Fidelity], goal: Goal) -> str:
    return max(found, key=lambda name: goal.excess({name: found[name]}))


def _described(found: Fidelity) -> str:
    text = f"{found.sqnr_db:.1f} dB"
    return text if found.divergence is None else f"{text} and {found.divergence:.2g} nats"


def _plain(found: Fidelity) -> dict[str, float | None]:
    values = {"sqnr_db": found.sqnr_db, "divergence": found.divergence, "regret": found.regret}
    return {name: rounded(value) for name, value in values.items() if value is not None}


def rounded(value: float) -> float | None:
    """Four digits: what lies behind them is the machine's, not the model's."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
