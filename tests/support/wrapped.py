"""Bundles that hold a manifest and golden feeds and no model: enough to write wrappers of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgec.bundle import Bundle, sha256_of

Ends = Sequence[tuple[str, str, Sequence[int | str | None]]]


def manifest_only(
    folder: Path,
    inputs: Ends,
    outputs: Ends,
    *,
    state: Mapping[str, str] | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    quantized: Mapping[str, Mapping[str, Any]] | None = None,
    beside: Mapping[str, bytes] | None = None,
    **said: Any,
) -> Bundle:
    """A bundle with these ends; free dimensions of golden feeds are 2, carried inputs start at `start` or zeros;
    `beside` are other files of it."""
    (folder / "golden").mkdir(parents=True)

    def ends(given: Ends) -> list[dict[str, Any]]:
        every = [{"name": name, "dtype": dtype, "shape": list(shape)} for name, dtype, shape in given]
        return [
            each | ({"quantized": dict(quantized[each["name"]])} if each["name"] in (quantized or {}) else {})
            for each in every
        ]

    feeds = {
        f"{name}@0": np.zeros([dim if isinstance(dim, int) else 2 for dim in shape], dtype)
        for name, dtype, shape in inputs
        if dtype != "bfloat16"
    }
    feeds.update({f"{name}@0": array for name, array in (start or {}).items()})
    np.savez(folder / "golden" / "inputs.npz", **feeds)  # type: ignore[arg-type]
    np.savez(folder / "golden" / "outputs.npz", **{"y@0": np.zeros(1)})  # type: ignore[arg-type]
    for name, held in (beside or {}).items():
        (folder / name).write_bytes(held)
    files = {
        file.relative_to(folder).as_posix(): {"sha256": sha256_of(file), "bytes": file.stat().st_size}
        for file in folder.rglob("*")
        if file.is_file()
    }
    manifest = {
        "schema_version": "1",
        "edgec": "0.1.0",
        "model": "model.onnx",
        "files": files,
        "target": {"name": "host", "runtime": "onnxruntime-cpu", "providers": ["CPUExecutionProvider"]},
        "scheme": "a8w8",
        "source": {},
        "samples": {},
        "versions": {},
        "session_options": {},
        "inputs": ends(inputs),
        "outputs": ends(outputs),
        "state": dict(state or {}),
        "notes": [],
        **said,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Bundle.open(folder)
