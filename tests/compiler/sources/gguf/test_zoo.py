"""The zoo's GGUF files: compiled, they are as good as their weights in float."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

import edgec
from edgec.compiler.sources.decoder.build import build
from edgec.compiler.sources.gguf.config import decoder_config
from edgec.compiler.sources.gguf.read import read_gguf

gguf = pytest.importorskip("gguf", reason="gguf is not installed")

# Perplexity of the float model that they were made from (ZOO.md).
_FLOAT = 4.7395
pytestmark = pytest.mark.zoo


def perplexity(model: str | bytes, rows: np.ndarray) -> float:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    past = {
        each.name: np.zeros([1, each.shape[1], 0, each.shape[3]], np.float32)
        for each in session.get_inputs()
        if each.name.startswith("past")
    }
    lost, count = 0.0, 0
    for row in rows:
        feeds = {"input_ids": row[None, :-1], "attention_mask": np.ones((1, len(row) - 1), np.int64), **past}
        (logits,) = session.run(["logits"], feeds)
        wide = logits[0].astype(np.float64)
        wide -= wide.max(axis=-1, keepdims=True)
        said = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
        lost -= said[np.arange(len(row) - 1), row[1:]].sum()
        count += len(row) - 1
    return float(np.exp(lost / count))


def dequantized(path: Path) -> bytes:
    """The same model with the weights that gguf's own dequantizer makes of it, in float; rows as GGUF has them."""
    weights = {}
    for tensor in gguf.GGUFReader(path).tensors:
        w = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        heads = {"attn_q": 8, "attn_k": 4}.get(tensor.name.split(".")[-2], 0)
        if heads:
            w = w.reshape(heads, -1, 2, w.shape[-1]).swapaxes(1, 2).reshape(w.shape)
        weights[tensor.name] = w

    class ByName(dict[str, np.ndarray]):
        def __missing__(self, name: str) -> np.ndarray:
            from edgec.compiler.sources.gguf.names import gguf_name

            return weights[gguf_name(name) or ""]

        def __contains__(self, name: object) -> bool:
            return True

    config = decoder_config(read_gguf(path, path.name))
    return ir.to_proto(build(config, ByName())).SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "noise", "drop"), [("f16", 1e-6, 0.001), ("q8_0", 0.002, 0.005), ("q4_0", 0.01, 0.4)])
def test_perplexity(kind, noise, drop, zoo, tmp_path):
    path = zoo / "models" / "stories260k_gguf" / f"stories260K-{kind}.gguf"
    rows = np.load(zoo / "data" / "stories260k.npz")["eval"].astype(np.int64)
    bundle = edgec.compile(path, target="host", output=tmp_path / "bundle", prove=False)
    found = perplexity(str(bundle.model), rows)
    # int8 activations are all that is between the two; what the types themselves lose is the file's.
    assert found == pytest.approx(perplexity(dequantized(path), rows), rel=noise)
    assert abs(found - _FLOAT) < drop


def test_bundles_are_as_small_as_the_files(zoo, tmp_path):
    path = zoo / "models" / "stories260k_gguf" / "stories260K-f16.gguf"
    bundle = edgec.compile(path, target="host", output=tmp_path / "bundle", prove=False)
    assert bundle.model.stat().st_size < 1.15 * path.stat().st_size
