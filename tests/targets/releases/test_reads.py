"""What the rules say of small models; that they say what ONNX Runtime does is tested here for the one installed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from support.release_cases import release_cases

from edgec.targets.releases.facts import RELEASES, Release, release
from edgec.targets.releases.history import contrib_of, kernels_of
from edgec.targets.releases.reads import Obstacle, first_reading, obstacles


def parsed(graph: str, *, opset: int = 17, ir_version: int = 8, more: str = "") -> ir.Model:
    text = f'<ir_version: {ir_version}, opset_import: ["": {opset}, "com.microsoft": 1{more}]> {graph}'
    return ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))


def said(model: ir.Model, minor: int) -> list[str]:
    return [each.what for each in obstacles(model, release(minor))]


RELU = "g (float[2] x) => (float[2] y) { [one] y = Relu(x) }"


@pytest.mark.parametrize(
    ("model", "minor", "expected"),
    [
        (parsed(RELU), 16, []),
        (parsed(RELU, opset=20), 16, ["operator set 20, and ONNX Runtime 1.16 opens 19 at most"]),
        (parsed(RELU, opset=20), 17, []),
        (parsed(RELU, ir_version=10), 17, ["IR version 10, and ONNX Runtime 1.17 opens 9 at most"]),
        (
            parsed(RELU, opset=26, ir_version=13),
            23,
            [
                "IR version 13, and ONNX Runtime 1.23 opens 11 at most",
                "operator set 26, and ONNX Runtime 1.23 opens 23 at most",
            ],
        ),
        (
            parsed(RELU, more=', "ai.onnx.ml": 5'),
            17,
            ["operator set 5 of ai.onnx.ml, and ONNX Runtime 1.17 opens 4 at most"],
        ),
        (parsed(RELU.replace("float", "float16")), 16, []),  # cast to float32
        (
            parsed(RELU.replace("float", "bfloat16")),
            16,
            ["Relu of set 14 with BFLOAT16 as input 0, for which ONNX Runtime 1.16 has no CPU kernel"],
        ),
        (
            parsed("g (int8[2] a, int8[2] b) => (bool[2] y) { [one] y = LessOrEqual(a, b) }"),
            20,
            ["LessOrEqual is Less of set 13 with INT8 as input 0, for which ONNX Runtime 1.20 has no CPU kernel"],
        ),
        (
            parsed("g (float[2] x) => (float[2] y) { [one] y = com.microsoft.Nonsense(x) }"),
            28,
            ["com.microsoft.Nonsense is no operator of ONNX Runtime 1.28"],
        ),
        (
            parsed(
                "g (float[2,32] x, uint8[16,1,16] c, float[16] s) => (float[2,16] y) "
                "{ [one] y = com.microsoft.MatMulNBits<K=32, N=16, bits=4, block_size=32, accuracy_level=4>(x, c, s) }"
            ),
            16,
            ["com.microsoft.MatMulNBits sets accuracy_level, which ONNX Runtime 1.16 does not know"],
        ),
        (
            parsed(
                "g (float[2,32] x, uint8[16,1,16] c, float[16] s, float[16] b) => (float[2,16] y) "
                '{ [one] y = com.microsoft.MatMulNBits<K=32, N=16, bits=4, block_size=32>(x, c, s, "", "", b) }'
            ),
            18,
            ["com.microsoft.MatMulNBits has 6 inputs, and ONNX Runtime 1.18 takes 5 at most"],
        ),
        (
            parsed("g (float[2] x) => (float[2] y) { [one] y = com.microsoft.QuantizeLinear(x) }"),
            16,
            ["com.microsoft.QuantizeLinear has 1 inputs, and ONNX Runtime 1.16 takes 3 at least"],
        ),
        (parsed("g (float[2] x) => (float[2] y) { [one] y = elsewhere.Op(x) }", more=', "elsewhere": 1'), 16, []),
    ],
)
def test_what_is_said(model: ir.Model, minor: int, expected: Sequence[str]) -> None:
    assert said(model, minor) == expected


def test_nodes_are_told_those_in_bodies_too() -> None:
    model = parsed(
        "g (bool c, bfloat16[2] x) => (bfloat16[2] z) {"
        "[outer] y = Relu(x) [branch] z = If(c) <"
        "then_branch = t () => (bfloat16[2] a) { [inner] a = Relu(y) },"
        "else_branch = e () => (bfloat16[2] b) { [same] b = Identity(y) }> }"
    )
    (found,) = obstacles(model, release(20))
    assert found == Obstacle(
        what="Relu of set 14 with BFLOAT16 as input 0, for which ONNX Runtime 1.20 has no CPU kernel",
        nodes=("outer", "inner"),
    )


@pytest.mark.parametrize(("opset", "first"), [(17, "1.16"), (20, "1.17"), (21, "1.18"), (22, "1.21"), (26, "1.25")])
def test_the_first_release_that_reads(opset: int, first: str) -> None:
    assert str(first_reading(parsed(RELU, opset=opset))) == first


def test_what_no_release_reads() -> None:
    assert first_reading(parsed("g (float[2] x) => (float[2] y) { [one] y = com.microsoft.Nonsense(x) }")) is None


def test_what_a_release_lost_is_not_read_before_it_came_back() -> None:
    """The kernel of MatMulNBits without its optional inputs never went; one that did would count from its return."""
    spans = [minor for minor in range(16, 32) if kernels_of(minor, "com.microsoft", "MatMulNBits")]
    assert spans == list(range(16, 32))
    assert contrib_of(19, "GatherBlockQuantized") is None
    assert contrib_of(20, "GatherBlockQuantized") is not None


def test_releases_are_in_order_and_never_read_less() -> None:
    assert [each.minor for each in RELEASES] == list(range(16, 32))
    for older, newer in pairwise(RELEASES):
        assert older.opset <= newer.opset
        assert older.ir_version <= newer.ir_version
        assert newer.version.startswith(f"{newer}.")


def here() -> Release | None:
    minor = int(onnxruntime.__version__.split(".")[1])
    return next((each for each in RELEASES if each.minor == minor), None)


@pytest.mark.skipif(here() is None, reason=f"no facts of ONNX Runtime {onnxruntime.__version__}")
def test_they_say_what_the_installed_one_does() -> None:
    """Some hundred one-node models, opened."""
    asked = here()
    assert asked is not None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    wrong, opened = [], 0
    for name, proto in release_cases((21, 25)):
        found = obstacles(ir.from_proto(onnx.shape_inference.infer_shapes(proto)), asked)
        try:
            onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            refused = ""
            opened += 1
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            refused = str(error)
        if bool(found) != bool(refused):
            wrong.append((name, found, refused))
    assert wrong == []
    assert opened > 100
