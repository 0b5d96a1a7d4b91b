"""Bundles of one quantized node between two others, for a provider that takes nodes by a rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgec.bundle import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """`bundle(text, name=array, ...)`: the text's model as a bundle for the CPU provider."""

    def make(text: str, /, *, opset: int = 17, providers: tuple[str, ...] = (), **constants: Any) -> Bundle:
        proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}')
        for name, array in constants.items():
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        for node in proto.graph.node:
            node.name = node.output[0]
        folder = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        onnx.save(proto, folder / "model.onnx")
        target = {"name": "mine", "providers": list(providers or ("CPUExecutionProvider",))}
        return Bundle(folder, {"model": "model.onnx", "target": target, "session_options": {}})

    return make
