"""The weights of a checkpoint folder, mapped where they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import onnx_ir as ir

from ....errors import ModelError
from ...loading.safetensors import read_safetensors
from .reading import read_json

__all__ = ["INDEX", "PICKLES", "WHOLE", "Shards", "shards_of"]

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


class Shards(Mapping[str, ir.TensorProtocol]):
    """The weights of all files; remembers which were asked for.

    Args:
        shards: The files.
        origin: How messages call the folder.

    Raises:
        ModelError: A file cannot be read, or holds no floats.
    """

    def __init__(self, shards: list[Path], origin: str) -> None:
        self.used: set[str] = set()
        self._tensors: dict[str, ir.TensorProtocol] = {}
        for shard in shards:
            where = f"{origin}/{shard.name}"
            for name, tensor in read_safetensors(shard, where).items():
                if not tensor.dtype.is_floating_point():
                    raise ModelError(
                        f"{where}, weight {name!r}",
                        f"holds {tensor.dtype.name}, not floats: the checkpoint is quantized already",
                        remedy="Give the checkpoint it was quantized from: --scheme says how small it becomes",
                    )
                self._tensors[name] = tensor

    def __getitem__(self, name: str) -> ir.TensorProtocol:
        self.used.add(name)
        return self._tensors[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def check_all_used(self, spare: Collection[str], ends: tuple[str, ...], where: str, kind: str) -> None:
        """Refuse weights that nothing asked for.

        Args:
            spare: Names that may be left.
            ends: Ends of names that may be.
            where: How messages call the folder.
            kind: What its configuration says it is.

        Raises:
            ModelError: Some are left.
        """
        left = sorted(name for name in self if name not in self.used | set(spare) and not name.endswith(ends))
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            raise ModelError(
                where,
                f"has weights that a {kind} of its configuration has not: {', '.join(left[:3])}{more}",
                remedy="Check that configuration and weights belong together",
            )


def shards_of(folder: Path, origin: str) -> list[Path]:
    """The files of a folder's weights.

    Raises:
        ModelError: There are none that can be read, or some are missing.
    """
    if (folder / INDEX).is_file():
        where = f"{origin}/{INDEX}"
        named = read_json(folder / INDEX, where).get("weight_map")
        if not isinstance(named, Mapping) or not all(Path(str(each)).name == each for each in named.values()):
            raise ModelError(where, "names no files of this folder", remedy="Copy the checkpoint again")
        names = sorted(set(named.values()))
    elif (folder / WHOLE).is_file():
        names = [WHOLE]
    else:
        names = sorted(file.name for file in folder.glob("model-*.safetensors"))
    if not names:
        raise ModelError(
            origin,
            "holds pickled weights (pytorch_model.bin), which would run code when they are read",
            remedy="Save it again with model.save_pretrained(folder, safe_serialization=True)",
        )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(origin, f"lacks {missing[0]!r}, which {INDEX} names", remedy="Copy the checkpoint again")
    return [folder / name for name in names]
