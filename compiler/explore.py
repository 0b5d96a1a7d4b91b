"""Search over models and recipes: try each, keep what is tried, compare what was measured, recommend a point.

A trial is one compile with its proof on the evaluation samples. It is kept by its content, so a search that was killed
goes on behind the last trial it finished. Times are measured of all points in one place, when all trials are done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OptionError, OutputError
from .exploring.asked import ask
from .exploring.candidate import Candidate, Models, Recipes, candidates_of
from .exploring.conclude import conclude
from .exploring.exploration import Exploration
from .exploring.gather import Gathered, Told, gather
from .exploring.kept import Kept
from .exploring.measuring import Timer, Together, measure_together
from .exploring.objectives import DEFAULT, check_objectives
from .exploring.ship import ship, unship
from .observe import usable_cores
from .progress import Progress, Quiet
from .write_whole import write_whole

__all__ = ["Exploration", "explore", "search"]

# What lies in the folder of a search.
TRIALS, RECOMMENDED, RECORD, TABLE, PAGE = "trials", "recommended", "search.json", "search.md", "report.html"


def search(
    models: Models,
    recipes: Recipes,
    *,
    output: str | Path = "search",
    by: Sequence[str] = DEFAULT,
    executor: Executor | None = None,
    jobs: int | None = None,
    timer: Timer | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    **options: Any,
) -> Exploration:
    """Compare models under recipes on one device, and recommend a point that keeps the contract.

    Args:
        models: Paths by name, or paths.
        recipes: Options of `compile` by name, or words like `a8w8,rounding=gptq`.
        output: The folder of the search: its trials, its report, and the recommended bundle.
        by: What points are compared by, the most important first: accuracy, latency, size, memory, sqnr.
        executor: Runs the trials, say `distributed.Client(…).get_executor()`; its workers see `output`. None makes one
            of `jobs` processes.
        jobs: Trials at once; None is half of the cores.
        timer: Times all points, in the stead of this machine's paired blocks.
        progress: Who watches.
        told: Told of every candidate as its trial ends.
        **options: Of `compile`, for all candidates: target, calibration, evaluation, contract, metric, ...

    Returns:
        The search; its table, plot and numbers lie in `output`, too.

    Raises:
        InputError: A candidate cannot be read, or an option is wrong.
    """
    candidates = candidates_of(models, recipes, options)
    return explore(
        candidates,
        Path(output),
        by=by,
        executor=executor,
        jobs=jobs,
        timer=timer,
        progress=progress,
        told=told,
    )


def explore(
    candidates: Sequence[Candidate],
    output: Path,
    *,
    by: Sequence[str] = DEFAULT,
    executor: Executor | None = None,
    jobs: int | None = None,
    timer: Timer | None = None,
    anew: bool = False,
    progress: Progress | None = None,
    told: Told | None = None,
) -> Exploration:
    """Search over candidates, as `search` does over models and recipes.

    Args:
        candidates: At least one, all for one target.
        output: The folder of the search.
        by: What points are compared by, the most important first.
        executor: Runs the trials; None makes one of `jobs` processes.
        jobs: Trials at once; None is half of the cores.
        timer: Times all points, in the stead of this machine's paired blocks.
        anew: Measure times again, of points that were measured before, too.
        progress: Who watches.
        told: Told of every candidate as its trial ends.
    """
    if jobs is not None and jobs < 1:
        raise OptionError("--jobs", f"{jobs} is not a positive number", remedy="Give at least 1")
    check_objectives(by, models=len({each.model for each in candidates}))
    output, progress = output.absolute(), progress or Quiet()
    kept, asked = Kept(folder=output / TRIALS), ask(candidates)
    gathered = gather(
        asked, kept, executor=executor, jobs=jobs or max(1, usable_cores() // 2), progress=progress, told=told
    )
    points, together = gathered.points, Together()
    if points:
        together = measure_together(points, by, output, progress=progress, timer=timer, anew=anew)
    found = _shipped(conclude(asked, gathered, together, by), gathered, output / RECOMMENDED, kept, progress)
    _write(found, output)
    return found


def _shipped(found: Exploration, gathered: Gathered, output: Path, kept: Kept, progress: Progress) -> Exploration:
    """The search with its recommended bundle, whose own verdict is what counts; none but that lies there."""
    if not found.chosen:
        unship(output)
        return found
    point = next(point for point in gathered.points if point.name == found.chosen)
    bundle, verdict = ship(point, output, kept, progress)
    notes = found.notes
    if verdict.exit_code:
        notes = (*notes, f"{found.chosen} was {verdict.word} when it was proved once more")
    return replace(found, bundle=bundle.path, verdict=verdict, notes=notes, exit_code=verdict.exit_code)


def _write(found: Exploration, output: Path) -> None:
    """Write the search for machines and for people.

    Raises:
        OutputError: It cannot be written.
    """
    from .report.explored import explored_markdown
    from .report.page.explored import explored_html

    texts = {
        RECORD: json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        TABLE: explored_markdown(found),
        PAGE: explored_html(found, output),
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(output / name, text)
    except OSError as error:
        raise OutputError(str(output), f"cannot be written: {error.strerror}", remedy="Give another -o") from error
