"""External data: mapped, never copied; links followed; paths that leave the model's folder refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.numerics import run
from support.protos import external, proto, saved

from edgec.compiler.load import load_model
from edgec.compiler.loading import finite, read_file
from edgec.compiler.loading.file_tensor import FileTensor
from edgec.errors import ModelError

W = weights(32, 32)


def dense() -> onnx.ModelProto:
    return proto("g (float[n, 32] x) => (float[n, 32] y) { y = MatMul(x, w) }", w=W)


def stored(folder: Path, location: str = "m.data", *, pad: int = 3) -> Path:
    """A model whose weights are in `location`, behind `pad` bytes."""
    model = dense()
    data = external(model, "w", location, offset=pad)
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    (folder / location).write_bytes(b"\0" * pad + data)
    return saved(model, folder / "m.onnx")


def weight(model: ir.Model) -> ir.TensorProtocol:
    tensor = model.graph.initializers["w"].const_value
    assert tensor is not None
    return tensor


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path)
    return str(caught.value).replace(str(path), "PATH").replace(str(path.parent), "FOLDER")


def links_or_skip(make: object, *paths: Path) -> None:
    try:
        make(*paths)  # type: ignore[operator]
    except OSError as error:
        pytest.skip(f"no links here: {error}")


class TestMapped:
    def test_reads_the_file_in_place(self, tmp_path: Path) -> None:
        loaded = load_model(stored(tmp_path))
        tensor = weight(loaded.model)
        assert isinstance(tensor, FileTensor)
        assert (tensor.file.path, tensor.offset) == ((tmp_path / "m.data").resolve(), 3)
        array = tensor.numpy()
        assert np.array_equal(array, W)
        assert not array.flags.owndata
        assert not array.flags.writeable
        assert np.shares_memory(array, tensor.numpy()), "one mapping for all readers"

    def test_is_serialized_by_value(self, tmp_path: Path) -> None:
        model = load_model(stored(tmp_path)).model
        x = weights(2, 32, seed=1)
        np.testing.assert_allclose(run(model, {"x": x})["y"], x @ W, rtol=1e-5, atol=1e-5)
        (tmp_path / "other").mkdir()
        ir.save(model, tmp_path / "other" / "n.onnx")
        (tmp_path / "m.data").unlink()
        assert np.array_equal(weight(load_model(tmp_path / "other" / "n.onnx").model).numpy(), W)

    def test_is_streamed_into_another_external_file(self, tmp_path: Path) -> None:
        model = load_model(stored(tmp_path)).model
        (tmp_path / "out").mkdir()
        ir.save(model, tmp_path / "out" / "n.onnx", external_data="n.data")
        assert (tmp_path / "out" / "n.data").read_bytes() == W.tobytes()

    def test_small_tensors_are_read_for_shape_inference(self, tmp_path: Path) -> None:
        model = proto("g (float[4, 6] x) => (float[a, b, c] y) { y = Reshape(x, s) }", s=np.int64([2, 3, 4]))
        (tmp_path / "m.data").write_bytes(external(model, "s", "m.data"))
        loaded = load_model(saved(model, tmp_path / "m.onnx"))
        assert [int(d) for d in loaded.model.graph.outputs[0].shape] == [2, 3, 4]  # type: ignore[union-attr, arg-type]

    def test_a_large_file_is_not_read_into_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(read_file, "IN_MEMORY_BELOW", 1024)
        file = saved(dense(), tmp_path / "m.onnx")
        loaded = load_model(file)
        tensor = weight(loaded.model)
        assert isinstance(tensor, FileTensor)
        assert tensor.file.path == file.resolve()
        assert np.array_equal(tensor.numpy(), W)
        assert loaded.digest == hashlib.sha256(file.read_bytes()).hexdigest()

    def test_float_data_is_a_weight_like_any_other(self, tmp_path: Path) -> None:
        model = dense()
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.float_data.extend(W.ravel().tolist())
        assert np.array_equal(weight(load_model(saved(model, tmp_path / "m.onnx")).model).numpy(), W)

    @pytest.mark.parametrize("dtype", [ir.DataType.INT4, ir.DataType.UINT4, ir.DataType.BFLOAT16, ir.DataType.INT64])
    @pytest.mark.parametrize("where", ["inside", "external"])
    def test_every_element_type(self, tmp_path: Path, dtype: ir.DataType, where: str) -> None:
        values = (np.arange(64 * 64) % 7).reshape(64, 64).astype(dtype.numpy())
        model = ir.Model(ir.Graph([], [], nodes=[], initializers=[], opset_imports={"": 21}, name="g"), ir_version=10)
        given = ir.Value(name="w", const_value=ir.Tensor(values, dtype=dtype, name="w"))
        given.shape, given.type = ir.Shape([64, 64]), ir.TensorType(dtype)
        model.graph.register_initializer(given)
        cast = ir.node("Cast", [given], {"to": ir.DataType.FLOAT})
        cast.outputs[0].name, cast.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
        model.graph.append(cast)
        model.graph.outputs.append(cast.outputs[0])
        if where == "external":
            ir.save(model, tmp_path / "m.onnx", external_data="m.data")
        else:
            ir.save(model, tmp_path / "m.onnx")
        read = weight(load_model(tmp_path / "m.onnx").model)
        assert read.dtype == dtype
        assert np.array_equal(read.numpy(), values)
        assert read.tobytes() == ir.Tensor(values, dtype=dtype).tobytes()

    def test_digest_covers_the_data(self, tmp_path: Path) -> None:
        file = stored(tmp_path)
        first = load_model(file)
        assert first.files == (file.resolve(), (tmp_path / "m.data").resolve())
        before = first.digest
        with (tmp_path / "m.data").open("r+b") as stream:
            stream.seek(100)
            stream.write(b"\1")
        assert load_model(file).digest != before
        assert first.digest == before, "computed once"


class TestLinks:
    def test_a_hugging_face_cache(self, tmp_path: Path) -> None:
        blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "rev" / "onnx"
        real = stored(blobs, "model.onnx_data")
        snapshot.mkdir(parents=True)
        links_or_skip(Path.symlink_to, snapshot / "model.onnx", real)
        # In the cache the blob has another name than the location in the model.
        (blobs / "model.onnx_data").rename(blobs / "0a1b")
        links_or_skip(Path.symlink_to, snapshot / "model.onnx_data", blobs / "0a1b")
        loaded = load_model(snapshot / "model.onnx")
        assert np.array_equal(weight(loaded.model).numpy(), W)
        assert loaded.files == (real.resolve(), (blobs / "0a1b").resolve())

    def test_a_linked_model_finds_its_data_beside_the_real_file(self, tmp_path: Path) -> None:
        real = stored(tmp_path / "store")
        links_or_skip(Path.symlink_to, tmp_path / "link.onnx", real)
        assert np.array_equal(weight(load_model(tmp_path / "link.onnx").model).numpy(), W)

    def test_hard_links(self, tmp_path: Path) -> None:
        real = stored(tmp_path)
        links_or_skip(Path.hardlink_to, tmp_path / "second.data", tmp_path / "m.data")
        assert np.array_equal(weight(load_model(real).model).numpy(), W)
        assert run(load_model(ir.load(real.absolute())).model, {"x": np.zeros((1, 32), np.float32)})["y"].sum() == 0

    def test_a_linked_folder(self, tmp_path: Path) -> None:
        real = stored(tmp_path / "a", "weights/m.data")
        (tmp_path / "a" / "weights").rename(tmp_path / "elsewhere")
        links_or_skip(Path.symlink_to, tmp_path / "a" / "weights", tmp_path / "elsewhere")
        assert np.array_equal(weight(load_model(real).model).numpy(), W)


class TestRefused:
    @pytest.mark.parametrize("location", ["../m.data", "sub/../../m.data", "..\\m.data"])
    def test_a_path_that_leaves_the_folder(self, tmp_path: Path, location: str) -> None:
        model = dense()
        (tmp_path / "m.data").write_bytes(external(model, "w", location))
        assert refusal(saved(model, tmp_path / "sub" / "m.onnx")) == (
            f"PATH, tensor 'w': external data location {location!r} leaves the model's folder. "
            "Put the file into the model's folder, or a link to it, and save the model with that location."
        )

    @pytest.mark.parametrize("location", ["/etc/passwd", "C:\\m.data", "\\\\host\\share\\m.data"])
    def test_an_absolute_path(self, tmp_path: Path, location: str) -> None:
        model = dense()
        external(model, "w", location)
        assert refusal(saved(model, tmp_path / "m.onnx")) == (
            f"PATH, tensor 'w': external data location {location!r} is an absolute path; "
            "ONNX wants one relative to the model. "
            "Put the file beside the model and save the model with a relative location."
        )

    def test_the_same_by_a_bare_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = dense()
        (tmp_path / "m.data").write_bytes(external(model, "w", "../m.data"))
        saved(model, tmp_path / "sub" / "m.onnx")
        monkeypatch.chdir(tmp_path / "sub")
        with pytest.raises(ModelError, match="leaves the model's folder"):
            load_model("m.onnx")
        with pytest.raises(ModelError, match="leaves the model's folder"):
            load_model(ir.load("m.onnx"))

    def test_missing(self, tmp_path: Path) -> None:
        file = stored(tmp_path)
        (tmp_path / "m.data").unlink()
        assert refusal(file) == (
            "PATH, tensor 'w': external data file 'm.data' is missing from FOLDER. "
            "Put the file beside the model: the weights are in it."
        )

    def test_truncated(self, tmp_path: Path) -> None:
        file = stored(tmp_path)
        os.truncate(tmp_path / "m.data", 1000)
        assert refusal(file) == (
            "PATH, tensor 'w': external data file 'm.data' is truncated: it has 1000 bytes, "
            "the tensor lies in bytes 3 to 4099. Copy or download the file again, whole."
        )

    def test_a_folder(self, tmp_path: Path) -> None:
        file = stored(tmp_path)
        (tmp_path / "m.data").unlink()
        (tmp_path / "m.data").mkdir()
        assert refusal(file) == (
            "PATH, tensor 'w': external data location 'm.data' is not a file. Export the model again."
        )

    def test_no_location(self, tmp_path: Path) -> None:
        model = dense()
        external(model, "w", "")
        assert refusal(saved(model, tmp_path / "m.onnx")) == (
            "PATH, tensor 'w': has external data without a location. Export the model again."
        )

    def test_a_length_that_does_not_fit(self, tmp_path: Path) -> None:
        model = dense()
        (tmp_path / "m.data").write_bytes(external(model, "w", "m.data", length=8))
        assert refusal(saved(model, tmp_path / "m.onnx")) == (
            "PATH, tensor 'w': has 8 bytes of external data, FLOAT [32, 32] needs 4096. Export the model again."
        )

    def test_a_number_that_is_none(self, tmp_path: Path) -> None:
        model = dense()
        external(model, "w", "m.data")
        model.graph.initializer[0].external_data[1].value = "ten"
        assert refusal(saved(model, tmp_path / "m.onnx")) == (
            "PATH, tensor 'w': its external data is described by a bad number "
            "(invalid literal for int() with base 10: 'ten'). Export the model again."
        )

    def test_a_negative_offset(self, tmp_path: Path) -> None:
        model = dense()
        (tmp_path / "m.data").write_bytes(external(model, "w", "m.data", offset=-4))
        assert "the tensor lies in bytes -4 to 4092" in refusal(saved(model, tmp_path / "m.onnx"))

    def test_a_proto_does_not_know_its_folder(self, tmp_path: Path) -> None:
        model = dense()
        external(model, "w", "m.data")
        with pytest.raises(ModelError) as caught:
            load_model(model)
        assert str(caught.value) == (
            "<ModelProto>, tensor 'w': its data is in the external file 'm.data', and a model in memory does not say "
            "in which folder. Give the path of the model's file, or load the data first "
            "(onnx.load_external_data_for_model)."
        )


def test_large_weights_in_files_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite, "READ_BELOW", 1024)
    assert load_model(stored(tmp_path)).notes == ("0.0 GB of weights in files: not searched for NaN",)


# getrusage counts the pages of the test process too, from before the child's exec; VmHWM does not.
LOAD_AND_MEASURE = """
import sys
from pathlib import Path
from edgec import plan
from edgec.compiler.load import load_model
def resident():
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) << 10
    except OSError:
        import psutil
        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss)
loaded = load_model(sys.argv[1])
assert sum(v.const_value.nbytes for v in loaded.model.graph.initializers.values()) == 3 << 30
planned = plan(sys.argv[1])
assert {each.scheme: each.file_bytes >> 20 for each in planned.schemes}["float"] >= 3 << 10
print(resident(), *loaded.notes, sep="\\n")
"""


@pytest.mark.parametrize("where", ["external", "inside"])
def test_three_gigabytes_load_and_plan_in_under_300_megabytes(tmp_path: Path, where: str) -> None:
    """The zeros are holes on disk. Weights inside the file itself are beyond what protobuf can parse at all."""
    layers, side = 12, 8192
    nodes = " ".join(f"h{k + 1} = MatMul(h{k}, w{k})" for k in range(layers))
    model = proto(f"g (float[n, {side}] h0) => (float[n, {side}] h{layers}) {{ {nodes} }}")
    size = side * side * 4
    if where == "external":
        for k in range(layers):
            tensor = model.graph.initializer.add(name=f"w{k}", dims=[side, side], data_type=onnx.TensorProto.FLOAT)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", "m.data"), ("offset", k * size), ("length", size)):
                tensor.external_data.add(key=key, value=str(value))
        (tmp_path / "m.data").touch()
        os.truncate(tmp_path / "m.data", layers * size)
        saved(model, tmp_path / "m.onnx")
    else:
        _write_sparse(model, tmp_path / "m.onnx", [f"w{k}" for k in range(layers)], side)
    answer = subprocess.run(
        [sys.executable, "-c", LOAD_AND_MEASURE, str(tmp_path / "m.onnx")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    peak, *notes = answer.stdout.splitlines()
    assert int(peak) < 300 << 20
    assert notes == ["3.2 GB of weights in files: not searched for NaN"]


def _write_sparse(model: onnx.ModelProto, path: Path, names: list[str], side: int) -> None:
    """Serialize a model with zero weights of `side` by `side`, skipping over their bytes."""

    def varint(number: int) -> bytes:
        digits = []
        while number > 127:
            digits.append(number & 127 | 128)
            number >>= 7
        return bytes([*digits, number])

    size = side * side * 4
    heads = []
    for name in names:
        tensor = onnx.TensorProto(name=name, dims=[side, side], data_type=onnx.TensorProto.FLOAT).SerializeToString()
        heads.append(tensor + varint(9 << 3 | 2) + varint(size))
    graph = model.graph.SerializeToString()
    total = len(graph) + sum(1 + len(varint(len(head) + size)) + len(head) + size for head in heads)
    model.ClearField("graph")
    with path.open("wb") as stream:
        stream.write(model.SerializeToString() + varint(7 << 3 | 2) + varint(total) + graph)
        for head in heads:
            stream.write(varint(5 << 3 | 2) + varint(len(head) + size) + head)
            stream.seek(size, os.SEEK_CUR)
        stream.truncate()
