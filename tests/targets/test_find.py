"""Targets by name, by file, by detection; errors that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.errors import TargetError
from edgec.targets import find_target, target_names
from edgec.targets.cpu import host as host_module
from edgec.targets.cpu.spec import ARM64, ARM64_DOTPROD, X86_64_AVX2, X86_64_VNNI
from edgec.targets.spec import TargetSpec


@pytest.mark.parametrize("name", target_names())
def test_every_named_target_has_facts_with_sources(name: str) -> None:
    target = find_target(name)
    assert target.name == name
    assert target.rules or target.native  # which integers, or none
    for fact in target.facts:
        assert fact.statement
        assert fact.source
        assert fact.date


def test_only_x86_without_vnni_reduces_the_range() -> None:
    reduced = {
        target.name
        for target in (X86_64_VNNI, X86_64_AVX2, ARM64, ARM64_DOTPROD)
        for rule in target.rules
        if rule.weights is not None and rule.weights.reduce_range
    }
    assert reduced == {"x86-64-avx2"}


@pytest.mark.parametrize(
    ("machine", "features", "base"),
    [
        ("x86_64", {"avx2", "avx512_vnni"}, X86_64_VNNI),
        ("AMD64", {"avx2", "avx_vnni"}, X86_64_VNNI),
        ("x86_64", {"avx2"}, X86_64_AVX2),
        ("aarch64", {"asimddp"}, ARM64_DOTPROD),
        ("arm64", set(), ARM64),
    ],
)
def test_the_host_is_detected(
    monkeypatch: pytest.MonkeyPatch, machine: str, features: set[str], base: TargetSpec
) -> None:
    monkeypatch.setattr(host_module.platform, "machine", lambda: machine)
    monkeypatch.setattr(host_module, "cpu_features", lambda: frozenset(features))
    found = find_target("host")
    assert (found.isa, found.rules) == (base.isa, base.rules)
    assert found.facts[0].statement.startswith(f"detected as {base.name}")


def test_a_processor_nobody_describes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module.platform, "machine", lambda: "s390x")
    with pytest.raises(TargetError, match=r"target 'host': this processor \(s390x\) is none of x86-64 and arm64"):
        find_target("host")


def test_an_unknown_name() -> None:
    with pytest.raises(TargetError) as error:
        find_target("x86-64-vni")
    assert str(error.value) == (
        "target 'x86-64-vni': is not known, did you mean 'x86-64-vnni'? "
        "Known are host, raspberry-pi-4, raspberry-pi-5, android-cpu, pixel-8, armv7, x86-64-vnni, x86-64-avx2, "
        "pixel-8-nnapi, web-wasm, web-webgpu, intel-openvino, iphone-15, jetson-orin, nvidia-cuda, snapdragon-8-gen-3, "
        "snapdragon-8-elite, snapdragon-x-elite, snapdragon-888, arm64, arm64-dotprod; a file of your own ends in "
        ".toml."
    )


def test_a_board_of_ones_own(tmp_path: Path) -> None:
    board = tmp_path / "my-board.toml"
    board.write_text('base = "arm64"\ndescription = "My board"\n[limits]\nmemory_bytes = 536870912\n')
    target = find_target(board)
    assert (target.name, target.description, target.limits.memory_bytes) == ("my-board", "My board", 512 << 20)
    assert target.rules == ARM64.rules


def test_a_board_in_full(tmp_path: Path) -> None:
    board = tmp_path / "own.toml"
    board.write_text(
        """
        family = "cpu"
        description = "Conv and Gemm only"
        runtime = "onnxruntime-cpu"
        isa = "x86_64"
        opset = 13
        max_opset = 21
        max_ir_version = 10

        [[rules]]
        ops = ["Conv", "Gemm"]
        role = "compute"
        bias = true
        inputs = { dtype = "uint8", symmetric = false }
        weights = { dtype = "int8", symmetric = true }
        outputs = { given = { dtype = "uint8", symmetric = false } }
        """
    )
    (rule,) = find_target(board).rules
    assert (rule.ops, rule.role, rule.weights.dtype) == (("Conv", "Gemm"), "compute", "int8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "arm64"\ndescripton = "x"', "descripton: unknown key, did you mean 'description'?"),
        ('base = "arm65"', "target 'arm65': is not known, did you mean 'arm64'?"),
        ("base = ", "cannot be read as TOML"),
        ('description = "x"', "family"),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    board = tmp_path / "board.toml"
    board.write_text(text)
    with pytest.raises(TargetError) as error:
        find_target(board)
    assert message in str(error.value)


def test_a_missing_file() -> None:
    with pytest.raises(TargetError) as error:
        find_target("nowhere.toml")
    assert str(error.value) == "nowhere.toml: does not exist. Give the path of the target's TOML file."
