"""A model that PyTorch defines: what was given, until somebody needs it as ONNX."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import ModelError, OptionError, SamplesError
from ...samples.base import DataSource
from ..built import Built
from ..huggingface import is_checkpoint
from ..huggingface.direct import is_direct
from .builder import NAMED, build_module, parted, source_files
from .examples import bound, cases_of, named_cases
from .extras import need_torch
from .modes import evaluating, in_float32
from .program import Dims, Program

if TYPE_CHECKING:
    import torch

__all__ = ["TorchModel", "is_torch", "torch_model"]


class _Once:
    """What was exported; another process exports anew."""

    def __init__(self) -> None:
        self.built: Built | None = None

    def __reduce__(self) -> tuple[type[_Once], tuple[()]]:
        return _Once, ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TorchModel:
    """A module, or where it is, with what exporting it takes. Exported once, when it is first asked for.

    Attributes:
        given: `package.module:build`, a `.pt2` file, a folder of Hugging Face, a `torch.nn.Module`, a pair of one and
            its example inputs, or a `torch.export.ExportedProgram`.
        weights: A state dict to put into what `build` made.
        dynamic: Names of free dimensions and numbers of fixed ones, by input.
        samples: Where an example of the inputs comes from, and what the export is compared on.
    """

    given: Any
    weights: Path | None = None
    dynamic: Mapping[str, Dims] = field(default_factory=dict)
    samples: DataSource | None = None
    _export: _Once = field(default_factory=_Once, repr=False)

    @property
    def origin(self) -> str:
        """How messages call it."""
        if isinstance(self.given, str | Path):
            return str(self.given)
        first = self.given[0] if isinstance(self.given, tuple) else self.given
        return f"<{type(first).__name__}>"

    def export(self) -> Built:
        """The model in ONNX, compared with the module.

        Raises:
            ModelError: It cannot be built, exported, or its export differs.
            SamplesError: The samples do not give what it takes.
            OptionError: An option does not fit it.
            MissingExtraError: PyTorch is not installed.
        """
        if self._export.built is None:
            need_torch(self.origin)
            self._export.built = self._exported()
        return self._export.built

    def _exported(self) -> Built:
        from .export import export

        program, cases = self._program()
        with evaluating(program.module):
            return export(program, self.dynamic, cases)

    def _program(self) -> tuple[Program, Iterator[Mapping[str, Any]]]:
        import torch

        from .exported import program_of, read_exported

        given, origin = self.given, self.origin
        if isinstance(given, torch.export.ExportedProgram):
            self._refuse_weights("it has its own")
            return program_of(given, origin), iter(())
        if isinstance(given, str | Path) and Path(given).suffix == ".pt2":
            self._refuse_weights("it has its own")
            return read_exported(Path(given).expanduser().absolute(), origin), iter(())
        if isinstance(given, str | Path) and Path(given).is_dir():
            from .by_transformers import read_with_transformers

            self._refuse_weights("its folder has them")
            return read_with_transformers(Path(given).expanduser().absolute(), origin), iter(())
        named = isinstance(given, str | Path)
        module, example = build_module(str(given)) if named else parted(given, origin)
        files = source_files(str(given), module) if named else ()
        if self.weights is not None:
            from .weights import load_weights

            load_weights(module, self.weights)
            files = (*files, self.weights.resolve())
        module, notes = in_float32(module)
        with evaluating(module):
            inputs, cases = self._inputs(module, example)
        return Program(origin=origin, module=module, inputs=inputs, files=files, notes=notes), cases

    def _inputs(self, module: torch.nn.Module, example: Any) -> tuple[dict[str, Any], Iterator[Mapping[str, Any]]]:
        """An example of the inputs, and what to compare on besides."""
        rows = iter(()) if self.samples is None else named_cases(module, cases_of(self.samples))
        if example is not None:
            return bound(module, example, self.origin), _as_far_as_they_fit(rows)
        first = next(rows, None)
        if first is None:
            raise ModelError(
                self.origin,
                "needs an example of its inputs: there are no samples, and none came with the module",
                remedy="Give --calibration, or let the function that builds the model return (module, example inputs)",
            )
        return first, chain([first], rows)

    def _refuse_weights(self, why: str) -> None:
        if self.weights is not None:
            raise OptionError(
                f"--weights {self.weights}", f"does not go with {self.origin}: {why}", remedy="Leave it out"
            )


def torch_model(
    given: Any,
    *,
    weights: Path | None = None,
    dynamic: Mapping[str, Dims] | None = None,
    samples: DataSource | None = None,
) -> TorchModel | None:
    """What PyTorch defines; None for any other model.

    Args:
        given: What the user gave as the model.
        weights: A state dict to put into it.
        dynamic: What is said of the dimensions of its inputs.
        samples: Where an example comes from.

    Raises:
        OptionError: An option of PyTorch models is given with another model.
    """
    if isinstance(given, TorchModel):
        return given
    if is_torch(given):
        return TorchModel(given=given, weights=weights, dynamic=dict(dynamic or {}), samples=samples)
    for option, value in (("--weights", weights), ("--dynamic", dynamic)):
        if value:
            raise OptionError(option, "is of models that PyTorch defines, and this is none", remedy="Leave it out")
    return None


def is_torch(given: Any) -> bool:
    """Whether PyTorch defines a model; imports nothing."""
    if isinstance(given, TorchModel):
        return True
    if isinstance(given, str | Path):
        path = Path(given).expanduser()
        if path.suffix == ".pt2":
            return path.is_file()
        if path.is_dir():
            return is_checkpoint(path) and not is_direct(path)
        return isinstance(given, str) and not path.exists() and NAMED.fullmatch(given) is not None
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    first = given[0] if isinstance(given, tuple) and given else given
    if hasattr(first, "to_learned"):  # of `edgec.qat`: a graph of ONNX already
        return False
    return isinstance(first, torch.nn.Module | torch.export.ExportedProgram)


def _as_far_as_they_fit(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Samples beside an example: those of a model that carries state leave its inputs out, and are not compared on."""
    try:
        yield from rows
    except SamplesError:
        return
