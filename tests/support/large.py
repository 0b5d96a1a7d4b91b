"""Decoder-like models of any size, written straight to a file: more weights than a test would hold in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

__all__ = ["large_model"]


def large_model(folder: Path, *, width: int, hidden: int, layers: int, seed: int = 0) -> Path:
    """Write `model.onnx` and its external data, float32: x (1, t, width) -> y.

    A layer has 4 width² + 3 width hidden weights in seven products, named after Hugging Face's. Its weights are cut
    from one block of random numbers at another place, under another sign and scale each: no two are alike, and a
    gigabyte takes a second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(1 << 22).astype(np.float32)
    # A few inputs that matter more than others, as activations of language models have.
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    offset = 0
    with (folder / "model.onnx.data").open("wb") as data:

        def weight(name: str, k: int, n: int) -> str:
            nonlocal offset
            start, left, scale = int(rng.integers(1 << 22)), k * n, np.float32(rng.uniform(0.5, 1.5) / np.sqrt(k))
            turned = np.roll(noise, start) * (scale if rng.random() < 0.5 else -scale)
            while left:
                piece = turned[: min(left, len(turned))]
                data.write(piece.tobytes())
                left -= len(piece)
                turned = np.roll(turned, 1)
            tensor = TensorProto(name=f"{name}.weight", data_type=TensorProto.FLOAT, dims=[k, n])
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "model.onnx.data"), ("offset", offset), ("length", 4 * k * n)):
                tensor.external_data.add(key=key, value=str(value))
            tensors.append(tensor)
            offset += 4 * k * n
            return tensor.name

        def op(kind: str, *inputs: str, **attributes: object) -> str:
            out = f"v{len(nodes)}"
            nodes.append(helper.make_node(kind, list(inputs), [out], name=f"n{len(nodes)}", **attributes))
            return out

        def linear(x: str, module: str, k: int, n: int) -> str:
            out = op("MatMul", x, weight(module, k, n))
            nodes[-1].name = f"/{module.replace('.', '/')}/MatMul"
            return out

        ones = helper.make_tensor(
            "norm.weight", TensorProto.FLOAT, [width], np.ones(width, np.float32).tobytes(), raw=True
        )
        x = "x"
        for layer in range(layers):
            stem = f"model.layers.{layer}"
            h = op("LayerNormalization", x, "norm.weight")
            q, k, v = (linear(h, f"{stem}.self_attn.{name}_proj", width, width) for name in "qkv")
            mixed = op("Mul", op("Tanh", op("Mul", q, k)), v)
            x = op("Add", x, linear(mixed, f"{stem}.self_attn.o_proj", width, width))
            h = op("LayerNormalization", x, "norm.weight")
            gate = op("Sigmoid", linear(h, f"{stem}.mlp.gate_proj", width, hidden))
            both = op("Mul", gate, linear(h, f"{stem}.mlp.up_proj", width, hidden))
            x = op("Add", x, linear(both, f"{stem}.mlp.down_proj", hidden, width))
    nodes[-1].output[0] = "y"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "large",
        [info("x", TensorProto.FLOAT, [1, "t", width])],
        [info("y", TensorProto.FLOAT, [1, "t", width])],
        [*tensors, ones],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"
