"""A small decoder-like model with Hugging Face names, and PEFT folders written without PEFT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HIDDEN, KV, LAYERS = 64, 160, 32, 2
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def modules() -> dict[str, tuple[int, int]]:
    """(K, N) of every linear, by module."""
    found = {}
    for k in range(LAYERS):
        sizes = {
            "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH, KV), "self_attn.v_proj": (WIDTH, KV),
            "self_attn.o_proj": (WIDTH + 2 * KV, WIDTH), "mlp.gate_proj": (WIDTH, HIDDEN),
            "mlp.up_proj": (WIDTH, HIDDEN), "mlp.down_proj": (HIDDEN, WIDTH),
        }  # fmt: skip
        found.update({f"model.layers.{k}.{name}": size for name, size in sizes.items()})
    return found


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights (K, N) by module."""
    rng = np.random.default_rng(seed)
    return {name: (rng.standard_normal(size) / np.sqrt(size[0])).astype(np.float32) for name, size in modules().items()}


def model(given: Mapping[str, np.ndarray], *, packed: bool = False, names: str = "weights") -> onnx.ModelProto:
    """The model: x (t, 64) -> y (t, 64).

    Args:
        given: Weights by module.
        packed: q, k and v are one product, as are gate and up.
        names: `weights` names weights after modules, `nodes` only nodes, `scopes` only metadata, `none` nothing.
    """
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []

    def linear(x: str, module: str, weight: np.ndarray) -> str:
        k = len(nodes)
        named = f"{module}.weight" if names == "weights" else f"onnx::MatMul_{k}"
        tensors.append(numpy_helper.from_array(weight, named))
        node = f"/{module.replace('.', '/')}/MatMul" if names == "nodes" else f"node_{k}"
        made = helper.make_node("MatMul", [x, named], [f"v{k}"], name=node)
        if names == "scopes":
            made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", "model", module, "linear"]))
        nodes.append(made)
        return f"v{k}"

    def op(kind: str, *inputs: str, **attributes: object) -> str:
        k = len(nodes)
        nodes.append(helper.make_node(kind, list(inputs), [f"v{k}"], name=f"node_{k}", **attributes))
        return f"v{k}"

    x = "x"
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}"
        q, k, v = (f"{stem}.self_attn.{name}_proj" for name in "qkv")
        if packed:
            whole = linear(x, f"{stem}.self_attn.qkv_proj", np.concatenate([given[q], given[k], given[v]], axis=1))
            attention = op("Tanh", whole)
        else:
            attention = op("Tanh", op("Concat", *(linear(x, name, given[name]) for name in (q, k, v)), axis=1))
        o = f"{stem}.self_attn.o_proj"
        x = op("Add", x, linear(attention, o, given[o]))
        gate, up, down = (f"{stem}.mlp.{name}_proj" for name in ("gate", "up", "down"))
        if packed:
            both = linear(x, f"{stem}.mlp.gate_up_proj", np.concatenate([given[gate], given[up]], axis=1))
            tensors.append(numpy_helper.from_array(np.asarray([HIDDEN, HIDDEN]), f"split{layer}"))
            nodes.append(helper.make_node("Split", [both, f"split{layer}"], [f"g{layer}", f"u{layer}"], axis=1))
            g, u = f"g{layer}", f"u{layer}"
        else:
            g, u = linear(x, gate, given[gate]), linear(x, up, given[up])
        x = op("Add", x, linear(op("Mul", op("Sigmoid", g), u), down, given[down]))
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["t", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["t", WIDTH])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def factors(targets: Mapping[str, int], seed: int, size: float = 0.3) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A (r, K) and B (N, r), as PEFT keeps them, for modules that end in these names, of these ranks."""
    rng, found = np.random.default_rng(seed), {}
    for module, (k, n) in modules().items():
        rank = next((rank for end, rank in targets.items() if module.endswith(end)), 0)
        if rank:
            a = rng.standard_normal((rank, k)) / np.sqrt(k)
            b = size * rng.standard_normal((n, rank)) / np.sqrt(rank)
            found[module] = (a.astype(np.float32), b.astype(np.float32))
    return found


def write_peft(
    folder: Path, given: Mapping[str, tuple[np.ndarray, np.ndarray]], *, dtype: str = "float32", **config: object
) -> Path:
    """Write a PEFT folder; the rank of the first module is `r`, others of another rank are in `rank_pattern`."""
    folder.mkdir(parents=True, exist_ok=True)
    rank = next(iter(given.values()))[0].shape[0]
    patterns = {module: a.shape[0] for module, (a, _) in given.items() if a.shape[0] != rank}
    said = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "rank_pattern": patterns, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    tensors = {}
    for module, (a, b) in given.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = a
        tensors[f"base_model.model.{module}.lora_B.weight"] = b
    write_safetensors(folder / "adapter_model.safetensors", tensors, dtype)
    return folder


def write_safetensors(file: Path, tensors: Mapping[str, np.ndarray], dtype: str = "float32") -> None:
    """Write arrays in a type, after the format's own words: length, header, bytes."""
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    raw, at = b"", 0
    for name, array in tensors.items():
        data = np.ascontiguousarray(array.astype(kind)).tobytes()
        head[name] = {"dtype": _DTYPES[dtype], "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        raw, at = raw + data, at + len(data)
    text = json.dumps(head).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + raw)


def merged(
    given: Mapping[str, np.ndarray], added: Mapping[str, tuple[np.ndarray, np.ndarray]], alpha: Mapping[int, float]
) -> dict[str, np.ndarray]:
    """W + alpha / r (B A) transposed, in float64; alpha by rank."""
    found = dict(given)
    for module, (a, b) in added.items():
        scale = alpha[a.shape[0]] / a.shape[0]
        found[module] = (given[module] + scale * (b.astype(np.float64) @ a.astype(np.float64)).T).astype(np.float32)
    return found
