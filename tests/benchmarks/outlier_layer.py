"""A layer whose inputs are correlated, with channels that stand out, seeded: where methods for weights differ most.

    y = LayerNormalization(x; gain) W

as transformers have it: the gain is what makes channels large (SmoothQuant, Xiao et al. 2023, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tasks.base import Example, Steps, Task

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["LAYER", "OutlierLayer"]

LAYER = "layer"
WIDTH, TOKENS, EPSILON = 512, 64, 1e-5
FOLDER = Path(__file__).resolve().parents[2] / "bench-out" / LAYER


@dataclass(frozen=True, kw_only=True)
class Products(Task):
    """The relative error of what the layer writes, each sample a run of tokens.

    Attributes:
        rank: Directions that the inputs have in common.
        gain, weight: The layer's, (K,) and (K, N).
    """

    rank: int = 64
    gain: np.ndarray = field(repr=False, compare=False, kw_only=True)
    weight: np.ndarray = field(repr=False, compare=False, kw_only=True)

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric

        def record(outputs: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            (y,) = outputs.values()
            wanted = label.astype(np.float64)
            return np.array([np.square(y - wanted).sum(), np.square(wanted).sum()])

        def aggregate(records: np.ndarray) -> float:
            return float(np.sqrt(records[:, 0].sum() / records[:, 1].sum()))

        return Metric(name="relative error", direction="lower", unit="", record=record, aggregate=aggregate)

    def calibration(self, n: int) -> Iterator[Steps]:
        for k in range(n):
            yield ({"x": self._sample(k)},)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for k in range(min(n or 32, 32)):
            x = self._sample(10_000 + k)
            centred = x - x.mean(axis=-1, keepdims=True, dtype=np.float64)
            normal = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON)
            yield Example(steps=({"x": x},), label=(normal * self.gain) @ self.weight)

    @cached_property
    def _mixed(self) -> np.ndarray:
        """What independent channels are mixed by."""
        common = np.random.default_rng(1).standard_normal((self.rank, WIDTH)) * 2 / np.sqrt(self.rank)
        return np.concatenate([common, np.eye(WIDTH)])

    def _sample(self, k: int) -> np.ndarray:
        independent = np.random.default_rng((2, k)).standard_normal((1, TOKENS, self.rank + WIDTH))
        return (independent @ self._mixed).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class OutlierLayer:
    """Has what the zoo's models have.

    Attributes:
        name: As `--models` says.
        outliers: How many channels stand out, and how much.
    """

    name: str = LAYER
    outliers: tuple[int, float] = (8, 20.0)

    @cached_property
    def weight(self) -> np.ndarray:
        """(K, N), normal with a few large elements."""
        return (np.random.default_rng(0).standard_t(5, (WIDTH, WIDTH)) * 0.02).astype(np.float32)

    @cached_property
    def gain(self) -> np.ndarray:
        """(K,), around 1, a few of them large."""
        rng = np.random.default_rng(3)
        gain = np.exp(0.3 * rng.standard_normal(WIDTH)).astype(np.float32)
        count, factor = self.outliers
        gain[rng.choice(WIDTH, count, replace=False)] *= np.float32(factor)
        return gain

    @cached_property
    def task(self) -> Products:
        return Products(gain=self.gain, weight=self.weight)

    @cached_property
    def path(self) -> Path:
        """The model, written where it is missing."""
        path = FOLDER / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        axes = ["batch", "tokens", WIDTH]
        graph = helper.make_graph(
            [
                helper.make_node("LayerNormalization", ["x", "gain"], ["h"], "norm", epsilon=EPSILON),
                helper.make_node("MatMul", ["h", "w"], ["y"], "product"),
            ],
            LAYER,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
            [numpy_helper.from_array(self.gain, "gain"), numpy_helper.from_array(self.weight, "w")],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path
