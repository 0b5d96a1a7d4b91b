"""Real photographs become what MobileNetV2 was trained with, and are recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import ImagePreprocess, open_samples
from edgec.runtimes.base import TensorInfo

pytestmark = pytest.mark.zoo


def test_photographs_are_recognised(zoo: Path, tmp_path: Path) -> None:
    import onnxruntime as ort

    file = zoo / "models" / "mobilenetv2_100" / "model.onnx"
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    info = TensorInfo(name=node.name, dtype=np.dtype(np.float32), shape=tuple(node.shape))
    folder = tmp_path / "photographs"
    folder.mkdir()
    for source in sorted((zoo / "data" / "imagenet1k_sample" / "eval").glob("*.jpg"))[::20]:
        (folder / source.name).write_bytes(source.read_bytes())
    rows = [f"{file.name},{int(file.name[:4])}" for file in folder.iterdir()]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    preprocess = ImagePreprocess(
        resize=256, crop=224, scale=1 / 127.5, mean=(1.0,), std=(1.0,), interpolation="bicubic"
    )
    samples = open_samples(folder, [info], role="evaluation", preprocess={node.name: preprocess})
    right = [
        int(session.run(None, dict(sample.feeds))[0].ravel().argmax()) - 1 == sample.label.item() for sample in samples
    ]
    assert len(right) >= 20
    assert np.mean(right) > 0.75  # 0.906 over all of them
