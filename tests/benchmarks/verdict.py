"""What the table has to show of one model, and of all: each line of acceptance as a pure function of the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from classic import judge_classic
from forms import BUDGET, OURS, RIVALS
from line import Line, last_line, status
from models import FLOORS, MODELS
from process import Record

__all__ = ["judge", "judge_all", "rival_drops"]

DROP_LIMIT = 0.01
SIZE_LIMIT = 0.35
NOTHING_LEFT = 1.0  # the relative drop that a form without a number is taken for


def judge(record: Record) -> Iterator[Line]:
    """Every line of one model; nothing about a form that was left out."""
    model = record["model"]
    if "absent" in record:
        yield Line(model=model, name="present", status="unknown", text=record["absent"])
        return
    failed = {form: entry["error"] for form, entry in record["compile"].items() if "error" in entry}
    for form in (OURS, BUDGET):
        if form in failed:
            yield Line(model=model, name=f"compiled {form}", status="red", text=last_line(failed[form]))
    if "error" in record["measure"]:
        yield Line(model=model, name="measured", status="red", text=last_line(record["measure"]["error"]))
        return
    for form, name in ((OURS, "default"), (BUDGET, "budget")):
        if form in record["measure"]:
            yield _metric(record, form, f"{name}-metric")
    for form, prefix in ((OURS, ""), (BUDGET, "budget-")):
        if form in record["measure"]:
            yield _integers(record, form, prefix)
    if MODELS[model].classic and OURS in record["measure"]:
        yield from judge_classic(record)


def judge_all(records: Sequence[Record]) -> Iterator[Line]:
    """Ours by default against the best of the rival's forms of each model, where one of them worked: worst and mean."""
    ours, theirs = [], []
    for record in records:
        drops = rival_drops(record)
        if drops and OURS in record["measure"]:
            ours.append((_relative(record, OURS), record["model"]))
            theirs.append((min(drops.values()), record["model"]))
    if not ours:
        return
    (mine, where), (other, there) = max(ours), max(theirs)
    yield Line(
        model="all",
        name="beats-rivals-worst",
        status=status(mine < other),
        text=f"worst relative drop {mine:+.2%} ({where}), best rival form per model {other:+.2%} ({there})",
    )
    mine, other = (sum(drop for drop, _ in each) / len(each) for each in (ours, theirs))
    refused = [record["model"] for record in records if record.get("compile") and not rival_drops(record)]
    yield Line(
        model="all",
        name="beats-rivals-mean",
        status=status(mine < other),
        text=f"mean relative drop {mine:+.2%}, best rival form per model {other:+.2%}, over {len(ours)} models"
        + (f"; every rival form refused {', '.join(refused)}" if refused else ""),
    )


def rival_drops(record: Record) -> dict[str, float]:
    """Relative drop by the rival's form, of those that gave a model that runs."""
    measured = record.get("measure", {})
    return {form: _relative(record, form) for form in RIVALS if form in measured}


def _relative(record: Record, form: str) -> float:
    relative = record["measure"][form]["drop"]["relative"]
    return NOTHING_LEFT if relative != relative else float(relative)  # NaN: the metric is gone


def _metric(record: Record, form: str, name: str) -> Line:
    drop = _relative(record, form)
    measured, reference = (record["measure"][each]["metric"] for each in (form, "float"))
    return Line(
        model=record["model"],
        name=name,
        status=status(drop <= DROP_LIMIT),
        text=f"{measured['name']} {measured['estimate']:.4f}, float {reference['estimate']:.4f}: "
        f"{drop:+.2%} lost, limit {DROP_LIMIT:.0%}",
    )


def _integers(record: Record, form: str, prefix: str) -> Line:
    """Share of the MACs on integers; of a recurrent model, whose weights are what costs, the size of the file."""
    model = MODELS[record["model"]]
    if model.integer_floor is None:
        ratio = record["compile"][form]["size_bytes"] / record["float_bytes"]
        return Line(
            model=model.name,
            name=f"{prefix}size",
            status=status(ratio <= SIZE_LIMIT),
            text=f"{ratio:.3f}x of float, limit {SIZE_LIMIT:g}x",
        )
    share = record["placement"].get(form, {}).get("share")
    # What a limit on accuracy may cost in integers is asked by kind; the classifiers' higher floor is the default's.
    floor = model.integer_floor if form == OURS else FLOORS[model.kind]
    return Line(
        model=model.name,
        name=f"{prefix}integer-macs",
        status=status(share is not None and share >= (floor or 0.0)),
        text=f"{'unknown' if share is None else f'{share:.1%}'} of the MACs, floor {floor or 0:.0%}",
    )
