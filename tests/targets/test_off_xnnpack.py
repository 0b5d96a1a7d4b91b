"""Why nodes run off XNNPACK: what its own ONNX Runtime shows when they are tried, against what its sources say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.graphs import model, weights
from support.planted import saturating

import edgec
from edgec.compiler.portability import prove_on
from edgec.runtimes import runtime

pytestmark = pytest.mark.targets

PLACE = "xnnpack-x86-64"
XNNPACK = "XnnpackExecutionProvider"
TYPES = "takes int8 activations with int8 weights, not uint8 with int8"
PAIR = {"w": weights(8, 4, 3, 3), "b": weights(8)}
# Target; the graph; what x is; constants; what is said of the kernels that multiply or add, and the mend.
CASES: dict[str, tuple[str, str, tuple[int, ...], dict[str, Any], dict[str, tuple[str, str]]]] = {
    "a line": (
        "x86-64-vnni",
        "g (float[1, 4, 9] x) => (float[1, 8, 9] y) { y = Conv<pads = [1, 1]>(x, w, b) }",
        (1, 4, 9),
        {"w": weights(8, 4, 3), "b": weights(8)},
        {"QLinearConv": (TYPES, "compile it for pixel-8")},
    ),
    "a line of int8": (
        "pixel-8",
        "g (float[1, 4, 9] x) => (float[1, 8, 9] y) { y = Conv<pads = [1, 1]>(x, w, b) }",
        (1, 4, 9),
        {"w": weights(8, 4, 3), "b": weights(8)},
        {},
    ),
    "a volume": (
        "pixel-8",
        "g (float[1, 4, 5, 5, 5] x) => (float[1, 8, 3, 3, 3] y) { y = Conv(x, w, b) }",
        (1, 4, 5, 5, 5),
        {"w": weights(8, 4, 3, 3, 3), "b": weights(8)},
        {"QLinearConv": ("takes 2 spatial dimensions, not 3", "")},
    ),
    "an image of any size": (
        "pixel-8",
        "g (float[1, 4, H, W] x) => (float[1, 8, R, S] y) { y = Conv(x, w, b) }",
        (1, 4, 8, 8),
        PAIR,
        {"QLinearConv": ("takes static shapes, not [1, 4, ?, ?]", "--shape x=1,4,8,8")},
    ),
    "an image of any size, in the wrong types": (
        "x86-64-vnni",
        "g (float[1, 4, H, W] x) => (float[1, 8, R, S] y) { y = Conv(x, w, b) }",
        (1, 4, 8, 8),
        PAIR,
        {
            "QLinearConv": (
                f"{TYPES}; static shapes, not [1, 4, ?, ?]",
                "compile it for pixel-8; --shape x=1,4,8,8",
            )
        },
    ),
    "a matrix": (
        "pixel-8",
        "g (float[3, 16] x) => (float[3, 8] y) { y = Gemm(x, w, b) }",
        (3, 16),
        {"w": weights(16, 8), "b": weights(8)},
        # `KeepOffXnnpack` keeps its float Gemm off: no mend.
        {"QGemm": ("takes it in float, not int8", "")},
    ),
    "a sum": (
        "pixel-8",
        """g (float[1, 4, 8, 8] x) => (float[1, 8, 4, 4] y) {
            a = Conv(x, w, b)
            c = Conv(x, v, b)
            s = Add(a, c)
            y = Conv(s, u, b)
        }""",
        (1, 4, 8, 8),
        {**PAIR, "v": weights(8, 4, 3, 3, seed=2), "u": weights(8, 8, 3, 3)},
        {"QLinearAdd": ("takes no Add in any form tried", "")},
    ),
}


@pytest.fixture(autouse=True)
def installed() -> None:
    reason = runtime(PLACE).available()
    if reason is not None:
        pytest.skip(reason)


def off(folder: Path, net: Any, target: str, samples: list[Any]) -> dict[str, Any]:
    """The placement of a bundle for a target, on XNNPACK."""
    bundle = edgec.compile(net, target=target, calibration=samples, output=folder, scheme="a8w8", prove=False)
    found = prove_on(bundle, [PLACE], write=False).to_json()
    placement = found["places"][0]["proof"]["placement"]  # type: ignore[index]
    assert placement["wanted"] == XNNPACK
    return dict(placement)


def test_every_convolution_of_unsigned_activations_names_its_types(tmp_path: Path) -> None:
    made, _ = saturating(3, faults=0)
    placement = off(tmp_path / "out", made.model, "x86-64-vnni", made.calibration)
    convs = [kernel["name"] for kernel in placement["kernels"] if kernel["op"] == "QLinearConv"]
    said = {name: each["reason"] for each in placement["off_wanted"] for name in each["nodes"]}
    assert len(convs) == 4
    assert {said[name] for name in convs} == {TYPES}
    assert placement["wanted_mac_share"] == 0.0


def test_signed_ones_are_taken(tmp_path: Path) -> None:
    made, _ = saturating(3, faults=0)
    placement = off(tmp_path / "out", made.model, "pixel-8", made.calibration)
    assert placement["wanted_mac_share"] == 1.0
    assert not any("Conv" in each["op"] for each in placement["off_wanted"])


@pytest.mark.parametrize("case", CASES)
def test_one_node(case: str, tmp_path: Path) -> None:
    target, text, shape, constants, expected = CASES[case]
    rng = np.random.default_rng(1)
    samples = [{"x": rng.standard_normal(shape).astype(np.float32)} for _ in range(4)]
    placement = off(tmp_path / "out", model(text, infer=False, **constants), target, samples)
    around = ("QuantizeLinear", "DequantizeLinear", "Transpose")
    found = {each["op"]: (each["reason"], each["mend"]) for each in placement["off_wanted"] if each["op"] not in around}
    assert found == expected
