"""Files that cannot be loaded: each ends in one paragraph that says what it is and what to do."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.graphs import weights
from support.protos import proto, saved

from edgec.compiler.load import load_model
from edgec.errors import ModelError

AGAIN = "Copy or download the file again, or export the model again."
TORCH = "Give the code that builds the module, and these weights to it: package.module:build --weights FILE."


def dense() -> onnx.ModelProto:
    return proto("g (float[n, 32] x) => (float[n, 32] y) { y = MatMul(x, w) }", w=weights(32, 32))


def refusal(path: Path | str) -> str:
    """The message without the path it starts with."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


class TestNotThere:
    def test_missing(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "model.onnx") == "does not exist. Check the path."

    def test_misspelled(self, tmp_path: Path) -> None:
        there = saved(dense(), tmp_path / "mobilenet.onnx")
        assert refusal(tmp_path / "mobilnet.onnx") == f"does not exist. Did you mean {str(there)!r}?"

    def test_an_address(self) -> None:
        assert refusal("https://host/model.onnx") == "is an address, not a file. Download the model and give its path."

    def test_a_folder(self, tmp_path: Path) -> None:
        assert refusal(tmp_path) == "is a folder, not a file, and holds no .onnx file. Give the path of an ONNX file."

    def test_a_folder_of_models(self, tmp_path: Path) -> None:
        for name in ("model.onnx", "onnx/a.onnx", "onnx/b.onnx", "onnx/c.onnx"):
            saved(dense(), tmp_path / name)
        assert refusal(tmp_path) == (
            "is a folder, not a file. Give one of its models: model.onnx, onnx/a.onnx, onnx/b.onnx and 1 more."
        )

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            (
                "model.safetensors",
                "holds weights, and no config.json beside them. Copy the whole folder of the checkpoint.",
            ),
            ("config.json", "holds a config.json, and no weights beside it. Copy the whole folder of the checkpoint."),
            ("a.gguf", "is a folder, not a file. Give one of its models: a.gguf."),
        ],
    )
    def test_a_part_of_a_checkpoint(self, tmp_path: Path, file: str, message: str) -> None:
        (tmp_path / file).touch()
        assert refusal(tmp_path) == message

    def test_a_saved_model(self, tmp_path: Path) -> None:
        (tmp_path / "saved_model.pb").touch()
        assert refusal(tmp_path) == (
            "is a TensorFlow SavedModel. "
            "Convert it with tf2onnx: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx."
        )

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.onnx")
        assert refusal(tmp_path / "pipe.onnx") == "is not a regular file. Give the path of an ONNX file."

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read everything")
    def test_forbidden(self, tmp_path: Path) -> None:
        file = saved(dense(), tmp_path / "m.onnx")
        file.chmod(0)
        assert refusal(file) == "cannot be read (Permission denied). Check the path and its permissions."

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = saved(dense(), tmp_path / "m.onnx")

        def fail(*_args: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", fail)
        assert refusal(file) == "cannot be read (Permission denied). Check the path and its permissions."


class TestDamaged:
    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").touch()
        assert refusal(tmp_path / "m.onnx") == f"is empty (0 bytes). {AGAIN}"

    def test_truncated(self, tmp_path: Path) -> None:
        file = saved(dense(), tmp_path / "m.onnx")
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        message = refusal(file)
        assert message.startswith("is truncated, corrupt or not an ONNX model: the field at byte ")
        assert message.endswith(f" bytes more than there are. {AGAIN}")

    def test_truncated_anywhere(self, tmp_path: Path) -> None:
        file = saved(dense(), tmp_path / "m.onnx")
        whole = file.read_bytes()
        for size in range(1, len(whole), 97):
            file.write_bytes(whole[:size])
            with pytest.raises(ModelError):
                load_model(file)

    @pytest.mark.parametrize("seed", range(40))
    def test_flipped_bits_never_end_in_a_traceback(self, tmp_path: Path, seed: int) -> None:
        model = dense()
        model.graph.initializer[0].ClearField("raw_data")
        model.graph.initializer[0].dims[:] = [0, 32]
        whole = bytearray(model.SerializeToString())
        rng = np.random.default_rng(seed)
        for position in rng.integers(0, len(whole), 3):
            whole[position] ^= 1 << int(rng.integers(0, 8))
        file = tmp_path / "m.onnx"
        file.write_bytes(whole)
        with contextlib.suppress(ModelError):
            load_model(file)

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_text("hello, this is not a model")
        assert refusal(tmp_path / "m.onnx") == (
            "is a text file; this version of edgec reads ONNX. "
            "Give the .onnx file (or, for ONNX text, a file called .onnxtxt, .textproto or .json)."
        )

    def test_another_protobuf(self, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_bytes(dense().graph.SerializeToString())
        assert refusal(tmp_path / "m.onnx") == "is not an ONNX model: it has no graph. Give the path of an ONNX file."

    def test_no_graph(self, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_bytes(onnx.ModelProto(ir_version=8).SerializeToString())
        assert refusal(tmp_path / "m.onnx") == ("is not an ONNX model: it has no graph. Give the path of an ONNX file.")

    def test_bad_text(self, tmp_path: Path) -> None:
        (tmp_path / "m.textproto").write_text("graph {{{")
        message = refusal(tmp_path / "m.textproto")
        assert message.startswith("is not ONNX in textproto form: 1:8 : ")
        (tmp_path / "m.onnxtxt").write_text("g (float[2] x) => ")
        assert refusal(tmp_path / "m.onnxtxt").startswith("is not ONNX in onnxtxt form: ")

    def test_a_weight_of_the_wrong_size(self, tmp_path: Path) -> None:
        model = dense()
        model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
        file = saved(model, tmp_path / "m.onnx")
        with pytest.raises(ModelError) as caught:
            load_model(file)
        assert str(caught.value) == f"{file}, tensor 'w': has 4092 bytes of data, FLOAT [32, 32] needs 4096. {AGAIN}"

    def test_too_few_numbers(self, tmp_path: Path) -> None:
        model = proto("g (float[2, 3] x) => (float[3, 2] y) { y = Reshape(x, s) }")
        model.graph.initializer.add(name="s", dims=[2], data_type=onnx.TensorProto.INT64, int64_data=[3])
        file = saved(model, tmp_path / "m.onnx")
        with pytest.raises(ModelError) as caught:
            load_model(file)
        assert str(caught.value) == f"{file}, tensor 's': has 1 elements of data, INT64 [2] needs 2. {AGAIN}"

    def test_an_unknown_element_type(self, tmp_path: Path) -> None:
        model = dense()
        model.graph.initializer[0].data_type = 99
        file = saved(model, tmp_path / "m.onnx")
        with pytest.raises(ModelError) as caught:
            load_model(file)
        assert str(caught.value) == (
            f"{file}, tensor 'w': has the unknown element type 99. Export the model again with an older onnx."
        )


READS_ONNX = "this version of edgec reads ONNX"
FORMATS = {
    "m.tflite": (
        b"\x1c\x00\x00\x00TFL3\x14\x00",
        f"is a TensorFlow Lite model; {READS_ONNX}. "
        "Convert it with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx.",
    ),
    "m.ort": (
        b"\x1c\x00\x00\x00ORTM\x14\x00",
        f"is an ONNX Runtime .ort file; {READS_ONNX}. Give the .onnx file it was made from.",
    ),
    "m.safetensors": (
        struct.pack("<Q", 64) + b'{"w":{"dtype":"F32"',
        f"is a safetensors file: weights without a graph; {READS_ONNX}. {TORCH}",
    ),
    "m.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j", f"is a PyTorch or pickle file; {READS_ONNX}. {TORCH}"),
    "m.h5": (
        b"\x89HDF\r\n\x1a\n",
        f"is an HDF5 file (Keras); {READS_ONNX}. "
        "Export it to ONNX first (model.export('model.onnx', format='onnx') in Keras 3, or tf2onnx).",
    ),
    "m.onnx.gz": (
        b"\x1f\x8b\x08\x00",
        f"is a gzip archive; {READS_ONNX}. Unpack it and give the .onnx file inside.",
    ),
    "lfs.onnx": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        f"is a Git LFS pointer, not the model itself; {READS_ONNX}. Fetch it with: git lfs pull.",
    ),
    "page.onnx": (
        b"<!DOCTYPE html><html><body>404</body></html>",
        f"is an HTML page, not the model itself; {READS_ONNX}. Download the file itself.",
    ),
    "m.xml": (
        b'<?xml version="1.0"?><net name="m">',
        f"is an XML file (OpenVINO?); {READS_ONNX}. Give the .onnx file it was made from.",
    ),
    "x.npy": (
        b"\x93NUMPY\x01\x00",
        f"is a NumPy array; {READS_ONNX}. Give the model here, arrays of samples belong to --calibration.",
    ),
}


class TestOtherFormats:
    @pytest.mark.parametrize("name", FORMATS)
    def test_are_recognised(self, tmp_path: Path, name: str) -> None:
        head, message = FORMATS[name]
        (tmp_path / name).write_bytes(head + b"\0" * 64)
        assert refusal(tmp_path / name) == message

    @pytest.mark.parametrize(
        ("member", "message"),
        [
            ("archive/data.pkl", f"is a PyTorch checkpoint or program (.pt, .pth, .pt2); {READS_ONNX}. {TORCH}"),
            ("model.onnx", f"is a zip archive; {READS_ONNX}. Unpack it and give the .onnx file inside."),
            (
                "x.npy",
                f"is a NumPy archive (.npz); {READS_ONNX}. "
                "Give the model here, arrays of samples belong to --calibration.",
            ),
        ],
    )
    def test_zips_by_what_is_inside(self, tmp_path: Path, member: str, message: str) -> None:
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
            archive.writestr(member, b"\0" * 64)
        assert refusal(tmp_path / "m.zip") == message
