"""Every scheme, end to end on the shipped example: what the file weighs, what it answers, what runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.numerics import optimized, run

import edgec
from edgec.errors import ModelError, OptionError

# Scheme → (most of the float file that is left, most of the root mean square of the logits that is lost).
KINDS = {
    "a8w8": (0.37, 0.05),
    "a8w4": (0.25, 0.30),
    "a16w8": (0.37, 0.02),
    "a16w4": (0.25, 0.30),
    "a6w6": (0.37, 0.30),
    "a4w4": (0.25, 1.0),
    "d8w8": (0.35, 0.03),
    "w8": (0.35, 0.02),
    "w4": (0.30, 0.20),
    "fp16": (0.56, 0.002),
    "bf16": (0.56, 0.01),
}


@pytest.mark.parametrize("scheme", KINDS)
def test_a_scheme_of_the_example(digits: Path, tmp_path: Path, scheme: str) -> None:
    source, data = digits / "digits.onnx", np.load(digits / "evaluation.npz")
    bundle = edgec.compile(
        source,
        scheme=scheme,
        calibration=digits / "calibration.npz",
        output=tmp_path / "out",
        prove=False,
        search=False,
    )
    size, loss = KINDS[scheme]
    assert bundle.model.stat().st_size <= size * source.stat().st_size
    before, shipped = ir.load(source), ir.load(bundle.model)
    assert shipped.metadata_props["edgec.scheme"] == scheme
    (name,) = (value.name for value in before.graph.inputs)
    feeds = {name: data[name][:64]}
    expected = next(iter(run(before, feeds).values()))
    answered = next(iter(run(shipped, feeds, optimize=True).values()))
    lost = np.sqrt(np.mean((answered - expected) ** 2)) / np.sqrt(np.mean(expected**2))
    assert 0 < lost <= loss


@pytest.mark.parametrize("scheme", ["w8", "w4", "fp16", "bf16"])
def test_stored_weights_are_expanded_at_load(digits: Path, tmp_path: Path, scheme: str) -> None:
    """The kernels are those of the float model: nothing is expanded when it runs."""
    made = {
        each: edgec.compile(digits / "digits.onnx", scheme=each, output=tmp_path / each, prove=False)
        for each in ("float", scheme)
    }
    kinds = [[node.op_type for node in optimized(ir.load(bundle.model)).graph.node] for bundle in made.values()]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("scheme", ["a8w4", "a16w8", "a16w4"])
def test_static_schemes_need_samples(digits: Path, scheme: str) -> None:
    with pytest.raises(OptionError) as error:
        edgec.compile(digits / "digits.onnx", scheme=scheme)
    assert str(error.value) == (
        f"--scheme {scheme}: needs calibration samples: static ranges are measured, never guessed. "
        "Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only)."
    )


def test_blocks_have_sizes(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as error:
        edgec.compile(digits / "digits.onnx", scheme="w4", block_size=8)
    assert str(error.value) == "--block-size: 8 is not from 16 to 1024. Give a power of two like 32."
    sizes = [
        edgec.compile(
            digits / "digits.onnx", scheme="w4", block_size=size, output=tmp_path / str(size), prove=False
        ).size_bytes
        for size in (16, 64)
    ]
    assert sizes[1] < sizes[0]


def recurrent() -> ir.Model:
    rng = np.random.default_rng(0)
    model = ir.from_onnx_text(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[T,1,16] x) => (float[T,1,1,32] y) '
        "{ y = GRU<hidden_size=32>(x, w, r) }"
    )
    for index, (name, shape) in enumerate((("w", (1, 96, 16)), ("r", (1, 96, 32))), start=1):
        array = rng.standard_normal(shape).astype(np.float32) * 0.2
        value = ir.Value(
            name=name,
            shape=ir.Shape(shape),
            type=ir.TensorType(ir.DataType.FLOAT),
            const_value=ir.tensor(array, name=name),
        )
        model.graph.register_initializer(value)
        model.graph[0].replace_input_with(index, value)
    return model


def test_a_model_of_weights_without_integer_kernels_is_stored_in_8_bits_and_says_so(tmp_path: Path) -> None:
    from edgec.compiler.compile import compile_request
    from edgec.compiler.request import CompileRequest

    samples = [{"x": np.ones((5, 1, 16), np.float32)}]
    request = CompileRequest.of(
        recurrent(), {"calibration": samples, "output": tmp_path / "out", "prove": False, "search": False}
    )
    result = compile_request(request)
    note = "nothing runs in integers; weights stored in 8 bits"
    assert result.reason == f"calibration samples are given; {note}"
    assert note in result.bundle.manifest["notes"]
    shipped = ir.load(result.bundle.model)
    assert {value.dtype for value in shipped.graph.initializers.values()} == {ir.DataType.INT8, ir.DataType.FLOAT}


def test_with_its_nodes_excluded_nothing_is_left_to_do(tmp_path: Path) -> None:
    samples = [{"x": np.ones((5, 1, 16), np.float32)}]
    with pytest.raises(ModelError, match="has no operator that runs in integers on this target"):
        edgec.compile(recurrent(), calibration=samples, exclude_ops=("GRU",), output=tmp_path / "out", prove=False)
