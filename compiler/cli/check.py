"""`edgec check`: the gate of CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import OUTPUT, TalkOptions

if TYPE_CHECKING:
    from ..building.outcome import Outcome

__all__ = ["EXAMPLES", "check"]

EXAMPLES = """
edgec check -o build/ --junit edgec.xml --markdown "$GITHUB_STEP_SUMMARY"
edgec check faces/edgec.toml -t raspberry-pi-5 --baseline verdicts.lock
edgec check app/edgec.toml --bundle app/dist/model
edgec check --baseline verdicts.lock --update-baseline
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions:
    """Which bundles, against what, told to whom."""

    projects: Annotated[
        list[Path] | None,
        Argument(metavar="[PROJECT]...", help="Project files; else ./edgec.toml."),
    ] = None
    output: Annotated[Path, Option("-o", "--output", metavar="DIR", help="The folder that `edgec build` wrote.")] = (
        Path("build")
    )
    bundle: Annotated[
        Path | None,
        Option("--bundle", metavar="DIR", help="Where the one bundle is, in the stead of -o.", rich_help_panel=OUTPUT),
    ] = None
    target: Annotated[
        list[str] | None, Option("-t", "--target", metavar="NAME", help="Only this one of [targets]; once per target.")
    ] = None
    on: Annotated[
        str | None, Option("--on", metavar="PLACE", help="Runtime to prove on; else the best for each target.")
    ] = None
    baseline: Annotated[
        Path | None,
        Option("--baseline", metavar="FILE", help="Earlier verdicts: nothing may be worse than it tolerates."),
    ] = None
    update_baseline: Annotated[
        bool, Option("--update-baseline", help="Write the baseline anew, where every contract is met.")
    ] = False
    junit: Annotated[
        Path | None, Option("--junit", metavar="FILE", help="Write JUnit XML.", rich_help_panel=OUTPUT)
    ] = None
    sarif: Annotated[
        Path | None, Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0.", rich_help_panel=OUTPUT)
    ] = None
    markdown: Annotated[
        Path | None, Option("--markdown", metavar="FILE", help="Append a Markdown summary.", rich_help_panel=OUTPUT)
    ] = None


@takes_groups
def check(options: CheckOptions, talk: TalkOptions) -> int:
    """Prove the bundles of a build again and gate on their contracts; no bundle is changed.

    The exit code is that of the clause that is not met, or 1 where several differ.
    """
    from ...errors import OptionError
    from ..building.baseline import Baseline
    from ..building.outcome import exit_code_of
    from ..check_project import check_projects
    from ..report.built import build_report
    from .console import print_json, print_text
    from .request import PROJECT_FILE
    from .talk import talking

    if options.update_baseline and options.baseline is None:
        raise OptionError("--update-baseline", "is given without a file", remedy="Name it with --baseline")
    known = None if options.baseline is None or options.update_baseline else Baseline.load(options.baseline)
    with talking(talk) as talker:
        outcomes = check_projects(
            options.projects or [Path(PROJECT_FILE)],
            options.output,
            only=options.target or (),
            alone=options.bundle,
            baseline=known,
            on=options.on,
            progress=talker.progress,
        )
        code = exit_code_of([outcome.exit_code for outcome in outcomes])
        if options.update_baseline and options.baseline is not None:
            if code == 0:
                Baseline.of(outcomes).save(options.baseline)
            else:
                talker.say(f"{options.baseline} stays as it was: not every contract is met")
    _write(options, outcomes)
    if talk.json:
        print_json({"exit_code": code, "bundles": [outcome.to_json() for outcome in outcomes]})
    else:
        print_text(*build_report(outcomes))
    return code


def _write(options: CheckOptions, outcomes: Sequence[Outcome]) -> None:
    """The reports that machines read.

    Raises:
        OutputError: One cannot be written.
    """
    from ...errors import OutputError
    from ..report.junit import junit_xml
    from ..report.markdown import markdown_summary
    from ..report.sarif import sarif_json

    reports = (
        (options.junit, junit_xml(outcomes), "w"),
        (options.sarif, sarif_json(outcomes, Path.cwd()), "w"),
        (options.markdown, markdown_summary(outcomes), "a"),
    )
    for file, text, mode in reports:
        if file is None:
            continue
        try:
            with file.open(mode, encoding="utf-8") as written:
                written.write(text)
        except OSError as error:
            raise OutputError(str(file), f"cannot be written: {error.strerror}", remedy="Name another file") from error
