"""Where a bundle is proved, told from what is installed and what the target's kernels are."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx.parser
import pytest

from edgec import runtimes
from edgec.compiler.proving import places
from edgec.compiler.proving.places import IN_PROCESS, place_for, place_named
from edgec.errors import HostError, TargetError
from edgec.runtimes.fake import FakeRuntime
from edgec.targets.cpu.host import host

MODEL = onnx.parser.parse_model(
    """<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { y = Relu(x) }"""
).SerializeToString()
HERE = {"name": "host", "runtime": IN_PROCESS, "isa": host().isa, "providers": ["CPUExecutionProvider"]}
BOARD = {**HERE, "name": "board", "isa": "m68k", "proof": ["amiga", IN_PROCESS]}
PHONE = {**HERE, "name": "phone", "runtime": "onnxruntime-phone", "proof": []}


def fake(name: str, reason: str | None = None) -> FakeRuntime:
    return FakeRuntime(answer=dict, inputs=(), outputs=(), name=name, reason=reason)


@pytest.fixture
def amiga(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime `amiga` that is installed, and `atari`, which is not."""
    for name, reason in (("amiga", None), ("atari", "it is not installed")):
        monkeypatch.setitem(runtimes.RUNTIMES, name, lambda name=name, reason=reason: fake(name, reason))


def test_the_targets_own_kernels_are_this_process() -> None:
    place = place_for(HERE)
    assert (place.runtime.name, place.unexecuted, place.untimed, place.elsewhere) == (IN_PROCESS, "", "", False)


def test_kernels_of_another_processor_run_where_they_are_installed(amiga: None) -> None:
    place = place_for(BOARD)
    assert (place.runtime.name, place.unexecuted, place.elsewhere) == ("amiga", "", True)
    assert place.untimed == "times under amiga are not the device's"


def test_without_them_this_process_stands_in_and_says_what_to_install(amiga: None) -> None:
    place = place_for({**BOARD, "proof": ["atari"]})
    reason = f"the target's instruction set is m68k, this machine's is {host().isa}"
    assert place.runtime.name == IN_PROCESS
    assert place.unexecuted == f"{reason} (to execute it here: edgec runtime install atari)"


def test_a_place_that_cannot_be_here_says_why(monkeypatch: pytest.MonkeyPatch, amiga: None) -> None:
    monkeypatch.setitem(runtimes.RUNTIMES, "next", lambda: fake("next", "it needs a NeXTcube"))
    assert place_for({**PHONE, "proof": ["next"]}).unexecuted == (
        "the target's runtime is onnxruntime-phone (next: it needs a NeXTcube)"
    )
    assert place_for({**PHONE, "proof": ["next", "atari"]}).unexecuted == (
        "the target's runtime is onnxruntime-phone (to execute it here: edgec runtime install atari)"
    )


def test_another_runtime_on_this_processor_is_not_this_process() -> None:
    assert place_for(PHONE).unexecuted == "the target's runtime is onnxruntime-phone"


def test_a_place_is_named_by_its_runtime_or_by_a_target(amiga: None) -> None:
    assert place_named("amiga", BOARD).unexecuted == ""
    assert place_named("amiga", HERE).unexecuted == "amiga is not a place of target host"
    assert place_named("host", HERE) == place_for(HERE) or not place_named("host", HERE).elsewhere


def test_another_interpreter_is_a_place_of_every_target() -> None:
    place = place_named(f"python:{sys.executable}", BOARD)
    assert (place.unexecuted, place.elsewhere) == ("", True)
    assert place.untimed == f"times under python:{sys.executable} are not the device's"


def test_times_over_ssh_are_the_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert place_named("ssh:pi@board", BOARD).untimed == ""


def test_a_missing_place_is_an_error(amiga: None) -> None:
    with pytest.raises(HostError) as caught:
        place_named("atari", BOARD)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "runtime 'atari': is not available here: it is not installed. See `edgec runtime list`."
    )


def test_an_unknown_place_is_an_error() -> None:
    with pytest.raises(TargetError) as caught:
        place_named("nowhere", BOARD)
    assert str(caught.value).startswith("--on nowhere: is neither a runtime nor a target. Runtimes: onnxruntime-cpu")


def test_a_target_that_nothing_executes_is_an_error(monkeypatch: pytest.MonkeyPatch, amiga: None) -> None:
    from dataclasses import replace

    stranger = replace(host(), name="stranger", isa="m68k", proof=())
    monkeypatch.setattr(places, "find_target", lambda name: stranger)
    with pytest.raises(HostError) as caught:
        place_named("stranger", BOARD)
    assert str(caught.value) == (
        "--on stranger: no runtime of edgec executes that target. Prove it on the device over ssh:MACHINE."
    )


def test_another_interpreter_needs_the_targets_providers() -> None:
    phone = {**PHONE, "providers": ["XnnpackExecutionProvider", "CPUExecutionProvider"]}
    place = place_named(f"python:{sys.executable}", phone)
    assert place.runtime.providers == ("XnnpackExecutionProvider", "CPUExecutionProvider")
    with place.open() as there, pytest.raises(HostError) as caught:
        there.open(MODEL)
    assert caught.value.exit_code == 3
    assert "this ONNX Runtime has no XnnpackExecutionProvider" in str(caught.value)
