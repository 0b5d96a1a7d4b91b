"""`edgec run`: what a bundle answers; without feeds of your own, whether it still answers its golden ones."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions
from .prompt import PromptOptions

if TYPE_CHECKING:
    from ...bundle import Bundle
    from ...runtimes.base import Session

__all__ = ["EXAMPLES", "run"]

EXAMPLES = """
edgec run out/                                  replay the golden inputs, compare with the golden outputs
edgec run out/ --input feeds.npz -o answers.npz
edgec run out/ --input out/golden/inputs.npz --format json
edgec run out/ --on qnn-htp --context           the same, from what the backend compiled offline
edgec run out/ --prompt "Once upon a time" --max-new-tokens 64
edgec run out/ --prompt "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 1
edgec run out/ --adapter support --input feeds.npz
"""
_FEEDS = "Feeds"


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedOptions:
    """Which bundle, fed with what."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    input: Annotated[
        Path | None,
        Option(
            "-i", "--input",
            metavar="NPZ",
            help="Arrays by input name, batch axis included; `name@0`, `name@1` for steps. Else the golden inputs.",
            rich_help_panel=_FEEDS,
        ),
    ] = None  # fmt: skip
    output: Annotated[
        Path | None,
        Option("-o", "--output", metavar="NPZ", help="Write the outputs by name.", rich_help_panel=_FEEDS),
    ] = None
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the output file.", rich_help_panel=_FEEDS)] = False
    threads: Annotated[
        int, Option("--threads", metavar="N", help="Intra-op threads; 0: the runtime's choice.", rich_help_panel=_FEEDS)
    ] = 1
    on: Annotated[
        str | None,
        Option(
            "--on",
            metavar="PLACE",
            help="Runtime or target to run it on; else its target's runtime (edgec runtime list).",
            rich_help_panel=_FEEDS,
        ),
    ] = None
    adapter: Annotated[
        str | None,
        Option(
            "--adapter",
            metavar="NAME",
            help="Switch this adapter of the bundle on; else none.",
            rich_help_panel=_FEEDS,
        ),
    ] = None
    context: Annotated[
        bool, Option("--context", help="Load the context binary in the model's stead.", rich_help_panel=_FEEDS)
    ] = False
    ort: Annotated[bool, Option("--ort", help="Load model.ort in the model's stead.", rich_help_panel=_FEEDS)] = False


@takes_groups
def run(feeds: FeedOptions, prompt: PromptOptions, talk: TalkOptions) -> int:
    """Run a bundle in a plain session: in this process, or where its target's runtime is installed.

    With --prompt a decoder goes on from a text, printed as it comes. Without --input the golden sample is replayed;
    exit 0 when the answers agree with the golden outputs, else the code of the clause `golden`.
    """
    from ...bundle import Bundle
    from ...errors import OptionError
    from ...runtimes.adapters import adapted
    from ..proving.context import check_context
    from ..proving.ort_format import check_ort
    from ..run import opened
    from .feeds import check_output
    from .prompt import tell
    from .request import not_negative
    from .talk import talking

    if feeds.context and feeds.ort:
        raise OptionError("--ort", "and --context load two files in the model's stead", remedy="Give one of them")
    if prompt.prompt is not None and (feeds.input is not None or feeds.output is not None):
        raise OptionError("--prompt", "and --input/--output say what is fed twice", remedy="Give one of them")
    bundle = Bundle.open(feeds.bundle)
    if feeds.output is not None:
        check_output(feeds.output, overwrite=feeds.overwrite)
    threads = not_negative("--threads", feeds.threads)
    # A text is its own progress.
    with talking(talk) as talker, nullcontext() if prompt.prompt is not None else talker.progress.stage("run"):
        check_context(bundle)
        check_ort(bundle)
        bundle.verify()
        begun = opened(
            bundle,
            on=feeds.on,
            context=feeds.context,
            ort=feeds.ort,
            threads=threads,
            decoding=prompt.prompt is not None,
        )
        with begun as session:
            if feeds.adapter is not None:
                session = adapted(session, bundle.adapter(feeds.adapter))
            if prompt.prompt is None:
                return (_replay if feeds.input is None else _answer)(bundle, session, feeds, talk)
            return tell(bundle, session, prompt, talker, talk)


def _answer(bundle: Bundle, session: Session, feeds: FeedOptions, talk: TalkOptions) -> int:
    """Outputs for the user's feeds."""
    from ..report.ran import output_summary, outputs_table
    from .console import print_json, print_text
    from .feeds import read_feeds, write_outputs

    assert feeds.input is not None
    answers = [session.run(step) for step in read_feeds(feeds.input)]
    if feeds.output is not None:
        write_outputs(feeds.output, answers)
    if talk.json:
        steps = [{name: output_summary(array) for name, array in step.items()} for step in answers]
        print_json({"bundle": str(bundle.path), "steps": steps, "output": feeds.output and str(feeds.output)})
    else:
        print_text(outputs_table(answers))
    return 0


def _replay(bundle: Bundle, session: Session, feeds: FeedOptions, talk: TalkOptions) -> int:
    """The golden sample again."""
    from dataclasses import asdict

    from ..clauses import CLAUSE_KINDS
    from ..proving.golden import replay_golden
    from ..report.text import golden_text
    from ..samples.base import State
    from .console import print_json, print_text
    from .feeds import write_outputs

    inputs, outputs = bundle.golden(feeds.adapter)
    manifest = bundle.manifest
    near = (manifest.get("golden_noise_db"), manifest["target"].get("golden_margin_db", 3.0))
    found = asdict(replay_golden(session, inputs, outputs, State(carried=dict(manifest["state"])), *near))
    if feeds.output is not None:
        write_outputs(feeds.output, [session.run(step) for step in inputs])
    if talk.json:
        print_json({"bundle": str(bundle.path), "golden": found})
    else:
        print_text(f"golden: {golden_text(found)}")
    return 0 if found["agrees"] else CLAUSE_KINDS["golden"].exit_code
