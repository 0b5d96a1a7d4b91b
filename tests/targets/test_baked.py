"""Baked ends on the targets' own kernels: bytes in, answers out, proved, and nothing off the provider wanted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.classifier import CLASSES, classifier

import edgec
from edgec.runtimes import runtime
from edgec.targets import find_target

pytestmark = pytest.mark.targets
TARGETS = ("raspberry-pi-4", "pixel-8", "web-wasm", "snapdragon-8-gen-3", "intel-openvino")
ENDS = {
    "mean and std in float": ("uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225", "softmax,topk=2"),
    "bytes are codes, bgr": ("uint8,nhwc,bgr,scale=1,mean=128,std=100", "argmax"),
}


def photos(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8, 3)).astype(np.uint8)
    return [{"image": each} for each in pixels]


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_bundle_eats_bytes(target: str, ends: str, tmp_path: Path) -> None:
    if reason := runtime(find_target(target).proof[0]).available():
        pytest.skip(reason)
    inputs, outputs = ENDS[ends]
    bundle = edgec.compile(
        classifier(),
        target=target,
        calibration=photos(12, 0),
        evaluation=photos(6, 1),
        shapes={"image": (1, 3, 8, 8)},
        inputs={"image": inputs},
        outputs={"logits": outputs},
        scheme="a8w8",
        search=False,
        probe=False,
        output=tmp_path / "out",
    )
    proof = json.loads((bundle.proof / "proof.json").read_text(encoding="utf-8"))
    against = proof["evaluation"]["outputs"]["logits"]["against_float"]
    if "argmax" in outputs:
        assert against["equal_share"] >= 0.5
    else:
        assert against["sqnr_db"] > 8  # 5 where every byte is read as 1, 12 to 33 where it is itself
    assert proof["golden"]["agrees"]
    assert proof["placement"]["off_provider"] == []
    assert onnx.load(bundle.model).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    found = bundle.run(photos(1, 2)[0])
    assert found["logits"].shape == ((1,) if "argmax" in outputs else (1, 2))
    assert 0 <= int(found.get("logits_indices", found["logits"]).min()) < CLASSES
