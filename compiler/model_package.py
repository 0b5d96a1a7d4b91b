"""`manifest.json` as ONNX Runtime's model packages have it, so that every bundle is one.

A package is a folder whose `manifest.json` names components, and of each the variants among which ONNX Runtime chooses
by the provider an app registers. It refuses keys it does not know; what else is to be said goes under
`additional_metadata` (ONNX Runtime 1.31.1: model_package/, core/session/model_package/README.md). A bundle's is::

    schema_version        of packages: 1.0
    package_name          the source's
    components            one, `model`, of one variant, called as the target: its provider, how model.onnx is opened
    additional_metadata   edgec: the manifest of the bundle

An app opens it with `OrtApi::GetModelPackageApi`, which applies the session and provider options of the variant.
`model.ort` and what `--context` made are no variants: ONNX Runtime could not tell where they do not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

__all__ = ["COMPONENT", "as_package"]

COMPONENT = "model"
_SCHEMA_VERSION = "1.0"


def as_package(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a package that is a bundle.

    Args:
        manifest: The bundle's.
    """
    target = manifest["target"]
    provider = target["providers"][0]
    opened = {
        "model_file": manifest["model"],
        "session_options": dict(manifest["session_options"]),
        "provider_options": dict(manifest["provider_options"].get(provider, {})),
    }
    variant = {"ep": provider, "variant_directory": ".", "executor_info": {"ort": opened}}
    return {
        "schema_version": _SCHEMA_VERSION,
        "package_name": PurePath(manifest["source"]["origin"]).stem,
        "components": {COMPONENT: {"variants": {target["name"]: variant}}},
        "additional_metadata": {"edgec": dict(manifest)},
    }
