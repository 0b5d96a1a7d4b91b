"""What every target must be: places that exist, rules its runtime takes, aliases that differ in the name alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import pytest

import edgec
from edgec.errors import TargetError
from edgec.passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec
from edgec.passes.weight_only.long_inputs import LongInputs
from edgec.runtimes import RUNTIMES
from edgec.targets import ALIASES, find_target, target_names
from edgec.targets.cpu.kinds import of_widths
from edgec.targets.pipeline import recipe_for
from edgec.targets.policy import Policy
from edgec.targets.spec import TargetSpec

DEVICES = {
    "raspberry-pi-4": ("arm64-cortex-a72",),
    "raspberry-pi-5": ("arm64-cortex-a76",),
    "android-cpu": ("arm64-cortex-a76", "arm64-cortex-a53"),
    "pixel-8": ("xnnpack-x86-64", "xnnpack-arm64"),
    "pixel-8-nnapi": (),
    "armv7": ("armv7-cortex-a7",),
    "x86-64-vnni": ("onnxruntime-cpu",),
    "x86-64-avx2": ("x86-64-haswell",),
    "snapdragon-8-gen-3": ("qnn-htp",),
    "snapdragon-8-elite": ("qnn-htp-v79",),
    "snapdragon-x-elite": ("qnn-htp-v73",),
    "snapdragon-888": (),
    "web-wasm": ("web-wasm", "web-wasm-chromium"),
    "web-webgpu": ("webgpu-node", "webgpu-chromium"),
    "intel-openvino": ("openvino-cpu",),
    "jetson-orin": ("tensorrt",),
    "nvidia-cuda": ("cuda",),
    "host": ("onnxruntime-cpu",),
}
NAMES = (*(name for name in DEVICES if name != "host"), *ALIASES)


def specs_of(rule: OpRule) -> Iterator[QuantSpec]:
    """Every spec of activations a rule names."""
    if rule.inputs is not None:
        yield rule.inputs
    if isinstance(rule.outputs, Given | Fixed):
        yield rule.outputs.spec


@pytest.mark.parametrize("name", DEVICES)
def test_where_it_is_proved(name: str) -> None:
    assert find_target(name).proof == DEVICES[name]


@pytest.mark.parametrize("name", target_names())
def test_its_places_exist(name: str) -> None:
    target = find_target(name)
    assert target.proof or target.support or name == "snapdragon-888"  # nothing here computes as its HTP does
    assert set(target.proof) <= set(RUNTIMES)
    assert 13 <= target.opset <= target.max_opset <= 26
    assert target.max_ir_version <= 13


@pytest.mark.parametrize("name", NAMES)
def test_its_rules_are_ones_kernels_exist_for(name: str) -> None:
    """One type of activations for all operators, weights of 8 bits around zero, biases only where there is one."""
    target = find_target(name)
    activations = {spec.dtype for rule in target.rules for spec in specs_of(rule)}
    assert len(activations) == (0 if target.native else 1)
    for rule in target.rules:
        if rule.weights is not None and isinstance(rule.weights.granularity, PerAxis):
            assert rule.weights.dtype == "int8"
            assert rule.weights.symmetric
        if rule.bias:
            assert set(rule.ops) <= {"Conv", "Gemm", "ConvTranspose"}
        if isinstance(rule.outputs, Fixed):
            low = rule.outputs.spec.qmin
            wanted = (128, 1 / 128) if rule.ops == ("Tanh",) else (low, 1 / 256)
            assert (rule.outputs.zero_point, rule.outputs.scale) == wanted


def test_signed_activations_are_xnnpacks_and_tensorrts_alone() -> None:
    """Of these; x86 and WebAssembly are several times slower with them, and fail to load some at opset 21 and newer."""
    signed = {
        name
        for name in NAMES
        if any(spec.dtype == "int8" for rule in find_target(name).rules for spec in specs_of(rule))
    }
    assert signed == {"pixel-8", "jetson-orin"}
    assert all(find_target(name).max_opset < 21 for name in signed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("widths", [(8, 8), (8, 4), (16, 8)])
def test_no_channel_has_a_zero_point(name: str, widths: tuple[int, int]) -> None:
    """Per-channel weights that are asymmetric fail at run time on ONNX Runtime 1.21 (Conv, u8 x u8)."""
    for rule in find_target(name).rules:
        weights = of_widths(rule, activations=widths[0], weights=widths[1]).weights
        assert weights is None or weights.symmetric or not isinstance(weights.granularity, PerAxis)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_differs_in_its_name_alone(alias: str, digits: Path, tmp_path: Path) -> None:
    made = []
    for name in (alias, ALIASES[alias]):
        bundle = edgec.compile(
            digits / "digits.onnx",
            target=name,
            calibration=digits / "calibration.npz",
            samples=20,
            output=tmp_path / name,
            prove=False,
            search=False,
        )
        model = ir.load(bundle.model)
        assert model.metadata_props.pop("edgec.target") == name
        made.append(ir.to_proto(model).SerializeToString())
    assert made[0] == made[1]


def test_what_a_target_must_keep() -> None:
    known = find_target("armv7")
    values = {"name": "a", "family": "cpu", "description": "d", "runtime": "onnxruntime-cpu", "isa": "x", "rules": (),
              "max_ir_version": 10}  # fmt: skip
    with pytest.raises(ValueError, match=r"^opset: 23 is above max_opset, 22$"):
        TargetSpec(**values, opset=23, max_opset=22)
    with pytest.raises(ValueError, match=r"^proof: here, here names a runtime twice$"):
        TargetSpec(**values, opset=13, max_opset=22, proof=("here", "here"))
    assert known.limits.memory_bytes is None  # boards come with several sizes


def test_a_board_names_its_own_places(tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text('base = "raspberry-pi-4"\nproof = ["ssh:board"]\n', encoding="utf-8")
    found = find_target(board)
    assert (found.proof, found.rules) == (("ssh:board",), find_target("raspberry-pi-4").rules)
    board.write_text('base = "raspberry-pi-4"\nproof = "ssh:board"\n', encoding="utf-8")
    with pytest.raises(TargetError) as caught:
        find_target(board)
    assert str(caught.value) == f"{board}: proof: is a string, a list is needed. Write a list."


def test_the_report_shows_the_places() -> None:
    from edgec.compiler.report.json import target_json

    for name, places in DEVICES.items():
        assert json.loads(json.dumps(target_json(find_target(name))))["proof"] == list(places)


@pytest.mark.parametrize(("target", "seven"), [("x86-64-avx2", True), ("x86-64-vnni", False)])
def test_long_inputs_meet_seven_bits_where_kernels_saturate(target: str, seven: bool) -> None:
    passes = recipe_for(find_target(target), Policy(scheme="w4", long_inputs=True)).passes

    assert [each.reduce_range for each in passes if isinstance(each, LongInputs)] == [seven]
