"""Layer by layer between any two of float model, bundle, and anybody's quantized model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import ModelError
from .baking.samples import open_baked
from .diagnosing.distance import Distance, DistanceMeter
from .diagnosing.matching import Lone, Pair, match
from .diagnosing.subject import Subject, SubjectSource, open_subject
from .diagnosing.taps import slices, tapping
from .diagnosing.walk import walk
from .progress import Progress, Quiet
from .samples import DataSource, ImagePreprocess, Samples
from .samples.base import State
from .signature import inputs_of

__all__ = ["LayerComparison", "ValueComparison", "compare", "compare_subjects"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueComparison:
    """One value in both models.

    Attributes:
        name: Its name in the first.
        other: What readers read in the second.
        op: The operator that computes it in the first.
        depth: The place of that node in the first graph; 0 for an input.
        by: `name` or `structure`: how the two were matched.
        distance: How far the second is from the first.
    """

    name: str
    other: str
    op: str
    depth: int
    by: str
    distance: Distance

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        place = {name: getattr(self, name) for name in ("name", "other", "op", "depth", "by")}
        return {**place, **self.distance.to_json()}


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerComparison:
    """Every value that both models have.

    Attributes:
        a, b: What was compared; `a` is the reference.
        samples: Samples run.
        values: Ordered by depth.
        lone: Values without a counterpart, and why.
    """

    a: str
    b: str
    samples: int
    values: tuple[ValueComparison, ...]
    lone: tuple[Lone, ...]

    @property
    def worst_first(self) -> tuple[ValueComparison, ...]:
        """Lowest SQNR first."""
        return tuple(sorted(self.values, key=lambda each: each.distance.sqnr_db))

    def to_json(self) -> dict[str, object]:
        """JSON values; `error_by_depth` is the curve of (depth, SQNR in dB)."""
        lone = [{"side": e.side, "name": e.name, "op": e.op, "reason": e.reason} for e in self.lone]
        values = [each.to_json() for each in self.values]
        return {
            "a": self.a,
            "b": self.b,
            "samples": self.samples,
            "values": values,
            "error_by_depth": [[each["depth"], each["sqnr_db"]] for each in values],
            "unmatched": lone,
        }


def compare(
    a: SubjectSource,
    b: SubjectSource,
    samples: DataSource,
    *,
    limit: int | None = None,
    seed: int = 0,
    state: State | Mapping[str, str] | None = None,
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> LayerComparison:
    """Compare two models value by value.

    Args:
        a: The reference: an ONNX file, the folder of a bundle, or a model in memory.
        b: What is compared with it.
        samples: Feeds for both.
        limit: Use this many samples, drawn with `seed`.
        seed: Seeds the draw.
        state: Outputs fed back as inputs, carried by each model for itself; None takes those of a bundle's manifest.
        preprocess: How image files become an input, by input name.
        threads: Threads of the sessions; 0 is the runtime's choice.
        progress: Who watches.

    Returns:
        Every matched value with its distance, and what could not be matched.

    Raises:
        ModelError: A model cannot be read, or the two have no value in common.
        SamplesError: The samples do not fit the first model.
    """
    left, right = _baked_alike(open_subject(a), open_subject(b))
    if state is None:
        state = {**left.carried, **right.carried}
    if isinstance(state, Mapping):
        state = State(carried=state)
    data = open_baked(
        samples,
        inputs_of(left.model),
        left.baking,
        role="evaluation",
        preprocess=preprocess or {},
        state=state,
        limit=limit,
        seed=seed,
    )
    return compare_subjects(left, right, data, threads=threads, progress=progress or Quiet())


def compare_subjects(
    left: Subject, right: Subject, samples: Samples, *, threads: int = 0, progress: Progress | None = None
) -> LayerComparison:
    """Compare two open models over open samples; see `compare`."""
    matching = match(left.model, right.model)
    _same_inputs(left, right)
    if not any(pair.reference.producer is not None for pair in matching.pairs):
        raise ModelError(
            right.name,
            f"has no value in common with {left.name}: neither names nor structure match",
            remedy="Give two forms of the same model",
        )
    watch = progress or Quiet()
    pairs = matching.pairs
    groups = list(slices([pair.reference.read for pair in pairs]))
    found: list[ValueComparison] = []
    lone = list(matching.lone)
    with watch.stage("compare", len(groups) * len(samples)) as advance:
        for group in groups:
            meters, unlike = _meters(left, right, [pairs[k] for k in group], samples, threads)
            advance(len(samples))
            found += [_value(pair, meter.result()) for pair, meter in meters]
            lone += unlike
    return LayerComparison(a=left.name, b=right.name, samples=len(samples), values=tuple(found), lone=tuple(lone))


def _meters(
    left: Subject, right: Subject, pairs: Sequence[Pair], samples: Samples, threads: int
) -> tuple[list[tuple[Pair, DistanceMeter]], list[Lone]]:
    """Run one slice of the values; those whose shapes differ come back apart."""
    meters = {pair: DistanceMeter(pair.other.window) for pair in pairs}
    unlike: dict[Pair, Lone] = {}
    carried = tuple(samples.state.carried.values())
    names = [str(pair.reference.read.name) for pair in pairs], [str(pair.other.read.name) for pair in pairs]
    with (
        tapping(left.model, names[0], keep=carried, options=left.session_options, threads=threads) as (one, mine),
        tapping(right.model, names[1], keep=carried, options=right.session_options, threads=threads) as (two, theirs),
    ):
        for x, y in walk(samples, one, two):
            for pair, meter in meters.items():
                if pair in unlike:
                    continue
                a, b = x[mine[str(pair.reference.read.name)]], y[theirs[str(pair.other.read.name)]]
                if a.shape != b.shape:
                    reason = f"has shape {list(a.shape)}, its counterpart {list(b.shape)}"
                    unlike[pair] = Lone(side="a", name=pair.name, op=pair.reference.op, reason=reason)
                else:
                    meter.add(a, b)
    return [(pair, meter) for pair, meter in meters.items() if pair not in unlike], list(unlike.values())


def _value(pair: Pair, distance: Distance) -> ValueComparison:
    return ValueComparison(
        name=pair.name,
        other=str(pair.other.read.name),
        op=pair.reference.op,
        depth=pair.reference.depth,
        by=pair.by,
        distance=distance,
    )


def _baked_alike(left: Subject, right: Subject) -> tuple[Subject, Subject]:
    """Both with the steps that were baked into one of them."""
    if left.baking and not right.baking:
        right = replace(right, model=left.baking.whole(right.model), baking=left.baking)
    elif right.baking and not left.baking:
        left = replace(left, model=right.baking.whole(left.model), baking=right.baking)
    return left, right


def _same_inputs(left: Subject, right: Subject) -> None:
    mine, theirs = ({info.name for info in inputs_of(each.model)} for each in (left, right))
    if mine != theirs:
        raise ModelError(
            right.name,
            f"has inputs {', '.join(sorted(theirs))}; {left.name} has {', '.join(sorted(mine))}",
            remedy="Give two forms of the same model",
        )
