"""One thing that is in a bundle, made it, or is needed to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Part", "licences_of"]

# Identifiers of SPDX 3 that models and their runtimes carry, in SPDX's own spelling: model hubs write them in small
# letters, and CycloneDX takes an identifier only as SPDX spells it. Others go by name.
_SPDX = (
    "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause",
    "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0",
    "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0",
    "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "ECL-2.0", "EPL-1.0",
    "EPL-2.0", "EUPL-1.1", "EUPL-1.2", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC",
    "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "LPPL-1.3c", "MIT", "MIT-0", "MPL-2.0",
    "MS-PL", "NCSA", "ODbL-1.0", "OFL-1.1", "OSL-3.0", "PDDL-1.0", "PSF-2.0", "PostgreSQL", "Unlicense", "WTFPL",
    "Zlib",
)  # fmt: skip
_BY_SMALL = {each.lower(): each for each in _SPDX}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A component.

    Attributes:
        ref: Names it within the bill.
        kind: CycloneDX's type: `library`, `application`, `machine-learning-model`, `data`.
        name, version: "" where there is none.
        licence: An SPDX identifier or expression, or a licence's own name; "" where nobody states one.
        purl: Its package URL; "" where it is no package.
        sha256: Of its bytes; "" where it is no file.
        about: What it is here for.
        needed: Whether the bundle cannot be run without it.
    """

    ref: str
    kind: str
    name: str
    version: str = ""
    licence: str = ""
    purl: str = ""
    sha256: str = ""
    about: str = ""
    needed: bool = False

    def to_json(self) -> dict[str, Any]:
        """A CycloneDX component; what is not known is left out."""
        found: dict[str, Any] = {"type": self.kind, "bom-ref": self.ref, "name": self.name}
        if self.version:
            found["version"] = self.version
        if self.about:
            found["description"] = self.about
        if self.needed:
            found["scope"] = "required"
        if self.sha256:
            found["hashes"] = [{"alg": "SHA-256", "content": self.sha256}]
        if self.licence:
            found["licenses"] = licences_of(self.licence)
        if self.purl:
            found["purl"] = self.purl
        return found


def licences_of(text: str) -> list[dict[str, Any]]:
    """A licence as CycloneDX writes it: an expression, an identifier of SPDX, or a name.

    Args:
        text: As whoever made the thing states it; identifiers in any case.
    """
    words = re.split(r"(\s+(?:AND|OR|WITH)\s+|[()])", text.strip())
    if len(words) > 1 and all(not w.strip() or w.strip() in "()" or _is_word(w) for w in words):
        return [{"expression": "".join(_BY_SMALL.get(w.strip().lower(), w) for w in words)}]
    known = _BY_SMALL.get(text.strip().lower())
    return [{"license": {"id": known}} if known else {"license": {"name": text.strip()}}]


def _is_word(text: str) -> bool:
    return text.strip() in ("AND", "OR", "WITH") or text.strip().lower() in _BY_SMALL
