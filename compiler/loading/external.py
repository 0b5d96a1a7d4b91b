"""Where the external data of a tensor really is: one policy for paths and links.

- A location is a relative path that stays inside the model's folder. An absolute one, or one that climbs
  out (`../../x`), is refused: such text comes with a downloaded file and could name any file of this machine.
- Links are followed wherever they lead, symbolic or hard: a file cannot bring links along, so whoever
  owns the folder made them. (The Hugging Face cache is made of links, onnx and onnx_ir refuse them.)
- The folder is that of the path as given, then that of the real model file when the path is a link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
import onnx_ir as ir

from ...errors import ModelError
from .detached import InFile, Weights, detach, is_detached, nbytes_of, tensors
from .file_tensor import MappedFile

__all__ = ["LOAD_BELOW", "Files", "adopt_external", "folders_of"]

# Tensors this small may hold shapes, which inference has to see: they are read.
LOAD_BELOW = 1024


class Files:
    """The external data files of one model: each is resolved, measured and mapped once."""

    def __init__(self, folders: Sequence[Path], origin: str) -> None:
        self._folders = folders
        self._origin = origin
        self._found: dict[str, tuple[MappedFile, int]] = {}

    @property
    def paths(self) -> Mapping[str, Path]:
        """Real file by location, in the order of first use."""
        return {location: file.path for location, (file, _) in self._found.items()}

    def data(self, location: str, offset: int, nbytes: int, tensor: str) -> InFile:
        """The bytes of one tensor.

        Raises:
            ModelError: The location is refused, the file is missing, or ends before the tensor does.
        """
        where = f"{self._origin}, tensor {tensor!r}"
        if location not in self._found:
            path = self._resolve(location, where)
            self._found[location] = (MappedFile(path), path.stat().st_size)
        file, size = self._found[location]
        if offset < 0 or offset + nbytes > size:
            raise ModelError(
                where,
                f"external data file {location!r} is truncated: it has {size} bytes, "
                f"the tensor lies in bytes {offset} to {offset + nbytes}",
                remedy="Copy or download the file again, whole",
            )
        return InFile(file=file, offset=offset, nbytes=nbytes)

    def _resolve(self, location: str, where: str) -> Path:
        if not self._folders:
            raise ModelError(
                where,
                f"its data is in the external file {location!r}, and a model in memory does not say in which folder",
                remedy="Give the path of the model's file, or load the data first (onnx.load_external_data_for_model)",
            )
        if not location or "\0" in location:
            raise ModelError(where, "has external data without a location", remedy="Export the model again")
        if PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor:
            raise ModelError(
                where,
                f"external data location {location!r} is an absolute path; ONNX wants one relative to the model",
                remedy="Put the file beside the model and save the model with a relative location",
            )
        if _climbs(location):
            raise ModelError(
                where,
                f"external data location {location!r} leaves the model's folder",
                remedy="Put the file into the model's folder, or a link to it, and save the model with that location",
            )
        candidates = [folder / location for folder in self._folders]
        path = next((candidate for candidate in candidates if candidate.exists()), None)
        if path is None:
            raise ModelError(
                where,
                f"external data file {location!r} is missing from {self._folders[0]}",
                remedy="Put the file beside the model: the weights are in it",
            )
        if not path.is_file():
            raise ModelError(
                where, f"external data location {location!r} is not a file", remedy="Export the model again"
            )
        return path.resolve()


def folders_of(path: Path) -> tuple[Path, ...]:
    """Folders in which the external data of the model at `path` is looked for, in order."""
    return tuple(dict.fromkeys((path.parent, path.resolve().parent)))


def adopt_external(model: onnx.ModelProto, weights: Weights, files: Files, origin: str) -> None:
    """Bring every external tensor of a model into `weights`; small ones are read into the model.

    Raises:
        ModelError: External data is refused, missing or truncated, or its description is malformed.
    """
    for proto in tensors(model):
        if proto.data_location != onnx.TensorProto.EXTERNAL or is_detached(proto):
            continue
        where = f"{origin}, tensor {proto.name!r}"
        entries = {entry.key: entry.value for entry in proto.external_data}
        nbytes = nbytes_of(proto)
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", nbytes))
        except ValueError as error:
            raise ModelError(
                where, f"its external data is described by a bad number ({error})", remedy="Export the model again"
            ) from error
        if proto.data_type == ir.DataType.STRING or length != nbytes:
            kind = ir.DataType(proto.data_type).name
            raise ModelError(
                where,
                f"has {length} bytes of external data, {kind} {list(proto.dims)} needs {nbytes}",
                remedy="Export the model again",
            )
        data = files.data(entries.get("location", ""), offset, nbytes, proto.name)
        if nbytes < LOAD_BELOW:
            proto.raw_data = b"".join(data.file.blocks(offset, nbytes))
            proto.data_location = onnx.TensorProto.DEFAULT
            del proto.external_data[:]
        else:
            detach(proto, weights.add(data))


def _climbs(location: str) -> bool:
    depth = 0
    for part in location.replace("\\", "/").split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False
