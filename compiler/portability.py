"""One bundle on many places: what each answers, how far apart they are, one verdict each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from .contract import Contract, Verdict
from .metrics import Metric, metric_named
from .prove import measure, write_records
from .proving.judge import check_units, judge
from .proving.places import place_on
from .proving.proof import Proof
from .saturation_elsewhere import SaturationElsewhere, saturation_elsewhere

__all__ = ["Portability", "Proved", "prove_on"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proved:
    """A bundle on one place.

    Attributes:
        place: As the user named it.
        proof: What was measured there.
        verdict: The contract against it.
        saturation: The layers that saturate on its kernels, and what mends them; None where nothing does.
    """

    place: str
    proof: Proof
    verdict: Verdict
    saturation: SaturationElsewhere | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "place": self.place,
            "proof": self.proof.to_json(),
            "verdict": self.verdict.to_json(),
            "saturation": None if self.saturation is None else self.saturation.to_json(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Portability:
    """A bundle on every place asked for, in that order."""

    bundle: str
    places: tuple[Proved, ...]

    @property
    def exit_code(self) -> int:
        """0 when every verdict is; the code all others share, else 1."""
        codes = {each.verdict.exit_code for each in self.places} - {0}
        return 0 if not codes else codes.pop() if len(codes) == 1 else 1

    def to_json(self) -> dict[str, object]:
        """What `proof/portability.json` holds."""
        return {
            "schema_version": "1",
            "bundle": self.bundle,
            "date": max((each.proof.date for each in self.places), default=""),
            "exit_code": self.exit_code,
            "places": [each.to_json() for each in self.places],
        }


def prove_on(
    bundle: Bundle | str | Path,
    places: Sequence[str],
    *,
    contract: Contract | None = None,
    metric: Metric | str | None = None,
    write: bool = True,
    report: bool = True,
    **options: Any,
) -> Portability:
    """Prove a bundle on several places, and see how far each is from this process.

    Args:
        bundle: The bundle, or its folder.
        places: Names of runtimes or of targets; a place that is missing is an error before anything runs.
        contract: The limits, judged on each place.
        metric: Task metric or its name.
        write: Write `proof/portability.json` into the bundle.
        report: Write `proof/report.html` anew where the bundle was proved for its own target.
        **options: What `measure` takes beside: evaluation, float_model, samples, seed, state, preprocess,
            latency_runs, threads, progress.

    Raises:
        TargetError: There is no such place.
        HostError: A place is not installed here, or fails.
        EdgecError: As `prove`.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    contract = contract or Contract()
    metric = metric_named(metric) if isinstance(metric, str) else metric
    if metric is not None:
        check_units(contract, metric)
    found = {name: place_on(name, bundle) for name in dict.fromkeys(places)}
    proved = []
    memory, oldest = contract.clause("peak_memory") is not None, contract.oldest_onnxruntime
    for name, place in found.items():
        proof = measure(bundle, metric=metric, place=place, memory=memory, oldest=oldest, **options)
        saturation = saturation_elsewhere(bundle, place, proof, {**options, "metric": metric})
        proved.append(Proved(place=name, proof=proof, verdict=judge(contract, proof), saturation=saturation))
    result = Portability(bundle=bundle.digest, places=tuple(proved))
    if write:
        write_records(bundle, {"portability": result.to_json()})
        if report:
            from .report.page.write import write_page

            write_page(bundle)
    return result
