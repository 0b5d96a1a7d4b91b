"""A wrapper's text from the facts of a bundle and the template of a language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import BundleError
from .language import Language
from .names import identifiers
from .subject import Subject

__all__ = ["render"]


def render(subject: Subject, language: Language) -> str:
    """The source code of a wrapper; the same for the same bundle, name and edgec.

    Raises:
        BundleError: An input or output has a type that apps in that language cannot hand over.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    for port in (*subject.inputs, *subject.outputs):
        if port.dtype not in language.dtypes:
            raise BundleError(
                f"{subject.name}: {port.name!r}",
                f"is of type {port.dtype}, which a wrapper in {language.title} cannot hand over",
                remedy=f"Types it can are {', '.join(language.dtypes)}",
            )
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML; every text of the model goes through its language's literals
    )
    environment.filters.update(one_line=_one_line, **language.filters)
    names: dict[str, Any] = {
        title: identifiers([port.name for port in ports], language.style, language.reserved)
        for title, ports in (("inputs", subject.inputs), ("outputs", subject.outputs))
    }
    words = {key: make(subject.name) for key, make in language.words.items()}
    return environment.get_template(language.template).render(s=subject, **names, **words)


def _one_line(value: object) -> str:
    """A value in a comment: JSON in ASCII has no line breaks; a comment's end is broken up."""
    return json.dumps(value, sort_keys=True).replace("*/", "* /")
