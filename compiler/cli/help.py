"""Help pages: options by section, examples as they are typed, exit codes. Plain text, so that they open at once."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ..clauses import CLAUSE_KINDS

__all__ = ["CONTEXT", "EXIT_CODES", "Command", "Group", "exit_code_rows"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

EXIT_CODES: tuple[tuple[str, str], ...] = (
    ("0", "contract met; or checked, where the target cannot be executed here"),
    ("1", "several clauses broken"),
    ("2", "bad input or usage, a missing extra, an output that cannot be written"),
    ("3", "the contract asks for execution, which is not possible here"),
    ("4", "internal failure; a file to report is named"),
    ("5", "inconclusive: none broken, but these samples do not decide every clause"),
    ("130", "interrupted; nothing is left behind"),
)


def exit_code_rows() -> list[tuple[str, str]]:
    """Exit code and meaning, those of single clauses from the clause table."""
    rows = list(EXIT_CODES)
    clauses = [
        (str(kind.exit_code), f"{kind.id} alone is broken ({kind.flag or kind.help.rpartition('; ')[2]})")
        for kind in CLAUSE_KINDS.values()
    ]
    return rows[:-1] + clauses + rows[-1:]


# click's formatter and context have other types in each typer version: hence Any.
class Command(TyperCommand):
    """A command whose options stand in the sections (`rich_help_panel`) they were declared with."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        params: list[Any] = self.get_params(ctx)
        for param in params:
            argument = param.param_type_name == "argument"
            # The parser would put a type behind the name of an argument.
            record = _argument(param) if argument else param.get_help_record(ctx)
            if record is None:
                continue
            section = getattr(param, "rich_help_panel", None) or ("Arguments" if argument else "Other")
            sections.setdefault(section, []).append(record)
        for title in sorted(sections, key="Other".__eq__):
            with formatter.section(title):
                formatter.write_dl(sections[title])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Examples, line for line."""
        del ctx
        if self.epilog:
            with formatter.section("Examples"):
                indent = " " * formatter.current_indent
                for line in inspect.cleandoc(self.epilog).splitlines():
                    formatter.write(f"{indent}{line}\n")


def _argument(param: Any) -> tuple[str, str]:
    return param.metavar, param.help or ""


class Group(TyperGroup):
    """The commands, and what their exit codes mean."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(exit_code_rows())
        super().format_epilog(ctx, formatter)
