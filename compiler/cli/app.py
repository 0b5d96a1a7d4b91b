"""The command line: `edgec`, `python -m edgec`.

Only typer is imported here and in the commands' signatures; what a command needs, it imports when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

from ... import __version__
from . import build as build_command
from . import check as check_command
from . import compare as compare_command
from . import compile as compile_command
from . import diagnose as diagnose_command
from . import diff as diff_command
from . import distill as distill_command
from . import export as export_command
from . import init as init_command
from . import inspect as inspect_command
from . import plan as plan_command
from . import prove as prove_command
from . import run as run_command
from . import runner as runner_command
from . import search as search_command
from . import sign as sign_command
from . import targets as targets_command
from . import wrap as wrap_command
from .argv import normalised, wants_json
from .help import CONTEXT, Command, Group
from .runtime import runtime_commands
from .signals import interruptible

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="edgec",
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"edgec {__version__}\n")
        raise typer.Exit


def _cmake_dir(wanted: bool) -> None:
    if wanted:
        from pathlib import Path

        sys.stdout.write(f"{(Path(__file__).parents[1] / 'wrapping').as_posix()}\n")
        raise typer.Exit


@app.callback()
def edgec(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    cmake_dir: Annotated[
        bool,
        typer.Option(
            "--cmake-dir",
            callback=_cmake_dir,
            is_eager=True,
            help="Print where CMake finds edgecConfig.cmake and stop.",
        ),
    ] = False,
) -> None:
    """Compile a trained model for a device into a small, fast bundle, and prove it.

    \b
      edgec compile model.onnx --target host --calibration calib.npz --evaluation eval.npz -o out/

    Every option may be written with - or _ (--per_channel is --per-channel).
    """  # noqa: D301 - \b is a mark of click's
    del version, cmake_dir


_COMMANDS: tuple[tuple[str, Callable[..., int], str, str], ...] = (
    ("compile", compile_command.compile, "A model becomes a proved bundle.", compile_command.EXAMPLES),
    ("init", init_command.init, "A project file made of a model.", init_command.EXAMPLES),
    ("build", build_command.build, "Every target of a project, proved.", build_command.EXAMPLES),
    ("check", check_command.check, "Gate on the bundles of a project.", check_command.EXAMPLES),
    ("search", search_command.search, "Models under recipes, and the point to take.", search_command.EXAMPLES),
    ("plan", plan_command.plan, "The passes that would run, and whether it fits.", plan_command.EXAMPLES),
    ("prove", prove_command.prove, "Measure a bundle, judge it by a contract.", prove_command.EXAMPLES),
    ("compare", compare_command.compare, "Two models, layer by layer.", compare_command.EXAMPLES),
    ("diff", diff_command.diff, "What changed between two bundles.", diff_command.EXAMPLES),
    ("diagnose", diagnose_command.diagnose, "Why a bundle loses accuracy, and the repair.", diagnose_command.EXAMPLES),
    ("distill", distill_command.distill, "A model in few bits learns from itself.", distill_command.EXAMPLES),
    ("inspect", inspect_command.inspect, "What a model or a bundle is.", inspect_command.EXAMPLES),
    ("run", run_command.run, "What a bundle answers.", run_command.EXAMPLES),
    ("runner", runner_command.runner, "What a device answers by itself, signed.", runner_command.EXAMPLES),
    ("sign", sign_command.sign, "Sign a bundle.", sign_command.SIGN_EXAMPLES),
    ("verify", sign_command.verify, "Check every byte of a bundle.", sign_command.VERIFY_EXAMPLES),
    ("wrap", wrap_command.wrap, "Code that opens a bundle in an app.", wrap_command.EXAMPLES),
    ("export", export_command.export, "A bundle's weights for other engines.", export_command.EXAMPLES),
    ("targets", targets_command.targets, "The devices edgec knows.", targets_command.EXAMPLES),
)
for _name, _function, _short, _examples in _COMMANDS:
    app.command(_name, cls=Command, short_help=_short, epilog=_examples, context_settings=CONTEXT)(_function)
app.add_typer(
    runtime_commands, name="runtime", short_help="Install, list, remove what executes.", context_settings=CONTEXT
)


def main() -> NoReturn:
    """Run the command line of this process and end it with the exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The words behind `edgec`.

    Returns:
        The exit code; nothing is raised but what ends an interpreter.
    """
    words = normalised(arguments)
    for stream in (sys.stdout, sys.stderr):
        _forgive(stream)
    with interruptible():
        try:
            command = typer.main.get_command(app)
            if not words:
                words = ["--help"]
            code = command.main(words, prog_name="edgec", standalone_mode=False)
            sys.stdout.flush()
        except SystemExit:
            raise
        except BaseException as error:
            from .failures import report_failure

            return report_failure(error, words, as_json=wants_json(words))
    return int(code or 0)


def _forgive(stream: object) -> None:
    """Let signs the stream's encoding lacks become `?` instead of an error."""
    reconfigure = getattr(stream, "reconfigure", None)  # a test's stream has none
    if reconfigure is not None:
        reconfigure(errors="replace")
