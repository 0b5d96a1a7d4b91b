"""A pruned graph opens as a trainable module, and what was trained goes back into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs edgec[torch]")

import onnxruntime  # noqa: E402

import edgec  # noqa: E402
from edgec.compiler.load import load_model  # noqa: E402


def test_it_opens_and_trains(digits: Path, tmp_path: Path) -> None:
    from edgec.compiler.training.graph import as_module

    with np.load(digits / "calibration.npz") as samples:
        image, label = samples["image"][:6], samples["label"][:6] if "label" in samples else np.arange(6)
    bundle = edgec.compile(
        digits / "digits.onnx",
        target="x86-64-vnni",
        calibration=[{"image": each[None]} for each in image],
        scheme="float",
        prune_channels="40%",
        prove=False,
        output=tmp_path / "out",
    )
    module = as_module(load_model(bundle.model).model)
    shapes = {name: tuple(each.shape) for name, each in module.state_dict().items()}
    assert shapes["head.weight"][1] < 64
    one = torch.from_numpy(image[:1])
    (wanted,) = onnxruntime.InferenceSession(bundle.model).run(None, {"image": image[:1]})
    assert np.allclose(module(one).detach().numpy(), wanted, atol=1e-4)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    losses = []
    for _ in range(2):
        logits = torch.cat([module(torch.from_numpy(each[None])) for each in image])
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(label.astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert {name: tuple(each.shape) for name, each in as_module(module.to_model()).state_dict().items()} == shapes
