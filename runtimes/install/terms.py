"""Licences of vendors' own: nothing under one is fetched before the user accepts it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ...errors import InstallError, OptionError
from .component import Component, components

__all__ = ["ACCEPT_VARIABLE", "accepted_terms", "check_terms", "terms_lines"]

ACCEPT_VARIABLE = "EDGEC_ACCEPT_LICENSES"


def accepted_terms(given: Collection[str]) -> frozenset[str]:
    """What the user accepts: in so many words, or in `EDGEC_ACCEPT_LICENSES`.

    Args:
        given: Keys of licences.

    Raises:
        OptionError: There is no licence of that key.
    """
    known = {each.terms.key for each in components().values() if each.terms is not None}
    for key in given:
        if key not in known:
            raise OptionError(
                f"--accept-license {key}",
                "is no licence that edgec asks for",
                remedy=f"Known are {', '.join(sorted(known))}",
            )
    named = re.split(r"[\s,]+", os.environ.get(ACCEPT_VARIABLE, ""))
    return frozenset(given) | frozenset(filter(None, named))


def check_terms(fetch: Collection[Component], accepted: Collection[str]) -> None:
    """Refuse what comes under a licence that is not accepted.

    Args:
        fetch: What would be fetched.
        accepted: Keys, as `accepted_terms` finds them.

    Raises:
        InstallError: One is not accepted.
    """
    for component in fetch:
        terms = component.terms
        if terms is not None and terms.key not in accepted:
            raise InstallError(
                component.name,
                f"comes under the {terms.title}, which is not accepted",
                affects=f"In short: {terms.gist}",
                remedy=f"Read it ({terms.file} in the package), then accept it: --accept-license {terms.key}, "
                f"or {ACCEPT_VARIABLE}={terms.key}",
            )


def terms_lines(fetch: Collection[Component], home: Path) -> Iterator[str]:
    """What a user is told of such licences before anything is fetched, and where they will lie.

    Args:
        fetch: What would be fetched.
        home: Where to.
    """
    for component in fetch:
        if component.terms is not None:
            terms = component.terms
            yield f"  {component.name}: {terms.title}: {terms.gist}. Its text: {home / component.name / terms.file}"
