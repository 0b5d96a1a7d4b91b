"""Starting a place once: this interpreter stands for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from edgec.errors import HostError, InstallError
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.install.place import Place
from edgec.runtimes.install.probe import forget, probe, read_probe

HERE = Place(
    name="here", about="this interpreter", needs=("emulators",),
    starts=lambda home: Launch(command=(sys.executable,), emulated="nothing"),
)  # fmt: skip


def test_what_a_place_says_is_kept(home: Path) -> None:
    found = probe(HERE, home)
    assert (found.onnxruntime, found.emulated) == (onnxruntime.__version__, "nothing")
    assert found.of == ("emulators", f"onnxruntime {onnxruntime.__version__}")
    assert read_probe(HERE, home) == found
    assert [path.name for path in (home / "places").iterdir()] == ["here.json"]
    forget(HERE, home)
    forget(HERE, home)
    assert read_probe(HERE, home) is None


def test_it_does_not_count_for_other_components(home: Path) -> None:
    probe(HERE, home)
    assert read_probe(replace(HERE, needs=("emulators", "more")), home) is None
    (home / "places" / "here.json").write_text("{}")
    assert read_probe(HERE, home) is None


def test_a_provider_it_lacks_is_said(home: Path) -> None:
    with pytest.raises(InstallError) as raised:
        probe(replace(HERE, providers=("NoSuchProvider", "CPUExecutionProvider")), home)
    assert str(raised.value) == (
        f"runtime 'here': its ONNX Runtime {onnxruntime.__version__} lacks NoSuchProvider. "
        "Install it anew: edgec runtime install here --force."
    )
    assert read_probe(HERE, home) is None


def test_one_that_does_not_start_is_said(home: Path) -> None:
    with pytest.raises(HostError, match=r"^runtime 'here': cannot be started: /no/such/emulator: "):
        probe(replace(HERE, starts=lambda home: Launch(command=("/no/such/emulator",))), home)
