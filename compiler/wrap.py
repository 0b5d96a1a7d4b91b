"""Write the source code that opens a bundle in an app: names, shapes, types, scales, options, typed."""

from __future__ import annotations

import re
from pathlib import Path

from ..bundle import Bundle
from ..errors import OptionError, OutputError
from .samples.check import nearest
from .wrapping.cpp import CPP
from .wrapping.kotlin import KOTLIN
from .wrapping.language import Language
from .wrapping.python import PYTHON
from .wrapping.render import render
from .wrapping.subject import subject_of
from .wrapping.swift import SWIFT
from .wrapping.typescript import TYPESCRIPT
from .write_whole import write_whole

__all__ = ["LANGUAGES", "wrap"]

LANGUAGES: dict[str, Language] = {language.name: language for language in (CPP, KOTLIN, PYTHON, SWIFT, TYPESCRIPT)}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def wrap(bundle: Bundle | str | Path, language: str, output: str | Path, *, name: str | None = None) -> Path:
    """Write a bundle's wrapper.

    Args:
        bundle: The bundle, or its folder.
        language: One of `LANGUAGES`.
        output: The folder the file goes to.
        name: What the wrapper is called; else what the bundle's folder is.

    Returns:
        The file.

    Raises:
        BundleError: It is no bundle, a file of it is not what its manifest says, or an input has a type the language
            cannot hand over.
        OptionError: The language is unknown, the name cannot be one.
        OutputError: The file cannot be written.
    """
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    if language not in LANGUAGES:
        raise OptionError(
            f"--language {language}",
            f"is no language there are wrappers in{nearest(language, list(LANGUAGES))}",
            remedy=f"Languages are {', '.join(LANGUAGES)}",
        )
    called = _name_of(opened) if name is None else name
    if not _NAME.fullmatch(called):
        raise OptionError(
            f"--name {called}", "is no name", remedy="Begin with a letter; letters, digits, - and _ may follow"
        )
    into = LANGUAGES[language]
    opened.verify()  # an app is built with what the wrapper names
    file = Path(output) / into.file(called)
    text = render(subject_of(opened, called), into)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise OutputError(str(file), f"cannot be written: {error.strerror}", remedy="Name another folder") from error
    return file


def _name_of(bundle: Bundle) -> str:
    """The folder's name as one that languages take: of `build/MODEL/TARGET` it is the model's that tells."""
    folder = bundle.path.resolve()
    known = (folder.parent.name, folder.name) if folder.name == bundle.manifest["target"]["name"] else (folder.name,)
    words = re.sub(r"[^A-Za-z0-9_-]+", "_", known[0]).strip("_-")
    return words if words[:1].isalpha() else f"model_{words}".rstrip("_")
