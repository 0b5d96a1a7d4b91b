"""The bundle as a value: open it, read it, check its digests.

A bundle is a folder::

    model.onnx [model.onnx.data]   what ONNX Runtime executes
    [model_ctx.onnx *.bin]         the same, compiled by the target's backend (`--context`)
    [model.ort]                    the same, for minimal builds of ONNX Runtime (`--ort`)
    [required_operators_and_types.config]  the kernels that such a build needs for it
    [adapters/NAME.onnx_adapter]   what the model adds with an adapter active (`--adapter`)
    golden/inputs.npz              feeds, one array per input (and per step: `name@step`)
    golden/outputs.npz             what the bundle answered to them when it was packed
    [golden/adapters/NAME.npz]     the same with an adapter active
    recipe.lock                    the passes that made it, replayable
    sbom.cdx.json, NOTICE.txt      what it is made of and needs, and under which licences (CycloneDX 1.6)
    manifest.json                  binds every payload file by sha256; written last. It is also that of an ONNX Runtime
                                   model package: what is edgec's lies under additional_metadata
    [signature.json]               of the manifest, and so of the payload (`edgec sign`)
    proof/                         dated, of one machine: proof.json, verdict.json, report.html, signed apart

Imports nothing of edgec but `errors`; proving and running go through the package's public door.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BundleError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np

    from .compiler.contract import Verdict
    from .compiler.run import OpenBundle

__all__ = [
    "COMPONENTS",
    "MANIFEST",
    "PROOF",
    "SCHEMA_VERSION",
    "SIGNATURE",
    "Bundle",
    "adapter_file",
    "adapter_golden",
    "read_manifest",
    "sha256_of",
]

MANIFEST = "manifest.json"
# Beside the bundles of a source of several models.
COMPONENTS = "components.json"
PROOF = "proof"
SIGNATURE = "signature.json"
SCHEMA_VERSION = "1"
_KEYS: dict[str, type] = {
    "edgec": str, "model": str, "files": dict, "target": dict, "scheme": str, "source": dict, "samples": dict,
    "versions": dict, "session_options": dict, "inputs": list, "outputs": list, "state": dict, "notes": list,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: Absolute path of its folder.
        manifest: What `manifest.json` says.
    """

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle folder.

        Raises:
            BundleError: The folder or its manifest is missing or not a bundle's.
        """
        folder = Path(path).absolute()
        manifest = folder / MANIFEST
        if (folder / COMPONENTS).is_file():
            held = ", ".join(sorted(each.parent.name for each in folder.glob(f"*/{MANIFEST}")))
            raise BundleError(
                str(path), f"holds several bundles: {held}", remedy="Name one of them: the folder that is in it"
            )
        if not manifest.is_file():
            raise BundleError(
                str(path),
                f"is not a bundle: {MANIFEST} is missing",
                remedy="Give the folder that `edgec compile -o` wrote",
            )
        try:
            values = read_manifest(manifest)
            version = values["schema_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                str(manifest), f"is not a bundle manifest ({error})", remedy="Compile the bundle again"
            ) from error
        if version != SCHEMA_VERSION:
            raise BundleError(
                str(manifest),
                f"schema_version is {version!r}, this edgec reads {SCHEMA_VERSION!r}",
                remedy="Compile the bundle again with this edgec, or read it with the one that wrote it",
            )
        for key, kind in _KEYS.items():
            if not isinstance(values.get(key), kind):
                raise BundleError(
                    str(manifest), f"lacks {key!r}, or has it in a wrong form", remedy="Compile the bundle again"
                )
        return cls(folder, values)

    @property
    def model(self) -> Path:
        """The ONNX model that ships."""
        return self.path / str(self.manifest["model"])

    @property
    def proof(self) -> Path:
        """The folder of proofs: not part of the payload."""
        return self.path / PROOF

    @property
    def digest(self) -> str:
        """sha256 of the manifest, which binds every payload file: the payload's identity."""
        return sha256_of(self.path / MANIFEST)

    @property
    def size_bytes(self) -> int:
        """Bytes of the model that ships, external data included."""
        files = self.manifest["files"]
        names = (self.manifest["model"], f"{self.manifest['model']}.data")
        return sum(int(files[name]["bytes"]) for name in names if name in files)

    def verify(self) -> None:
        """Compare every payload file with the manifest.

        Raises:
            BundleError: A file is missing, altered, or not listed.
        """
        listed = self.manifest["files"]
        for name, entry in listed.items():
            file = self.path / name
            if ".." in Path(name).parts or Path(name).anchor:
                raise BundleError(
                    str(self.path / MANIFEST),
                    f"lists {name!r}, which is not inside the bundle",
                    remedy="Do not use it: it was altered",
                )
            if not file.is_file():
                raise BundleError(str(file), "is listed in the manifest but missing", remedy="Compile the bundle again")
            if sha256_of(file) != entry["sha256"]:
                raise BundleError(
                    str(file), "does not have the sha256 of the manifest", remedy="Compile the bundle again"
                )
        for name in self._payload_files():
            if name not in listed and name not in (MANIFEST, SIGNATURE):
                raise BundleError(
                    str(self.path / name), "is not listed in the manifest", remedy="Remove it, or compile again"
                )

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that can be switched on."""
        return tuple(self.manifest.get("adapters", {}))

    def adapter(self, name: str) -> Path:
        """The file of an adapter, as `onnxruntime.LoraAdapter` loads it.

        Raises:
            BundleError: There is none of that name.
        """
        if name not in self.adapters:
            raise BundleError(
                str(self.path),
                f"has no adapter {name!r}",
                remedy=f"Its adapters are {', '.join(self.adapters)}"
                if self.adapters
                else "Compile it with --adapter NAME=FOLDER",
            )
        return self.path / adapter_file(name)

    def golden(self, adapter: str | None = None) -> tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
        """Golden feeds and expected outputs, one dict per step.

        Args:
            adapter: The adapter that is active; None is the model without one.
        """
        import numpy as np

        def steps(file: Path) -> list[dict[str, np.ndarray]]:
            with np.load(file, allow_pickle=False) as archive:
                keys = [key.rpartition("@") for key in archive.files]
                found: list[dict[str, np.ndarray]] = [{} for _ in range(1 + max((int(k[2]) for k in keys), default=-1))]
                for key, (name, _, step) in zip(archive.files, keys, strict=True):
                    found[int(step)][name] = archive[key]
            return found

        answers = "golden/outputs.npz" if adapter is None else adapter_golden(adapter)
        return steps(self.path / "golden" / "inputs.npz"), steps(self.path / answers)

    def run(self, feeds: Mapping[str, np.ndarray], adapter: str | None = None) -> dict[str, np.ndarray]:
        """Outputs by name for one set of feeds, in a plain session on this machine.

        Args:
            feeds: Arrays by input.
            adapter: The adapter to switch on; None runs the model without one.
        """
        from . import run_bundle

        return run_bundle(self, feeds, adapter)

    def session(self, *, threads: int = 0) -> AbstractContextManager[OpenBundle]:
        """The bundle opened once, for many runs; adapters are switched between runs and nothing is loaded again.

        Args:
            threads: Intra-op threads; 0 is the runtime's choice.
        """
        from . import open_bundle

        return open_bundle(self, threads=threads)

    def prove(self, **options: Any) -> Verdict:
        """Prove the bundle against a contract; options as those of `edgec.prove`."""
        from . import prove

        return prove(self, **options)

    def _payload_files(self) -> Iterator[str]:
        for file in sorted(self.path.rglob("*")):
            name = file.relative_to(self.path).as_posix()
            if file.is_file() and not name.startswith(f"{PROOF}/"):
                yield name


def adapter_file(name: str) -> str:
    """Where an adapter lies in a bundle."""
    return f"adapters/{name}.onnx_adapter"


def adapter_golden(name: str) -> str:
    """Where its golden outputs lie."""
    return f"golden/adapters/{name}.npz"


def read_manifest(file: Path) -> dict[str, Any]:
    """What a `manifest.json` says of its bundle; one that is no package's says it outright.

    Raises:
        OSError: It cannot be read.
        ValueError, KeyError, TypeError: It is not a manifest.
    """
    values = json.loads(file.read_text(encoding="utf-8"))
    found: dict[str, Any] = values["additional_metadata"]["edgec"] if "additional_metadata" in values else values
    return found


def sha256_of(file: Path) -> str:
    """sha256 of a file's bytes, hex, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
