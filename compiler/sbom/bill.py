"""Write `sbom.cdx.json` (CycloneDX 1.6) and `NOTICE.txt` of a bundle.

A function of the payload alone: no serial number, no time, no path. The shapes are those of
https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...bundle import sha256_of
from .part import Part, licences_of
from .parts import makers, runtime_parts

__all__ = ["NOTICE", "SBOM", "bill_of", "write_sbom"]

SBOM = "sbom.cdx.json"
NOTICE = "NOTICE.txt"
_WIDTH = 26


def write_sbom(folder: Path, model: Path, manifest: Mapping[str, Any]) -> None:
    """Write both files beside a bundle's model.

    Args:
        folder: The bundle.
        model: The model that ships, written already.
        manifest: What `manifest_values` returned.
    """
    source = _source(manifest)
    needed = runtime_parts(manifest["target"], manifest["versions"]["onnxruntime"])
    made = makers()
    shipped = Part(
        ref="bundle",
        kind="machine-learning-model",
        name=f"{Path(source.name).stem} for {manifest['target']['name']}",
        licence=source.licence,
        sha256=sha256_of(model),
        about=f"{manifest['scheme']}, compiled from {source.name}",
    )
    bill = bill_of(shipped, source, needed, made)
    (folder / SBOM).write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    text = "\n".join(_notice(shipped, source, needed, made)) + "\n"
    (folder / NOTICE).write_text(text, encoding="utf-8", newline="\n")


def bill_of(shipped: Part, source: Part, needed: Sequence[Part], made: Sequence[Part]) -> dict[str, Any]:
    """The bill: the bundle is described, its source and what it needs are its components, what made it are tools.

    Args:
        shipped: The bundle's model.
        source: What it was compiled from.
        needed: What runs it.
        made: What compiled it.
    """
    parts = (source, *needed)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"tools": {"components": [part.to_json() for part in made]}, "component": shipped.to_json()},
        "components": [part.to_json() for part in parts],
        "dependencies": [
            {"ref": shipped.ref, "dependsOn": sorted(part.ref for part in parts)},
            *({"ref": part.ref} for part in parts),
        ],
    }


def _source(manifest: Mapping[str, Any]) -> Part:
    said = manifest["source"]
    return Part(
        ref="source",
        kind="machine-learning-model",
        name=said["origin"],
        licence=said.get("licence", ""),
        sha256=said["digest"],
        about="the trained model",
    )


def _notice(shipped: Part, source: Part, needed: Sequence[Part], made: Sequence[Part]) -> Iterator[str]:
    yield f"{shipped.name}"
    yield ""
    yield "The model is derived from:"
    yield _line(source, source.licence or "licence not stated: ask who trained it, or compile with --license")
    yield f"  sha256 {source.sha256}"
    yield ""
    yield "To run it a device needs; none of it is in this bundle:"
    yield from (_line(part, part.licence) for part in needed)
    yield ""
    yield "It was compiled with; none of it is in this bundle:"
    yield from (_line(part, part.licence) for part in made)
    yield ""
    yield f"The same for machines: {SBOM}"


def _line(part: Part, licence: str) -> str:
    words = licences_of(licence)[0] if licence == part.licence and licence else {}
    shown = words.get("license", {}).get("id") or words.get("expression") or licence
    return f"  {f'{part.name} {part.version}'.strip():{_WIDTH}} {shown}"
