from __future__ import annotations

from pathlib import Path

import pytest
from support.graphs import model, weights

import edgec
from edgec.compiler.scheme import check_measured, choose_scheme
from edgec.errors import OptionError
from edgec.targets.policy import Policy


def test_rounding_by_samples_is_refused_where_nothing_is_measured(tmp_path: Path) -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { y = Gemm(x, w) }", w=weights(8, 8))
    with pytest.raises(OptionError) as caught:
        edgec.compile(source, target="x86-64-vnni", rounding="gptq", output=tmp_path / "out", prove=False)
    assert str(caught.value) == (
        "--rounding gptq: goes by calibration samples, and scheme d8w8 measures nothing. "
        "Leave it out, or choose one of a8w8, a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, "
        "a2w2, w8, w4, w3, w2 with --calibration."
    )
    with pytest.raises(OptionError) as caught:
        edgec.compile(source, target="x86-64-vnni", scheme="w4", rounding="gptq", output=tmp_path / "out", prove=False)
    assert str(caught.value) == (
        "--rounding gptq: goes by calibration samples, and there are none. "
        "Give --calibration, or choose nearest or hqq."
    )


def test_scales_by_activations_need_samples_and_weights_stored_alone() -> None:
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(awq=True), "w4", calibrated=False)
    assert str(caught.value) == (
        "--awq: goes by calibration samples, and there are none. Give --calibration, or leave it out."
    )
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(awq=True), "a8w8")
    assert str(caught.value) == (
        "--awq: is for weights stored alone, and scheme a8w8 has others. "
        "Leave it out (--smooth auto is for integers), or choose one of w8, w4, w3, w2."
    )
    check_measured(Policy(awq=True, rotate=True), "nf4")


def test_roundings_of_blocks_are_refused_elsewhere() -> None:
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(rounding="hqq"), "a8w8")
    assert str(caught.value) == (
        "--rounding hqq: is for weights stored alone, and scheme a8w8 has others. "
        "Choose one of nearest, gptq, adaround, or one of w8, w4, w3, w2."
    )
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(rounding="weighted"), "nf4")
    assert str(caught.value) == (
        "--rounding weighted: is for weights stored in blocks, and scheme nf4 stores them otherwise. "
        "Choose one of w8, w4, w3, w2."
    )


@pytest.mark.parametrize(
    ("option", "bent"),
    [
        ("--keep", {"keep": ("mlp=int8",)}),
        ("--target-bpw", {"target_bpw": 3.5}),
        ("--in-turn", {"rounding": "gptq", "in_turn": True}),
    ],
)
def test_so_are_bits_by_role_and_budget(option: str, bent: dict[str, object]) -> None:
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(**bent), "a8w8")
    assert str(caught.value) == (
        f"{option}: is for weights stored in blocks, and scheme a8w8 stores them otherwise. "
        "Choose one of w8, w4, w3, w2."
    )


def test_a_budget_needs_samples_and_a_role_that_there_is() -> None:
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(target_bpw=3.5), "w4", calibrated=False)
    assert str(caught.value) == (
        "--target-bpw: goes by calibration samples, and there are none. "
        "Give --calibration, or one scheme for all weights."
    )
    with pytest.raises(OptionError) as caught:
        Policy(keep=("head=int8",))
    assert str(caught.value) == (
        "--keep: 'head' is not one of embedding, attention, lm_head, mlp, conv, recurrent. "
        "Write it like --keep attention=int8."
    )
    with pytest.raises(OptionError) as caught:
        Policy(target_bpw=1.5)
    assert str(caught.value) == (
        "--target-bpw: 1.5 is not above 2 and at most 16. Give bits for a weight, scales included, like 4.25."
    )


def test_layers_are_rounded_in_turn_by_what_they_read() -> None:
    with pytest.raises(OptionError) as caught:
        Policy(in_turn=True)
    assert str(caught.value) == (
        "--in-turn: rounds by what layers really read, and --rounding nearest goes by the weights alone. "
        "Give --rounding gptq, or leave it out."
    )


def test_so_is_bias_correction() -> None:
    with pytest.raises(OptionError) as caught:
        check_measured(Policy(bias_correction="fast"), "w8")
    assert str(caught.value) == (
        "--bias-correction fast: goes by calibration samples, and scheme w8 measures nothing. "
        "Leave it out, or choose one of a8w8, a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, "
        "a2w2 with --calibration."
    )


@pytest.mark.parametrize("scheme", ["a8w8", "a8w4"])
def test_static_schemes_take_them(scheme: str) -> None:
    check_measured(Policy(rounding="adaround", bias_correction="sequential"), scheme)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("fp16", "the target computes in it"),
        ("w8", "the target computes in floats, weights alone are stored so"),
    ],
)
def test_a_target_with_a_scheme_of_its_own_gets_it(native: str, reason: str, calibrated: bool) -> None:
    source = model("g (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }")
    assert choose_scheme("auto", source, calibrated=calibrated, native=native) == (native, reason)
    assert choose_scheme("float", source, calibrated=calibrated, native=native) == ("float", "as asked")
