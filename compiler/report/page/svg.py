"""SVG as text: elements with escaped attributes, a title and a description for those who do not see it.

Charts carry class names, never colours: `page.css` gives them the colours of the scheme they are seen in.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from markupsafe import Markup

__all__ = ["Ids", "chart", "element", "text"]


class Ids:
    """Names for elements of one page, each once."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, stem: str) -> str:
        """A name nobody has yet."""
        self._count += 1
        return f"{stem}-{self._count}"


def element(name: str, *inside: str, **attributes: object) -> str:
    """One element; `class_` is `class`, `_` becomes `-`, floats keep one decimal."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """Words at a place."""
    return element("text", escape(words), x=x, y=y, **attributes)


def chart(
    ids: Ids, width: int, height: int, body: Iterable[str], *, title: str, description: str, class_: str = "chart"
) -> Markup:
    """A drawing that is read aloud as its title and description.

    Args:
        ids: Names its parts.
        width: In its own units, which are pixels at full size.
        height: In the same.
        body: What is drawn.
        title: What it is.
        description: What it shows, in a sentence.
        class_: Classes of the drawing.
    """
    named, described = ids.new("title"), ids.new("desc")
    return Markup(
        element(
            "svg",
            element("title", escape(title), id=named),
            element("desc", escape(description), id=described),
            *body,
            class_=class_,
            viewBox=f"0 0 {width} {height}",
            style=f"max-width:{width}px",
            role="img",
            aria_labelledby=f"{named} {described}",
        )
    )


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
