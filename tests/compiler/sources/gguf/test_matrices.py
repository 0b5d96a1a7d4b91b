"""Matrices in ONNX Runtime: outputs of the dequantized weights, whatever is stored; nothing is left of the making."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from support.gguf_files import random_blocks

from edgec.compiler.sources.decoder.writer import Writer
from edgec.compiler.sources.gguf.kinds import KINDS
from edgec.compiler.sources.gguf.matrices import HalfMatrix, QuantizedMatrix
from edgec.compiler.sources.gguf.read import GgufTensor

pytest.importorskip("gguf", reason="gguf is not installed")

_COLUMNS = 512
# Below and above what is worth nodes.
_FEW, _MANY = 40, 200
# The kernel rounds what it multiplies to 8 bits in blocks (accuracy_level 4).
_INT8_NOISE = 0.02
_EXACT = 1e-6


def tensor_of(name: str, rows: int, columns: int = _COLUMNS) -> GgufTensor:
    kind = KINDS[name]
    blocks = random_blocks(name, kind.nbytes, rows * columns // kind.elements, np.random.default_rng(rows))
    return GgufTensor(name="t", kind=name, shape=(rows, columns), raw=blocks.reshape(rows, -1))


def weights_of(tensor: GgufTensor) -> np.ndarray:
    kind = KINDS[tensor.kind]
    return kind.unpack(tensor.raw.reshape(-1, kind.nbytes)).in_rows(tensor.shape[0]).real


def model_of(matrix: QuantizedMatrix | HalfMatrix) -> bytes:
    writer = Writer("graph", 23)
    x = writer.input("x", ir.DataType.FLOAT, ("batch", "tokens", matrix.shape[1]))
    ids = writer.input("ids", ir.DataType.INT64, ("batch", "tokens"))
    writer.graph.outputs.extend([matrix.multiply(writer, x, "/y", None), matrix.look_up(writer, ids, "/e")])
    return ir.to_proto(ir.Model(writer.graph, ir_version=10)).SerializeToString()


def run(model: bytes, x: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    product, found = session.run(None, {"x": x, "ids": ids})
    return product, found


def feeds(rows: int, columns: int = _COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.standard_normal((1, 6, columns)).astype(np.float32), rng.integers(0, rows, (1, 9))


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("rows", [_FEW, _MANY])
@pytest.mark.parametrize("name", KINDS)
def test_the_product_is_that_of_the_weights(name, rows):
    tensor = tensor_of(name, rows)
    x, ids = feeds(rows)
    w = weights_of(tensor)
    expected = x.astype(np.float64) @ w.astype(np.float64).T
    product, found = run(model_of(QuantizedMatrix(name="w", tensor=tensor, level=1)), x, ids)
    assert off(product, expected) < _EXACT
    # Looked up they are the weights themselves; those with a minimum are added up in another order.
    if KINDS[name].zero is None:
        assert off(found, w[ids]) < _EXACT
    else:
        np.testing.assert_array_equal(found, w[ids])


@pytest.mark.parametrize("name", KINDS)
def test_what_ships_is_off_by_its_int8_activations(name):
    tensor = tensor_of(name, _FEW)
    x, ids = feeds(_FEW)
    expected = x.astype(np.float64) @ weights_of(tensor).astype(np.float64).T
    product, _ = run(model_of(QuantizedMatrix(name="w", tensor=tensor)), x, ids)
    assert off(product, expected) < _INT8_NOISE


def test_zero_points_keep_the_noise_of_int8_small():
    """The minimum split into an integer and a rest: x is rounded for codes around 0, not for all of them."""
    tensor = tensor_of("Q5_K", _FEW)
    x = feeds(_FEW)[0]
    expected = x.astype(np.float64) @ weights_of(tensor).astype(np.float64).T
    product, _ = run(model_of(QuantizedMatrix(name="w", tensor=tensor)), x, feeds(_FEW)[1])
    assert off(product, expected) < 0.012


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_made_when_the_model_runs(name, tmp_path):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(model_of(QuantizedMatrix(name="w", tensor=tensor_of(name, _MANY))), options)
    left = {node.op_type for node in ir.load(tmp_path / "optimized.onnx").graph}
    corrected = {"Reshape", "ReduceSum", "MatMul", "Add", "Gather", "Unsqueeze"} if KINDS[name].zero is None else set()
    assert left - {"FusedMatMul"} <= {"MatMulNBits", "GatherBlockQuantized", *corrected}


@pytest.mark.parametrize("name", KINDS)
def test_the_file_is_about_as_small_as_ggufs(name):
    """Bits of a weight: at most 0.8 more than GGUF's (2-bit minima), where codes side by side take up to 7 more."""
    rows, kind = 4096, KINDS[name]
    one = tensor_of(name, 1, 2048)
    tensor = GgufTensor(name="t", kind=name, shape=(rows, 2048), raw=np.broadcast_to(one.raw, (rows, one.raw.shape[1])))
    writer = Writer("graph", 23)
    x = writer.input("x", ir.DataType.FLOAT, (1, 2048))
    QuantizedMatrix(name="w", tensor=tensor).multiply(writer, x, "/y", None)
    stored = sum(value.const_value.nbytes for value in writer.graph.initializers.values())
    bits = 8 * stored / (rows * 2048)
    assert 0 <= bits - 8 * kind.nbytes / kind.elements < 0.8


def test_products_of_the_same_input_share_its_sums():
    writer = Writer("graph", 23)
    x = writer.input("x", ir.DataType.FLOAT, ("batch", "tokens", _COLUMNS))
    for name in ("a", "b"):
        QuantizedMatrix(name=name, tensor=tensor_of("Q4_K", _FEW)).multiply(writer, x, f"/{name}", None)
    assert [node.name for node in writer.graph if node.op_type == "ReduceSum"] == ["x/sums_of_32/ReduceSum"]


def test_a_bias_is_added_once():
    tensor = tensor_of("Q4_1", _FEW)
    writer = Writer("graph", 23)
    x = writer.input("x", ir.DataType.FLOAT, (1, 6, _COLUMNS))
    bias = np.arange(_FEW, dtype=np.float32)
    made = QuantizedMatrix(name="w", tensor=tensor, level=1).multiply(writer, x, "/y", writer.constant("b", bias))
    writer.graph.outputs.append(made)
    model = ir.to_proto(ir.Model(writer.graph, ir_version=10)).SerializeToString()
    value = feeds(_FEW)[0]
    (found,) = ort.InferenceSession(model).run(None, {"x": value})
    assert off(found, value.astype(np.float64) @ weights_of(tensor).astype(np.float64).T + bias) < _EXACT


def test_an_odd_number_of_blocks():
    tensor = tensor_of("Q4_1", 3000, 96)
    x, ids = feeds(3000, 96)
    product, found = run(model_of(QuantizedMatrix(name="w", tensor=tensor, level=1)), x, ids)
    w = weights_of(tensor)
    assert off(product, x.astype(np.float64) @ w.astype(np.float64).T) < _EXACT
    assert off(found, w[ids]) < _EXACT


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_halves_are_stored_once(kind):
    rng = np.random.default_rng(2)
    w = rng.standard_normal((_FEW, _COLUMNS)).astype(np.float32)
    raw = (
        w.astype(np.float16).view(np.uint8)
        if kind == "F16"
        else (w.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    )
    exact = (
        w.astype(np.float16).astype(np.float32) if kind == "F16" else (w.view(np.uint32) & 0xFFFF0000).view(np.float32)
    )
    matrix = HalfMatrix(name="w", tensor=GgufTensor(name="t", kind=kind, shape=w.shape, raw=raw))
    model = model_of(matrix)
    x, ids = feeds(_FEW)
    product, found = run(model, x, ids)
    assert off(product, x.astype(np.float64) @ exact.astype(np.float64).T) < _EXACT
    np.testing.assert_array_equal(found, exact[ids])
    assert len(model) < 1.05 * w.nbytes / 2 + 2000
