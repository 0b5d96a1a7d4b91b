# ruff: noqa: E501 (messages are tested as they are: in one piece)
"""Models that cannot be compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from support.classifier import classifier, save_npz

from .case import Case, compiling

__all__ = ["CASES"]


def _file(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def _truncated(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "bad.onnx").write_bytes(whole[: len(whole) // 2])


def _altered(change):
    def make(folder: Path) -> None:
        model = classifier()
        change(model)
        (folder / "bad.onnx").write_bytes(model.SerializeToString())

    return make


def _text(text: str):
    def make(folder: Path) -> None:
        (folder / "bad.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())

    return make


def _external(cut: bool):
    def make(folder: Path) -> None:
        onnx.save(classifier(), folder / "bad.onnx", save_as_external_data=True, location="bad.data", size_threshold=0)
        data = folder / "bad.data"
        if cut:
            data.write_bytes(data.read_bytes()[:100])
        else:
            data.unlink()

    return make


def _nan(model: onnx.ModelProto) -> None:
    (weight,) = (each for each in model.graph.initializer if each.name == "conv.weight")
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0, 0, 0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))


def _no_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def _opset(version: int):
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return change


def _operator(name: str, domain: str):
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].op_type = name
        model.graph.node[1].domain = domain
        if domain:
            model.opset_import.add(domain=domain, version=1)

    return change


def _dangling(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


_QUANTIZED = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 4] image) => (float[N, 4] y) <float s = {0.1}, uint8 z = {0}>
{ q = QuantizeLinear(image, s, z) y = DequantizeLinear(q, s, z) }"""
_NO_MACS = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 3, 8, 8] image) => (float[N, 3, 8, 8] y) { y = Tanh(image) }"""
_STRING = """<ir_version: 8, opset_import: ["": 17]>
g (string[N] text) => (string[N] y) { y = Identity(text) }"""

CASES = (
    Case(
        name="model is missing",
        words=compiling("modle.onnx"),
        message="modle.onnx: does not exist. Did you mean 'model.onnx'?",
    ),
    Case(
        name="model is empty",
        words=compiling("bad.onnx"),
        make=_file("bad.onnx", b""),
        message="bad.onnx: is empty (0 bytes). Copy or download the file again, or export the model again.",
    ),
    Case(
        name="model is truncated",
        words=compiling("bad.onnx"),
        make=_truncated,
        message="bad.onnx: is truncated, corrupt or not an ONNX model: ",
        starts=True,
    ),
    Case(
        name="model is text",
        words=compiling("bad.onnx"),
        make=_file("bad.onnx", b"hello\n" * 99),
        message="bad.onnx: is a text file; this version of edgec reads ONNX. Give the .onnx file (or, for ONNX text, a file called .onnxtxt, .textproto or .json).",
    ),
    Case(
        name="model is a folder",
        words=compiling("data"),
        make=lambda folder: (folder / "data").mkdir(),
        message="data: is a folder, not a file, and holds no .onnx file. Give the path of an ONNX file.",
    ),
    Case(
        name="model is PyTorch's",
        words=compiling("bad.pt"),
        make=_file("bad.pt", b"PK\x03\x04" + bytes(99)),
        message="bad.pt: is a zip archive; this version of edgec reads ONNX. Unpack it and give the .onnx file inside.",
    ),
    Case(
        name="model is TFLite",
        words=compiling("bad.tflite"),
        make=_file("bad.tflite", b"\x1c\0\0\0TFL3" + bytes(99)),
        message="bad.tflite: is a TensorFlow Lite model; this version of edgec reads ONNX. Convert it with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx.",
    ),
    Case(
        name="model is GGUF",
        words=compiling("bad.gguf"),
        make=_file("bad.gguf", b"GGUF" + bytes(99)),
        message="bad.gguf: is GGUF of version 0; read are 2 and 3. Convert the model to GGUF again.",
    ),
    Case(
        name="model is an address",
        words=compiling("https://example.org/m.onnx"),
        message="https://example.org/m.onnx: is an address, not a file. Download the model and give its path.",
    ),
    Case(
        name="model has no outputs",
        words=compiling("bad.onnx"),
        make=_altered(_no_outputs),
        message="bad.onnx: has no outputs. Export the model again.",
    ),
    Case(
        name="opset is unknown",
        words=compiling("bad.onnx"),
        make=_altered(_opset(99)),
        message="bad.onnx: uses operator set 99, the newest this target runs is 26. Export the model with opset_version=26 or lower.",
    ),
    Case(
        name="opset is ancient",
        words=compiling("bad.onnx"),
        make=_altered(_opset(3)),
        message="bad.onnx: cannot be raised from operator set 3 to 13: ",
        starts=True,
    ),
    Case(
        name="operator is unknown",
        words=compiling("bad.onnx"),
        make=_altered(_operator("Rleu", "")),
        message="bad.onnx, node 'relu' (Rleu): ai.onnx 17 has no operator 'Rleu', did you mean 'Relu'? Export the model again.",
    ),
    Case(
        name="domain is unknown",
        words=compiling("bad.onnx"),
        make=_altered(_operator("Magic", "my.domain")),
        message="bad.onnx, node 'relu' (Magic): is a custom operator of domain 'my.domain'. Export the model with operators of ai.onnx, ai.onnx.ml or com.microsoft, or with the operator as a function.",
    ),
    Case(
        name="value comes from nowhere",
        words=compiling("bad.onnx"),
        make=_altered(_dangling),
        message="bad.onnx, node 'relu' (Relu): reads 'nowhere', which nothing makes. Export the model again.",
    ),
    Case(
        name="external data is missing",
        words=compiling("bad.onnx"),
        make=_external(cut=False),
        message="bad.onnx, tensor 'conv.weight': external data file 'bad.data' is missing from {folder}. Put the file beside the model: the weights are in it.",
    ),
    Case(
        name="external data is truncated",
        words=compiling("bad.onnx"),
        make=_external(cut=True),
        message="bad.onnx, tensor 'conv.weight': external data file 'bad.data' is truncated: it has 100 bytes, the tensor lies in bytes 0 to 1728. Copy or download the file again, whole.",
    ),
    Case(
        name="weights hold NaN",
        words=compiling("bad.onnx"),
        make=_altered(_nan),
        message="bad.onnx, tensor 'conv.weight': holds NaN (element 0). Node 'conv' (Conv) reads it. Export the model from a checkpoint whose weights are finite.",
    ),
    Case(
        name="model is quantized already",
        words=compiling("bad.onnx"),
        make=_text(_QUANTIZED),
        message="bad.onnx: is quantized already: it has DequantizeLinear, QuantizeLinear. Quantizing it again would measure its rounding, not its values. Give the float model, or pack this one as it is with --scheme float.",
    ),
    Case(
        name="nothing can be quantized",
        words=compiling("bad.onnx"),
        make=_text(_NO_MACS),
        message="graph 'g': has no operator that runs in integers on this target. Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes.",
    ),
    Case(
        name="input is text, data is numbers",
        words=compiling("bad.onnx"),
        make=lambda folder: (_text(_STRING)(folder), save_npz(folder / "calib.npz", text=np.ones(3, np.float32))),
        message="graph 'g': has no operator that runs in integers on this target. Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes.",
    ),
)
