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
    from ..receipts.receipt import Receipt

__all__ = ["EXAMPLES", "check"]

EXAMPLES = """
edgec check -o build/ --junit edgec.xml --markdown "$GITHUB_STEP_SUMMARY"
edgec check faces/edgec.toml -t raspberry-pi-5 --baseline verdicts.lock
edgec check app/edgec.toml --bundle app/dist/model
edgec check --baseline verdicts.lock --update-baseline
edgec check --receipt pi.json --key pi.pem.pub                     what a device answered counts, too
edgec check build/faces/host --receipt pi.json --key pi.pem.pub    nothing else: nothing runs here
"""
RECEIPTS = "Receipts"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions:
    """Which bundles, against what, told to whom."""

    projects: Annotated[
        list[Path] | None,
        Argument(metavar="[PROJECT]...", help="Project files, or one bundle with its receipts; else ./edgec.toml."),
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptOptions:
    """What devices answered, and what makes it count."""

    receipt: Annotated[
        list[Path] | None,
        Option(
            "--receipt",
            metavar="FILE",
            help="What edgec's runner wrote on a device; once per device.",
            rich_help_panel=RECEIPTS,
        ),
    ] = None
    key: Annotated[
        list[Path] | None,
        Option("--key", metavar="FILE", help="A device's public key; once per device.", rich_help_panel=RECEIPTS),
    ] = None
    max_age: Annotated[
        str | None,
        Option(
            "--max-age",
            metavar="AGE",
            help="How old a receipt may be: 12h, 30d, 4w. Else 30d; with --nonce any age.",
            rich_help_panel=RECEIPTS,
        ),
    ] = None
    nonce: Annotated[
        str | None,
        Option("--nonce", metavar="TEXT", help="The word that the devices were given.", rich_help_panel=RECEIPTS),
    ] = None


@takes_groups
def check(options: CheckOptions, devices: ReceiptOptions, talk: TalkOptions) -> int:
    """Prove the bundles of a build again and gate on their contracts; no bundle is changed.

    Receipts of devices are judged by the same contracts: times and memory are theirs, their golden answers must agree.
    The exit code is that of the clause that is not met, or 1 where several differ.
    """
    from ...errors import OptionError
    from ..building.baseline import Baseline
    from ..building.outcome import exit_code_of
    from ..check_project import check_projects
    from ..receipts.check import check_bundle_by_receipts
    from ..report.built import build_report
    from ..report.receipts import receipt_json, receipts_report
    from .console import print_json, print_text
    from .request import PROJECT_FILE
    from .talk import talking

    if options.update_baseline and options.baseline is None:
        raise OptionError("--update-baseline", "is given without a file", remedy="Name it with --baseline")
    known = None if options.baseline is None or options.update_baseline else Baseline.load(options.baseline)
    receipts = _receipts(devices)
    bundle = _bundle(options, receipts)
    with talking(talk) as talker:
        if bundle is not None:
            outcomes = [check_bundle_by_receipts(bundle, receipts)]
        else:
            outcomes = check_projects(
                options.projects or [Path(PROJECT_FILE)],
                options.output,
                only=options.target or (),
                alone=options.bundle,
                baseline=known,
                on=options.on,
                receipts=receipts,
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
        said = {"receipts": [receipt_json(each) for each in receipts]} if receipts else {}
        print_json({"exit_code": code, "bundles": [outcome.to_json() for outcome in outcomes], **said})
    else:
        print_text(*build_report(outcomes), *receipts_report(receipts))
    return code


def _receipts(options: ReceiptOptions) -> list[Receipt]:
    """The receipts named, each of which can be trusted.

    Raises:
        OptionError: Options contradict each other, or a key is none.
        ReceiptError: One cannot be trusted.
    """
    from ...errors import OptionError
    from ..receipts.trust import MAX_AGE, Trust, age, trusted_receipt
    from .request import nonce_of

    if not options.receipt:
        for name, value in (("--key", options.key), ("--max-age", options.max_age), ("--nonce", options.nonce)):
            if value is not None and value != []:
                raise OptionError(name, "is given without a receipt", remedy="Name it with --receipt")
        return []
    if not options.key:
        raise OptionError(
            "--receipt",
            "is given without a key: one that anybody may have signed shows nothing",
            remedy="Name the device's public key with --key",
        )
    nonce = nonce_of(options.nonce)
    limit = (None if nonce else MAX_AGE) if options.max_age is None else options.max_age
    trust = Trust(
        keys=tuple(options.key), nonce=nonce, max_age=None if limit is None else age(limit, where="--max-age")
    )
    return [trusted_receipt(file, trust) for file in options.receipt]


def _bundle(options: CheckOptions, receipts: Sequence[Receipt]) -> Path | None:
    """The bundle that stands where project files do; None where there is none.

    Raises:
        OptionError: It stands among others, or without what can be checked of it.
    """
    from ...bundle import MANIFEST
    from ...errors import OptionError

    bundles = [path for path in options.projects or () if (path / MANIFEST).is_file()]
    if not bundles:
        return None
    if len(options.projects or ()) > 1:
        raise OptionError(str(bundles[0]), "is a bundle among others", remedy="Check one bundle, or projects")
    if not receipts:
        raise OptionError(
            str(bundles[0]),
            "is a bundle: there is no project to check it by",
            remedy="Name a device's --receipt, or measure it: edgec prove",
        )
    if options.baseline is not None or options.on is not None or options.target or options.bundle:
        raise OptionError(
            str(bundles[0]),
            "is a bundle: --baseline, --bundle, --on and --target are of projects",
            remedy="Leave them out, or name the project",
        )
    return bundles[0]


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
