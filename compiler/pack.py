"""The only door out: model, golden samples, recipe.lock, and last the manifest that binds them.

The payload is a function of source, samples, options, lock and versions: no date, no machine, no path
but the origins as the user gave them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from .. import __version__
from ..bundle import MANIFEST, SCHEMA_VERSION, Bundle, adapter_file, adapter_golden, sha256_of
from ..passes.recipe import Recipe
from ..runtimes.base import Feeds, SessionSettings, TensorInfo
from ..targets.spec import TargetSpec
from .adapters.adapt import Adapter
from .adapters.pack import pack_adapters
from .baking.bake import Baking
from .checking import check_file, summary_json
from .golden_noise import golden_noise_db
from .materialize import EXTERNAL_ABOVE, weight_bytes
from .model_package import as_package
from .port_scales import port_scales
from .samples import replay
from .samples.base import Sample, State
from .sbom.bill import write_sbom

__all__ = ["GOLDEN_STEPS", "manifest_values", "pack"]

MODEL = "model.onnx"
GOLDEN_STEPS = 8
_Steps: TypeAlias = list[dict[str, np.ndarray]]


def pack(
    model: ir.Model,
    folder: Path,
    *,
    recipe: Recipe,
    golden: Sample,
    state: State,
    manifest: Mapping[str, Any],
    reference: ir.Model | None = None,
    samples: Iterable[Sample] = (),
    context: Callable[[Path], Mapping[str, Any]] | None = None,
    ort: Callable[[Path], Mapping[str, Any]] | None = None,
    companions: Mapping[str, bytes] = MappingProxyType({}),
    adapters: Sequence[Adapter] = (),
) -> Bundle:
    """Write the payload of a bundle into an empty folder.

    Args:
        model: What ships.
        folder: Where to; exists and is empty.
        recipe: What made the model.
        golden: The sample whose feeds and outputs go along (its first `GOLDEN_STEPS` steps).
        state: Outputs fed back as inputs.
        manifest: What `manifest_values` returned.
        reference: The float model, where the target's kernels round otherwise than this process: how far the golden
            outputs are from float's then tells how far another place's may be from them.
        samples: Those that tell it beside the golden one, the first of them.
        context: Writes what the target's backend compiles of the model beside it, and says what the manifest says.
        ort: The same of the model in ORT format.
        companions: Files that ship with it, bytes by name.
        adapters: What can be switched on, each with golden outputs of its own.

    Returns:
        The bundle.
    """
    path = folder / MODEL
    ir.save(model, path, external_data=f"{MODEL}.data" if weight_bytes(model) > EXTERNAL_ABOVE else None)
    for name, data in companions.items():
        (folder / name).write_bytes(data)
    (folder / "golden").mkdir()
    inputs, outputs, answers, signature = _golden(path, golden, state, pack_adapters(folder, adapters))
    _save_steps(folder / "golden" / "inputs.npz", inputs)
    _save_steps(folder / "golden" / "outputs.npz", outputs)
    for name, steps in answers.items():
        _save_steps(folder / adapter_golden(name), steps)
    _write_json(folder / "recipe.lock", {"edgec": __version__, **recipe.to_json()})
    compiled = {name: dict(make(path)) for name, make in (("context", context), ("ort", ort)) if make is not None}
    noise = {}
    if reference is not None:
        noise["golden_noise_db"] = golden_noise_db(path, reference, golden, samples, state, steps=GOLDEN_STEPS)
    write_sbom(folder, path, manifest)
    files = {
        name: {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
        for name in sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    }
    scales = port_scales(model)
    described = {
        key: [_tensor(info, scales) for info in infos]
        for key, infos in zip(("inputs", "outputs"), signature, strict=True)
    }
    target = manifest["target"]
    checked = check_file(path, target["support"], max_opset=target["max_opset"], where=f"target {target['name']!r}")
    values = {
        "schema_version": SCHEMA_VERSION,
        "edgec": __version__,
        "model": MODEL,
        "files": files,
        **described,
        "state": dict(state.carried),
        "session_options": {},
        **({} if checked is None else {"checked": summary_json(checked)}),
        **noise,
        **compiled,
        **(
            {"adapters": {each.name: {"file": adapter_file(each.name), **each.facts} for each in adapters}}
            if adapters
            else {}
        ),
        **manifest,
    }
    _write_json(folder / MANIFEST, as_package(values))
    return Bundle.open(folder)


def manifest_values(
    *,
    target: TargetSpec,
    scheme: str,
    source: Mapping[str, str],
    calibration: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    notes: Sequence[str],
    golden: str,
    baking: Baking = Baking(),
) -> dict[str, Any]:
    """The part of the manifest that says where the payload comes from."""
    import onnx
    import onnxruntime

    return {
        "target": {
            "name": target.name,
            "runtime": target.runtime,
            "isa": target.isa,
            "providers": list(target.providers),
            "proof": list(target.proof),
            "support": list(target.support),
            "max_opset": target.max_opset,
            "max_ir_version": target.max_ir_version,
            "golden_margin_db": target.golden_margin_db,
        },
        **({"baked": baking.to_json()} if baking else {}),
        "provider_options": {target.providers[0]: dict(target.provider_options)} if target.provider_options else {},
        "scheme": scheme,
        "source": dict(source),
        "samples": {"calibration": calibration, "golden": golden},
        "options": dict(options),
        "notes": list(notes),
        "versions": {
            "onnx": onnx.__version__,
            "onnx_ir": ir.__version__,
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
        },
    }


def _golden(
    path: Path, sample: Sample, state: State, adapters: Mapping[str, Path]
) -> tuple[list[Feeds], _Steps, dict[str, _Steps], tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]]:
    """Feeds and outputs of the golden sample, run with one thread, outputs by adapter, and the session's signature."""
    from ..runtimes.adapters import adapted
    from ..runtimes.ort import OrtCpu

    short = Sample(id=sample.id, steps=sample.steps[:GOLDEN_STEPS], label=sample.label)
    session = OrtCpu().open(path, SessionSettings(threads=1))
    try:
        steps = list(replay(session.run, short, session.inputs, state))
        answers = {
            name: [outputs for _, outputs in replay(adapted(session, file).run, short, session.inputs, state)]
            for name, file in adapters.items()
        }
        outputs = [outputs for _, outputs in steps]
        return [feeds for feeds, _ in steps], outputs, answers, (session.inputs, session.outputs)
    finally:
        session.close()


def _save_steps(file: Path, steps: Sequence[Feeds]) -> None:
    arrays = {f"{name}@{index}": array for index, step in enumerate(steps) for name, array in sorted(step.items())}
    # numpy writes zip members with a fixed date: same arrays, same bytes. Stored, since float noise deflates little.
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _tensor(info: TensorInfo, scales: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    said = {"name": info.name, "dtype": info.dtype.name, "shape": list(info.shape)}
    return said | ({"quantized": dict(scales[info.name])} if info.name in scales else {})


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
