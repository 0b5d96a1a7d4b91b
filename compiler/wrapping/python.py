"""Python, over onnxruntime and numpy."""

from __future__ import annotations

import json
import keyword
from typing import Any

from .language import Language
from .names import identifiers, pascal, snake
from .subject import Subject

__all__ = ["PYTHON"]

_TYPES = (
    *("float32", "float64", "float16", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
_RESERVED = frozenset({*keyword.kwlist, "self", "feeds", "found"})


def _provider_options(subject: Subject) -> list[dict[str, str]]:
    return [dict(subject.provider_options.get(provider, {})) for provider in subject.providers]


def _output_names(subject: Subject) -> list[str]:
    return [port.name for port in subject.answered] + [output.name for output, _ in subject.state]


def _plain(value: Any) -> Any:
    """A value of the manifest as its literal: read-only mappings become dicts."""
    return json.loads(json.dumps(value, sort_keys=True))


def _type(name: str) -> str:
    return identifiers([name], pascal, {"Inputs", "Outputs", "Port", "Quantized", "Path", "PathLike", "None", "True"})[
        name
    ]


PYTHON = Language(
    name="python",
    title="Python",
    template="python.py.jinja",
    file=lambda name: f"{identifiers([name], snake, frozenset(keyword.kwlist))[name]}.py",
    style=snake,
    reserved=_RESERVED,
    dtypes=_TYPES,
    filters={
        "output_names": _output_names,
        "plain": _plain,
        "provider_options": _provider_options,
        "repr": repr,
        "state_names": lambda subject: [port.name for _, port in subject.state],
    },
    words={"type": _type},
)
