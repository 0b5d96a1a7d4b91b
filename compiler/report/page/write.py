"""Render the page of a proof, and write it beside the proof."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ....bundle import Bundle
from ....errors import OutputError
from ...write_whole import write_whole
from . import PAGE
from .sources import Sources, sources_of
from .view import page_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "page_html", "style", "write_page", "write_text"]

_HERE = Path(__file__).parent
# All a page needs to run: what is folded away is printed, too. Browsers that know ::details-content print it anyway.
_SCRIPT = "addEventListener('beforeprint',()=>document.querySelectorAll('details').forEach(e=>{e.open=true}))"


def write_page(bundle: Bundle) -> Path | None:
    """Write `proof/report.html` of a bundle, whole or not at all.

    Returns:
        The file; None where the bundle, as it is, has no proof.

    Raises:
        BundleError: A record of the proof is no JSON object.
        OutputError: It cannot be written.
    """
    sources = sources_of(bundle)
    return None if sources is None else write_text(bundle.proof / PAGE, page_html(sources))


def page_html(sources: Sources) -> str:
    """The page; the same for the same records."""
    script = hashlib.sha256(_SCRIPT.encode()).digest()
    return (
        environment()
        .get_template("page.html")
        .render(
            page=page_of(sources),
            css=style(),
            script=Markup(_SCRIPT),
            script_hash=f"sha256-{base64.b64encode(script).decode()}",
        )
    )


def style() -> Markup:
    """The one style sheet, as it stands in every page."""
    return Markup((_HERE / "page.css").read_text(encoding="utf-8"))


@cache
def environment() -> Environment:
    """Templates of this folder; every word that is not ours is escaped, a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def write_text(file: Path, text: str) -> Path:
    """Write a page, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise OutputError(
            str(file),
            f"cannot be written: {error.strerror}",
            affects="The proof stands, its page does not",
            remedy="Make its folder writable, or give --no-report",
        ) from error
    return file
