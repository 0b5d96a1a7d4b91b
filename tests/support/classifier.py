"""A small classifier and its data: what the command line is tried on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

__all__ = ["CLASSES", "SHAPE", "classifier", "images", "save_npz"]

SHAPE = (3, 8, 8)
CLASSES = 4
_TEXT = """<ir_version: 8, opset_import: ["": 17]>
classifier (float[N, 3, 8, 8] image) => (float[N, 4] logits) {
    [conv] stem = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(image, conv__weight, conv__bias)
    [relu] positive = Relu(stem)
    [pool] pooled = GlobalAveragePool(positive)
    [flat] features = Flatten(pooled)
    [head] logits = Gemm<transB = 1>(features, head__weight, head__bias)
}"""


def classifier() -> onnx.ModelProto:
    """Conv, Relu, pooling, Gemm; image [N, 3, 8, 8] → logits [N, 4]; the same weights every time."""
    model = onnx.parser.parse_model(_TEXT)
    rng = np.random.default_rng(0)
    for name, shape in (
        ("conv.weight", (16, 3, 3, 3)),
        ("conv.bias", (16,)),
        ("head.weight", (CLASSES, 16)),
        ("head.bias", (CLASSES,)),
    ):
        array = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = name.replace("__", ".")
    return model


def images(count: int = 8, *, seed: int = 0) -> np.ndarray:
    """Standard normal images, shape (count, 3, 8, 8)."""
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype(np.float32)


def save_npz(file: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name."""
    np.savez(file, **arrays)
