"""What a file that is no ONNX model looks like, from its first bytes, and what to do about it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["HEAD", "guess_format", "guess_folder"]

HEAD = 4096

_TORCH = "Give the code that builds the module, and these weights to it: package.module:build --weights FILE"
_TFLITE = "Convert it with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx"
_KERAS = "Export it to ONNX first (model.export('model.onnx', format='onnx') in Keras 3, or tf2onnx)"
_AGAIN = "Download the file itself"
_UNPACK = "Unpack it and give the .onnx file inside"

_WHITESPACE = str.maketrans("\t\r\n", "   ")

# Offset, magic bytes, what it is, remedy. Sources: the formats' own documentation.
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"TFL3", "a TensorFlow Lite model", _TFLITE),
    (4, b"ORTM", "an ONNX Runtime .ort file", "Give the .onnx file it was made from"),
    (0, b"\x89HDF", "an HDF5 file (Keras)", _KERAS),
    (0, b"\x80\x02", "a PyTorch or pickle file", _TORCH),
    (0, b"\x80\x04", "a PyTorch or pickle file", _TORCH),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the model itself", "Fetch it with: git lfs pull"),
    (0, b"7767517", "an ncnn parameter file", "Export the model to ONNX from its original framework"),
    (0, b"\x93NUMPY", "a NumPy array", "Give the model here, arrays of samples belong to --calibration"),
)


def guess_format(head: bytes) -> tuple[str, str] | None:
    """What a file looks like and the remedy, from its first `HEAD` bytes; None when it may be ONNX."""
    for offset, magic, what, remedy in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what, remedy
    if head[:4] == b"PK\x03\x04":
        return _guess_zip(head)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return "a safetensors file: weights without a graph", _TORCH
    text = head.lstrip()[:64].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, not the model itself", _AGAIN
    if text.startswith(b"<?xml"):
        return "an XML file (OpenVINO?)", "Give the .onnx file it was made from"
    if head.isascii() and head.decode().translate(_WHITESPACE).isprintable():
        return "a text file", "Give the .onnx file (or, for ONNX text, a file called .onnxtxt, .textproto or .json)"
    return None


def guess_folder(folder: Path) -> tuple[str, str]:
    """What is wrong with a folder given as a model, and the remedy."""
    if (folder / "saved_model.pb").is_file():
        return (
            "is a TensorFlow SavedModel",
            "Convert it with tf2onnx: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
        )
    found = (*folder.glob("*.onnx"), *folder.glob("*/*.onnx"))
    inside = sorted(file.relative_to(folder).as_posix() for file in found)
    if inside:
        more = f" and {len(inside) - 3} more" if len(inside) > 3 else ""
        return "is a folder, not a file", f"Give one of its models: {', '.join(inside[:3])}{more}"
    if any(folder.glob("*.safetensors")) or any(folder.glob("pytorch_model*.bin")):
        return "holds weights, and no config.json beside them", "Copy the whole folder of the checkpoint"
    if (folder / "config.json").is_file():
        return "holds a config.json, and no weights beside it", "Copy the whole folder of the checkpoint"
    ggufs = sorted(file.name for file in folder.glob("*.gguf"))
    if ggufs:
        return "is a folder, not a file", f"Give one of its models: {', '.join(ggufs[:3])}"
    return "is a folder, not a file, and holds no .onnx file", "Give the path of an ONNX file"


def _guess_zip(head: bytes) -> tuple[str, str]:
    if b"data.pkl" in head or b"/version" in head or b".data/" in head:
        return "a PyTorch checkpoint or program (.pt, .pth, .pt2)", _TORCH
    if b"keras" in head or b"config.json" in head:
        return "a Keras archive", _KERAS
    if b".npy" in head:
        return "a NumPy archive (.npz)", "Give the model here, arrays of samples belong to --calibration"
    return "a zip archive", _UNPACK
