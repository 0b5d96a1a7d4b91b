"""The model before, behind the face of the baked one: bytes in, answers out, what lies between in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from ...errors import InternalError
from ...runtimes.around import Around
from ...runtimes.base import Feeds, Session, TensorInfo
from ...runtimes.compare import Comparer
from ..materialize import materialize
from ..proving.float_model import FloatModel
from .bake import Baking, signature_behind
from .codes import coded_info
from .site import class_axis

__all__ = ["Outside", "baked_float", "same_as_outside"]

# Kernels round the same sums otherwise; a step that is missing or in the wrong order is far below.
_SAME_DB = 60.0


class Outside(Around):
    """A session of the model before, fed and read as the baked one is.

    What it takes is its own only: numpy's share is not timed.
    """

    def __init__(self, session: Session, baking: Baking) -> None:
        super().__init__(session)
        self._baking = baking

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return signature_behind(self._baking, self._session.inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        main, extra = [], []
        for info in self._session.outputs:
            spec = self._baking.outputs.get(info.name)
            if spec is None or not spec.discrete:
                main.append(info)
                continue
            if spec.code is not None:
                main.append(coded_info(info, self._baking.codings[info.name]))
                continue
            axis, shape = class_axis(self._baking.before[info.name], spec), list(info.shape)
            shape[axis : axis + 1] = [] if spec.argmax else [spec.topk]
            which = TensorInfo(name=info.name, dtype=np.dtype(np.int64), shape=tuple(shape))
            if spec.argmax:
                main.append(which)
            else:
                main.append(TensorInfo(name=info.name, dtype=info.dtype, shape=tuple(shape)))
                extra.append(TensorInfo(name=f"{info.name}_indices", dtype=which.dtype, shape=which.shape))
        return (*main, *extra)

    def given(self, feeds: Feeds) -> Feeds:
        return self._baking.feeds(feeds)

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        return self._baking.answers(super().run(feeds))


@contextmanager
def baked_float(model: FloatModel | None, baking: Baking) -> Iterator[Path | bytes | None]:
    """The float model with the same steps inside, as a runtime opens it: what a bundle's times are set beside.

    Args:
        model: The float model before; None gives None.
        baking: The steps; where there are none, None: the model itself is what is set beside.
    """
    if model is None or not baking:
        yield None
        return
    if isinstance(model, bytes):
        model = onnx.load_model_from_string(model)
    read = model if isinstance(model, ir.Model) else None
    if isinstance(model, onnx.ModelProto):
        read = ir.from_proto(model)
    elif read is None:
        read = ir.load(Path(str(model)).absolute())
    with materialize(baking.whole(read)) as opened:
        yield opened


def same_as_outside(outside: Session, inside: Session, feeds: Sequence[Feeds]) -> str:
    """Hold the float model with its steps inside to the same steps outside.

    Args:
        outside: The model before, in numpy's hands.
        inside: The baked one.
        feeds: Of every step of the golden sample.

    Returns:
        How alike they are, in words.

    Raises:
        InternalError: They differ by more than rounding.
    """
    comparers = {info.name: Comparer() for info in outside.outputs}
    for each in feeds:
        wanted, found = outside.run(each), inside.run(each)
        for name, comparer in comparers.items():
            comparer.add(wanted[name], found[name])
    said = []
    for name, comparer in comparers.items():
        result = comparer.result()
        if not result.agrees(_SAME_DB) and result.sqnr_db is not None:
            raise InternalError(
                f"output {name!r}",
                f"is {result.sqnr_db:.1f} dB from what the same steps give outside the model",
                remedy="Compile without --input and --postprocess, and report the model",
            )
        alike = "exact" if result.exact else f"{100 * result.equal_share:.1f} % equal"
        said.append(f"{name} {alike if result.exact or result.sqnr_db is None else f'{result.sqnr_db:.0f} dB'}")
    return f"the steps inside the float model give what they give outside, in numpy: {', '.join(said)}"
