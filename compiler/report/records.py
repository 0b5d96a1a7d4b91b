"""What lies in a bundle's `proof/`, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...bundle import Bundle
from ...errors import BundleError

__all__ = ["proof_json"]


def proof_json(bundle: Bundle, name: str) -> Mapping[str, Any] | None:
    """What `proof/NAME.json` of a bundle holds; None when there is none, or it is of another payload.

    Raises:
        BundleError: The file is no JSON object.
    """
    file = bundle.proof / f"{name}.json"
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        bound = values["bundle"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(str(file), f"is not a {name} ({error})", remedy="Prove the bundle again") from error
    return values if bound == bundle.digest else None
