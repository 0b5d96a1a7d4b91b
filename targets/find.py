"""Find a target: in-tree by name, a user's own by its TOML file, this machine by detection."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import TargetError
from .coreml.spec import IPHONE_15
from .cpu.host import host
from .cpu.spec import (
    ANDROID_CPU,
    ARM64,
    ARM64_DOTPROD,
    ARMV7,
    RASPBERRY_PI_4,
    RASPBERRY_PI_5,
    X86_64_AVX2,
    X86_64_VNNI,
)
from .nnapi.spec import PIXEL_8_NNAPI
from .nvidia.spec import JETSON_ORIN, NVIDIA_CUDA
from .openvino.spec import INTEL_OPENVINO
from .qnn.spec import SNAPDRAGON_8_ELITE, SNAPDRAGON_8_GEN_3, SNAPDRAGON_888, SNAPDRAGON_X_ELITE
from .spec import TargetSpec
from .strict import from_table
from .web.spec import WEB_WASM
from .webgpu.spec import WEB_WEBGPU
from .xnnpack.spec import PIXEL_8

__all__ = ["ALIASES", "find_target", "target_names"]

# Older names; what they compile differs in the name alone.
ALIASES = {"arm64": "raspberry-pi-4", "arm64-dotprod": "raspberry-pi-5"}
_CPUS = (RASPBERRY_PI_4, RASPBERRY_PI_5, ANDROID_CPU, PIXEL_8, ARMV7, X86_64_VNNI, X86_64_AVX2)
_DEVICES = (*_CPUS, PIXEL_8_NNAPI, WEB_WASM, WEB_WEBGPU, INTEL_OPENVINO, IPHONE_15, JETSON_ORIN, NVIDIA_CUDA)
_SNAPDRAGONS = (SNAPDRAGON_8_GEN_3, SNAPDRAGON_8_ELITE, SNAPDRAGON_X_ELITE, SNAPDRAGON_888)
_NAMED = {each.name: each for each in (*_DEVICES, *_SNAPDRAGONS, ARM64, ARM64_DOTPROD)}


def target_names() -> tuple[str, ...]:
    """Names `find_target` knows: `host` first, aliases last."""
    return ("host", *_NAMED)


def find_target(target: str | Path | TargetSpec) -> TargetSpec:
    """The target of that name, of that TOML file, or the value itself.

    A TOML file describes a target in full, or starts from another one with `base = "arm64"` and
    overrides its keys.

    Raises:
        TargetError: No target has that name, or the file is wrong.
    """
    if isinstance(target, TargetSpec):
        return target
    name = str(target)
    if name == "host":
        return host()
    if name in _NAMED:
        return _NAMED[name]
    path = Path(target)
    if path.suffix == ".toml" or path.is_file():
        return _from_toml(path)
    near = difflib.get_close_matches(name, target_names(), n=1)
    raise TargetError(
        f"target {name!r}",
        "is not known" + (f", did you mean {near[0]!r}?" if near else ""),
        remedy=f"Known are {', '.join(target_names())}; a file of your own ends in .toml",
    )


def _from_toml(path: Path) -> TargetSpec:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TargetError(str(path), "does not exist", remedy="Give the path of the target's TOML file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError(str(path), f"cannot be read as TOML: {error}", remedy="Correct the file") from error
    base_name = table.pop("base", None)
    table.setdefault("name", path.stem)
    if base_name is None:
        return from_table(TargetSpec, table, where=str(path), error=TargetError)
    if not isinstance(base_name, str) or base_name.endswith(".toml"):
        raise TargetError(
            f"{path}: base",
            f"{base_name!r} is not a target's name",
            remedy=f"Choose one of {', '.join(target_names())}",
        )
    base = find_target(base_name)
    # Required keys come from the base; what the table says is checked as strictly as a whole target.
    whole: dict[str, Any] = {f.name: table[f.name] for f in fields(TargetSpec) if f.name in table}
    whole |= {key: value for key, value in table.items() if key not in whole}
    required = {"family": base.family, "description": base.description, "runtime": base.runtime, "isa": base.isa,
                "opset": base.opset, "max_opset": base.max_opset, "max_ir_version": base.max_ir_version}  # fmt: skip
    parsed = from_table(TargetSpec, {**required, "rules": [], **whole}, where=str(path), error=TargetError)
    return replace(base, **{key: getattr(parsed, key) for key in whole})
