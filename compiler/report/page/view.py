"""A page as values: every word and drawing of it, before there is any HTML."""

from __future__ import annotations

from dataclasses import dataclass

from .against_float import (
    Figure,
    LatencyRow,
    OutputRow,
    cards,
    latency_rows,
    load_text,
    output_rows,
    samples_text,
)
from .clauses import Banner, ClauseRow, banner_of, clause_rows
from .diagnosis import Diagnosed, diagnosed_of
from .kernels import Kernels, kernels_of
from .origin import Recipe, date_text, files_of, provenance, recipe_of, when
from .places import PlaceRow, places_of
from .sources import Sources
from .svg import Ids
from .values import Depth, Histograms, depth_of, histograms_of

__all__ = ["Page", "page_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page, in the order it is read.

    Attributes:
        model, target: Named in the headline.
        about: What was compiled for what, in a line.
        date, moment: Of the proof: the day, and to the minute.
        edgec: The version that proved it.
        banner, clauses: The verdict, and every clause of the contract.
        notes: What its reader must know.
        cards, outputs, samples, latency, load: Against float.
        kernels: Kernel truth.
        depth, histograms, diagnosis: Inside the model; None where nobody looked.
        places: Other places it was proved on.
        recipe, facts, files: How it was made, and of what.
        digest: The bundle's.
    """

    model: str
    target: str
    about: str
    date: str
    moment: str
    edgec: str
    banner: Banner
    clauses: tuple[ClauseRow, ...]
    notes: tuple[str, ...]
    cards: tuple[Figure, ...]
    outputs: tuple[OutputRow, ...]
    samples: str
    latency: tuple[LatencyRow, ...]
    load: str
    kernels: Kernels | None
    depth: Depth | None
    histograms: Histograms | None
    diagnosis: Diagnosed | None
    places: tuple[PlaceRow, ...]
    recipe: Recipe
    facts: tuple[tuple[str, str, bool], ...]
    files: tuple[tuple[str, str, str], ...]
    digest: str


def page_of(sources: Sources) -> Page:
    """Everything the page of a proof says; the same for the same records."""
    ids, proof, manifest = Ids(), sources.proof, sources.manifest
    target, rows = manifest["target"], clause_rows(sources, ids)
    return Page(
        model=_name(str(manifest["source"].get("origin", ""))),
        target=target["name"],
        about=f"{manifest['scheme']}, {target['isa']}, {target['runtime']}",
        date=date_text(proof["date"]),
        moment=when(proof["date"]),
        edgec=proof["versions"].get("edgec", ""),
        banner=banner_of(sources, rows),
        clauses=rows,
        notes=tuple(dict.fromkeys((*sources.verdict["notes"], *manifest["notes"]))),
        cards=cards(sources, ids),
        outputs=output_rows(proof),
        samples=samples_text(proof),
        latency=latency_rows(proof),
        load=load_text(proof),
        kernels=kernels_of(sources, ids),
        depth=depth_of(sources, ids),
        histograms=histograms_of(sources, ids),
        diagnosis=diagnosed_of(sources),
        places=places_of(sources),
        recipe=recipe_of(sources),
        facts=provenance(sources),
        files=files_of(sources),
        digest=sources.digest,
    )


def _name(origin: str) -> str:
    """What the headline calls the model: its file; one that came from no file has a Python type for an origin."""
    return origin if origin and not origin.startswith("<") else "Model in memory"
