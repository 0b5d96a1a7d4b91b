"""An adapter that peft itself saved, beside a model that torch exported, against `merge_and_unload`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgec

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # torch warns of its own exporters


@pytest.mark.parametrize(("rslora", "dynamo"), [(False, False), (True, False), (False, True)])
def test_against_merge_and_unload(tmp_path: Path, rslora: bool, dynamo: bool) -> None:
    torch: Any = pytest.importorskip("torch")
    peft: Any = pytest.importorskip("peft")
    if dynamo:
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)

    class Block(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.q_proj, self.v_proj = torch.nn.Linear(32, 32), torch.nn.Linear(32, 32, bias=False)

        def forward(self, x: Any) -> Any:
            return x + torch.tanh(self.q_proj(x)) * self.v_proj(x)

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([Block(), Block()])

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    net, x = Net(), torch.randn(3, 5, 32)
    torch.onnx.export(net, (x,), tmp_path / "net.onnx", input_names=["x"], output_names=["y"], dynamo=dynamo)
    config = peft.LoraConfig(
        r=4, lora_alpha=6, use_rslora=rslora, target_modules=["q_proj", "v_proj"], rank_pattern={"layers.1.v_proj": 2},
        init_lora_weights=False,
    )  # fmt: skip
    tuned = peft.get_peft_model(net, config)
    tuned.save_pretrained(tmp_path / "law")
    bundle = edgec.compile(
        tmp_path / "net.onnx", scheme="float", adapters={"law": tmp_path / "law"}, output=tmp_path / "out", prove=False
    )
    with torch.no_grad():
        wanted = tuned.merge_and_unload()(x).numpy()
    feeds = {"x": x.numpy()}
    np.testing.assert_allclose(bundle.run(feeds, "law")["y"], wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(bundle.run(feeds)["y"], wanted, atol=1e-2)
