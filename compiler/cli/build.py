"""`edgec build`: every target of a project, proved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import OUTPUT, TalkOptions

if TYPE_CHECKING:
    from ..build_project import BuildOptions

__all__ = ["EXAMPLES", "build"]

EXAMPLES = """
edgec build
edgec build faces/edgec.toml speech/edgec.toml -o build/ --jobs 4
edgec build --target raspberry-pi-5 --format json
edgec build --dry-run
edgec build --no-gate && edgec check --junit edgec.xml
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildChoice:
    """Which projects, and how they are built."""

    projects: Annotated[
        list[Path] | None,
        Argument(metavar="[PROJECT]...", help="Project files; else ./edgec.toml.", show_default=False),
    ] = None
    output: Annotated[
        Path,
        Option("-o", "--output", metavar="DIR", help="Bundles go to DIR/MODEL/TARGET.", rich_help_panel=OUTPUT),
    ] = Path("build")
    bundle: Annotated[
        Path | None,
        Option(
            "--bundle", metavar="DIR", help="Where the one bundle goes, in the stead of -o.", rich_help_panel=OUTPUT
        ),
    ] = None
    target: Annotated[
        list[str] | None,
        Option("-t", "--target", metavar="NAME", help="Only this one of [targets]; once per target."),
    ] = None
    jobs: Annotated[
        int | None,
        Option(
            "-j", "--jobs",
            metavar="N",
            help="Bundles compiled at once; else half of the cores. Proofs wait for each other; with 1 nothing else "
            "runs while latency is measured.",
        ),
    ] = None  # fmt: skip
    max_memory: Annotated[
        str | None,
        Option("--max-memory", metavar="SIZE", help="What all of them together may hold, say 8G."),
    ] = None
    cache: Annotated[bool, Option("--cache/--no-cache", help="Take bundles made before from the cache.")] = True
    cache_dir: Annotated[
        Path | None, Option("--cache-dir", metavar="DIR", help="Where the cache is; else this system's place for it.")
    ] = None
    cache_size: Annotated[
        str, Option("--cache-size", metavar="SIZE", help="What the bundles in the cache may take; the oldest go.")
    ] = "10G"
    gate: Annotated[
        bool,
        Option("--gate/--no-gate", help="A clause that is not met decides the exit code; else `edgec check` is to."),
    ] = True
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Say which bundles are in the cache and what the others would be, and stop.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    depfile: Annotated[
        Path | None,
        Option(
            "--depfile",
            metavar="FILE",
            help="Write what the bundles were made from, as Make and Ninja read it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None


@takes_groups
def build(choice: BuildChoice, talk: TalkOptions) -> int:
    """Compile and prove every target of a project; what was built before comes from the cache.

    The exit code is that of the verdict that is not met, or 1 where several differ; with --no-gate only of what could
    not be made.
    """
    from ..build_project import BuildOptions, build_projects, sources_of_build
    from ..building.outcome import exit_code_of
    from ..depfile import write_depfile
    from ..observe import usable_cores
    from ..report.built import build_report
    from ..report.page.index import write_index
    from ..sizes import size_of
    from .console import print_json, print_text
    from .request import PROJECT_FILE, positive
    from .talk import talking

    with talking(talk) as talker:
        options = BuildOptions(
            jobs=positive("--jobs", choice.jobs) or max(1, usable_cores() // 2),
            max_memory=None if choice.max_memory is None else size_of(choice.max_memory, where="--max-memory"),
            cache=choice.cache,
            cache_dir=choice.cache_dir,
            cache_bytes=size_of(choice.cache_size, where="--cache-size"),
            gate=choice.gate,
            progress=talker.progress,
        )
        if choice.dry_run:
            return _dry_run(choice, options, as_json=talk.json)
        outcomes = build_projects(
            choice.projects or [Path(PROJECT_FILE)],
            choice.output,
            only=choice.target or (),
            alone=choice.bundle,
            options=options,
            done=lambda outcome: talker.say(f"{outcome.job.name} is done in {outcome.seconds:.1f} s"),
        )
        if choice.bundle is None:
            write_index(choice.output, outcomes)
        if choice.depfile is not None:
            write_depfile(choice.depfile, sources_of_build([outcome.job for outcome in outcomes if outcome.bundle]))
    judged = [outcome for outcome in outcomes if choice.gate or outcome.verdict is None]
    code = exit_code_of([outcome.exit_code for outcome in judged])
    if talk.json:
        print_json({"exit_code": code, "bundles": [outcome.to_json() for outcome in outcomes]})
    else:
        print_text(*build_report(outcomes))
    return code


def _dry_run(choice: BuildChoice, options: BuildOptions, *, as_json: bool) -> int:
    """Print what a build would do; the exit code."""
    from ..building.outcome import exit_code_of
    from ..plan_build import plan_projects
    from ..report.planned_build import planned_build
    from .console import print_json, print_text
    from .request import PROJECT_FILE

    files = choice.projects or [Path(PROJECT_FILE)]
    bundles = plan_projects(files, choice.output, only=choice.target or (), shelf=options.shelf)
    code = exit_code_of([bundle.exit_code for bundle in bundles])
    if as_json:
        print_json({"exit_code": code, "bundles": [bundle.to_json() for bundle in bundles]})
    else:
        print_text(*planned_build(bundles))
    return code
