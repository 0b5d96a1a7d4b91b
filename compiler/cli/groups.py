"""Groups of options as values: a command takes dataclasses, typer sees their fields.

    @takes_groups
    def plan(model: ModelOptions, talk: TalkOptions) -> int: ...

Every field of a group is `name: Annotated[type, typer.Option(...)] = default`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

__all__ = ["Interrupted", "takes_groups"]


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM, under a name that the option parser lets through."""


def takes_groups(function: Callable[..., int]) -> Callable[..., int]:
    """Flatten a command's groups into one signature of keyword parameters for typer.

    Raises:
        TypeError: Two groups have a field of the same name.
    """
    groups: dict[str, Any] = {
        name: kind
        for name, kind in get_type_hints(function, include_extras=True).items()
        if dataclasses.is_dataclass(kind)
    }
    parameters: dict[str, inspect.Parameter] = {}
    for kind in groups.values():
        hints = get_type_hints(kind, include_extras=True)
        for field in dataclasses.fields(kind):
            if field.name in parameters:
                raise TypeError(f"{function.__name__}: two groups have an option {field.name!r}")
            default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            parameters[field.name] = inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
            )

    @functools.wraps(function)
    def command(**values: Any) -> int:
        made = {
            name: kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        try:
            return function(**made)
        except KeyboardInterrupt as error:
            raise Interrupted from error

    command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    command.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return command
