"""Small models as text, with arrays for their weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest


@pytest.fixture
def model() -> Callable[..., bytes]:
    """`model(text, name=array, ...)`: the bytes of a model whose initializers are the arrays."""

    def build(text: str, **arrays: np.ndarray) -> bytes:
        proto = onnx.parser.parse_model(text)
        proto.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in arrays.items())
        return proto.SerializeToString()

    return build
