"""Bits of weights stored alone, as the contract asks: the fewest that keep its accuracy, or as many as its size holds.

One number is searched, the bits of a weight on average; which matrix has how many follows from it (`MixBits`). It is
halved on calibration samples alone: one part is observed, the other judges. Where accuracy is limited, evaluation
samples accept or refuse what was then made of all of them, a bounded number of times, and a note says how often.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import onnx_ir as ir

from ...errors import OptionError
from ...runtimes import runtime
from ...targets.spec import TargetSpec
from ..clauses import BUDGETS
from ..contract import Contract
from ..data import CompileData
from ..materialize import weight_bytes
from ..pipeline import Measure
from ..request import CompileRequest
from ..samples import split
from ..samples.base import Samples
from .bench import open_bench
from .bits_judge import BitsJudge
from .bits_shop import BitsShop, bytes_of
from .candidates import Candidate
from .goal import Goal
from .record import refusals_note, rounded
from .verify import Verifier

__all__ = ["FittedBits", "check_fit_bits", "fit_bits", "fewest", "most"]

_IN_PROCESS = "onnxruntime-cpu"
# float and candidate are held by the runtime at the same time.
_LARGEST = 512 << 20
# What a search is sure of, in bits of a weight.
_STEP = 0.125
# How often evaluation samples may refuse; what is added when they do, doubled each time.
_ROUNDS, _MORE = 4, 0.25
# With fewer samples neither part would say much: all are observed, and all judge.
_FEWEST = 16
# What two files of the same bits differ by: names and figures of a compile.
_ROOM = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedBits:
    """What was chosen.

    Attributes:
        candidate: What ships.
        notes: What the reader of manifest and verdict must know.
    """

    candidate: Candidate
    notes: tuple[str, ...]


def check_fit_bits(request: CompileRequest) -> None:
    """Refuse `--fit-bits` where nothing says what the bits should fit, or nothing is searched.

    Raises:
        OptionError: It is asked for so.
    """
    if not request.policy.fit_bits or request.recipe is not None:
        return
    if not {"size", "size_ratio", *BUDGETS} & {clause.id for clause in request.contract.clauses}:
        raise OptionError(
            "--fit-bits",
            "goes by limits on size or accuracy, and there are none",
            remedy="Add one, like --max-size 2MB or --max-drop 1%, or give --target-bpw",
        )
    if not request.search:
        raise OptionError(
            "--fit-bits", "is a search, and --no-search leaves that out", remedy="Leave one of them out"
        )  # fmt: skip


def fit_bits(
    source: ir.Model,
    *,
    request: CompileRequest,
    scheme: str,
    target: TargetSpec,
    data: CompileData,
    measuring: Callable[[Samples], Measure],
) -> FittedBits:
    """Choose the bits.

    Args:
        source: The loaded model; it is not changed.
        request: The contract, the metric, the policy and who watches.
        scheme: The scheme that `auto` came to: its bits are those of tables.
        target: What is compiled for.
        data: Calibration samples to choose by, evaluation samples to verify with.
        measuring: What observes samples.

    Raises:
        OptionError: The weights are larger than a search holds, or the target mixes no bits.
        ContractError: A limit's unit does not fit the metric.
    """
    assert data.calibration is not None
    if weight_bytes(source) > _LARGEST:
        raise OptionError(
            "--fit-bits",
            f"tries many, and the weights are larger than {_LARGEST >> 20} MiB",
            remedy="Give the bits of a weight, like --target-bpw 4.25",
        )
    policy = replace(request.policy, scheme=scheme)
    shop = BitsShop(source=source, target=target, policy=policy, measure=measuring(data.calibration))
    if not shop.mixes:
        raise OptionError(
            "--fit-bits",
            f"scheme {scheme} on target {target.name} has no use for it",
            remedy="Leave it out, or choose a CPU target",
        )
    each_scale = 40 / policy.block(128)
    low, high = 2 + each_scale, 8 + each_scale
    with request.progress.stage("search"):
        limit = _room(request.contract, source)
        roof = high if limit is None else most(lambda bpw: shop.size(bpw) <= limit, low, high)
        fits = roof is not None
        roof = low if roof is None else roof
        limited = any(each.id in BUDGETS for each in request.contract.clauses)
        chosen = _least(shop, request, data.calibration, measuring, low, roof) if limited else roof
        kept = chosen is not None
        chosen = roof if chosen is None else chosen
        chosen, refused = _verified(shop, request, data, chosen, roof) if limited else (chosen, 0)
        record = {"bits": {"bpw": rounded(chosen), "refused": refused}}
        recipe = replace(shop.recipe(chosen), measured=record)
        candidate = shop.candidates.build(recipe, request.observers)
    return FittedBits(candidate=candidate, notes=_notes(chosen, refused, limited=limited, fits=fits, kept=kept))


def _room(contract: Contract, source: ir.Model) -> float | None:
    """The bytes a file may have; None where its size is not limited."""
    found = []
    for name in ("size", "size_ratio"):
        clause = contract.clause(name)
        if clause is not None and clause.limit is not None:
            found.append(clause.limit.base(name) * (bytes_of(source) if name == "size_ratio" else 1) - _ROOM)
    return min(found, default=None)


def _least(
    shop: BitsShop,
    request: CompileRequest,
    calibration: Samples,
    measuring: Callable[[Samples], Measure],
    low: float,
    high: float,
) -> float | None:
    """The fewest bits that keep the limits on samples that are not observed; None where none do."""
    observed = judges = calibration
    if len(calibration) >= _FEWEST:
        observed, judges = split(calibration, seed=request.seed)
    apart = replace(shop, measure=measuring(observed))
    bench = open_bench(runtime(_IN_PROCESS), shop.source, judges, threads=request.threads, fewest=_FEWEST)
    with closing(bench):
        judge = BitsJudge(
            verifier=_verifier(shop.source, judges, request), bench=bench, goal=Goal.of(request.contract)
        )  # fmt: skip
        return fewest(lambda bpw: judge.keeps(apart.build(bpw).model), low, high)


def _verified(
    shop: BitsShop, request: CompileRequest, data: CompileData, chosen: float, roof: float
) -> tuple[float, int]:
    """Bits that evaluation samples do not refuse, as far as they are asked; and how often they refused."""
    refused = 0
    if data.evaluation is None:
        return chosen, refused
    verifier = _verifier(shop.source, data.evaluation, request)
    while chosen < roof and refused < _ROUNDS and verifier.tighter(shop.build(chosen).model) > 1:
        chosen = min(chosen + _MORE * 2**refused, roof)
        refused += 1
    return chosen, refused


def _verifier(source: ir.Model, samples: Samples, request: CompileRequest) -> Verifier:
    return Verifier(
        runtime=runtime(_IN_PROCESS),
        source=source,
        samples=samples,
        contract=request.contract,
        metric=request.metric,
        seed=request.seed,
        progress=request.progress,
    )


def fewest(holds: Callable[[float], bool], low: float, high: float, step: float = _STEP) -> float | None:
    """The smallest number within `step` for which something holds that holds for larger ones; None where for none."""
    if holds(low):
        return low
    if not holds(high):
        return None
    while high - low > step:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def most(holds: Callable[[float], bool], low: float, high: float, step: float = _STEP / 8) -> float | None:
    """The largest number within `step` for which something holds that holds for smaller ones; None where for none."""
    found = fewest(lambda x: holds(-x), -high, -low, step)
    return None if found is None else -found


def _notes(bpw: float, refused: int, *, limited: bool, fits: bool, kept: bool) -> tuple[str, ...]:
    if not fits:
        reason = "the fewest there are, and more than the size holds"
    elif not limited:
        reason = "as many as the size holds"
    elif kept:
        reason = "the fewest that keep the limits on accuracy"
    else:
        reason = "as many as there may be: on calibration samples the limits on accuracy are not kept"
    return (f"bits: at most {bpw:.2f} for a weight on average, {reason}", *refusals_note(refused))
