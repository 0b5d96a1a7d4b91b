"""`edgec runner`: the script that a device runs by itself, and the receipt it signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions

__all__ = ["EXAMPLES", "runner"]

EXAMPLES = """
edgec runner --write edgec_runner.py                    for a device with Python, onnxruntime and numpy
edgec runner --write edgec_runner.mjs --language javascript
edgec runner out/ --key device.pem                      a receipt of this machine
edgec runner out/ --key /etc/edgec.pem --on ssh:pi@raspberrypi -o pi.json
edgec check out/ --receipt pi.json --key pi.pem.pub     the gate
"""
_SCRIPT = "Script"
_RUN = "Run"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerOptions:
    """Which bundle answers where, or the script alone."""

    bundle: Annotated[
        str | None, Argument(metavar="[BUNDLE]", help="Folder that `edgec compile` wrote.", show_default=False)
    ] = None
    write: Annotated[
        Path | None,
        Option(
            "--write", metavar="FILE", help="Write the script, one file that needs no edgec.", rich_help_panel=_SCRIPT
        ),
    ] = None
    language: Annotated[
        str | None,
        Option(
            "--language",
            metavar="NAME",
            help="python or javascript; else by FILE's ending.",
            rich_help_panel=_SCRIPT,
        ),
    ] = None
    key: Annotated[
        str,
        Option("--key", metavar="FILE", help="Private key, PEM, there; else $EDGEC_SIGNING_KEY.", rich_help_panel=_RUN),
    ] = ""
    output: Annotated[
        Path, Option("-o", "--output", metavar="FILE", help="Where the receipt goes.", rich_help_panel=_RUN)
    ] = Path("receipt.json")
    on: Annotated[
        str | None,
        Option(
            "--on",
            metavar="PLACE",
            help="A runtime, python:INTERPRETER, ssh:MACHINE or adb:DEVICE; else this interpreter.",
            rich_help_panel=_RUN,
        ),
    ] = None
    nonce: Annotated[
        str | None, Option("--nonce", metavar="TEXT", help="A word to answer, for who checks.", rich_help_panel=_RUN)
    ] = None
    device: Annotated[
        str, Option("--device", metavar="NAME", help="What it is called; else its host name.", rich_help_panel=_RUN)
    ] = ""
    threads: Annotated[
        int, Option("--threads", metavar="N", help="Intra-op threads; 0: the runtime's choice.", rich_help_panel=_RUN)
    ] = 1
    warmup: Annotated[
        int, Option("--warmup", metavar="N", help="Runs before those that are timed.", rich_help_panel=_RUN)
    ] = 5
    runs: Annotated[
        int,
        Option("--runs", metavar="N", help="Timed runs: ten at least, fewer after ten seconds.", rich_help_panel=_RUN),
    ] = 100


@takes_groups
def runner(options: RunnerOptions, talk: TalkOptions) -> int:
    """Hand out the script that a device runs by itself; or run it in a place, and bring its receipt.

    It compares the bundle with its manifest, replays the golden inputs, times them, and signs what came of it with
    the device's own key. It judges nothing: `edgec check --receipt` does.
    """
    from ...errors import OptionError
    from .console import print_json, print_text

    if options.bundle is None and options.write is None:
        raise OptionError("BUNDLE", "is missing", remedy="Name the bundle, or ask for the script with --write")
    if options.language is not None and options.write is None:
        raise OptionError("--language", "is given without a file", remedy="Name it with --write")
    language = None if options.write is None else _write_script(options.write, options.language)
    said = None if options.bundle is None else _receipt(options, options.bundle, talk)
    if talk.json:
        values = {"script": None if options.write is None else str(options.write), "language": language}
        print_json({**values, "receipt": None if said is None else str(options.output), "statement": said})
        return 0
    if options.write is not None:
        print_text(f"wrote {options.write} ({language})")
    if said is not None:
        from ...runtimes.device.receipt import summary

        print_text(*summary(said), f"wrote {options.output}")
    return 0


def _write_script(file: Path, language: str | None) -> str:
    """Write the script; its language.

    Raises:
        OptionError: There is none in that language.
        OutputError: It cannot be written.
    """
    from ...errors import OptionError, OutputError
    from ...runtimes.device.script import LANGUAGES, script
    from ..write_whole import write_whole

    chosen = language or ("javascript" if file.suffix in (".mjs", ".js") else "python")
    if chosen not in LANGUAGES:
        raise OptionError(f"--language {chosen}", "is unknown", remedy=f"Choose one of {', '.join(LANGUAGES)}")
    try:
        write_whole(file, script(chosen))
    except OSError as error:
        raise OutputError(str(file), f"cannot be written: {error.strerror}", remedy="Name another file") from error
    return chosen


def _receipt(options: RunnerOptions, bundle: str, talk: TalkOptions) -> dict[str, object]:
    """Write the receipt of a place; the statement in it.

    Raises:
        EdgecError: The place gives none.
        OutputError: It cannot be written.
    """
    import base64
    import json

    from ...bundle import Bundle
    from ...errors import OutputError
    from ..receipts.fetch import fetch_receipt
    from ..write_whole import write_whole
    from .request import nonce_of, not_negative, positive
    from .talk import talking

    numbers = {name: not_negative(f"--{name}", getattr(options, name)) for name in ("threads", "warmup")}
    positive("--runs", options.runs)
    nonce = nonce_of(options.nonce)
    with talking(talk) as talker, talker.progress.stage("run"):
        text = fetch_receipt(
            Bundle.open(bundle),
            on=options.on,
            key=options.key,
            nonce=nonce,
            device=options.device,
            runs=options.runs,
            **numbers,
        )
    try:
        write_whole(options.output, text)
    except OSError as error:
        raise OutputError(
            str(options.output), f"cannot be written: {error.strerror}", remedy="Name another file"
        ) from error
    said: dict[str, object] = json.loads(base64.b64decode(json.loads(text)["payload"]))
    return said
