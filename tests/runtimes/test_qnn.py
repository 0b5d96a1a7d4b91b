"""What the provider would pass over without a word is refused before it starts; a plugin that fails is an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgec.errors import HostError
from edgec.runtimes import qnn
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.plugin_ep import Plugin
from edgec.runtimes.qnn import htp_plugin, launch_htp, qnn_places

GOOD = {"backend_type": "htp", "soc_model": "57", "htp_arch": "75"}
KNOWN = (
    "Known are backend_type, backend_path, soc_model, htp_arch, htp_graph_finalization_optimization_mode, "
    "offload_graph_io_quantization, vtcm_mb; see runtimes/qnn.py."
)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"backend_type": "htp", "htp_arch": "75"},
            "lacks provider option 'soc_model', without which it computes what no device computes",
        ),
        ({**GOOD, "soc_model": "0"}, "provider option 'soc_model' is '0', which is none of its values"),
        ({**GOOD, "soc_model": "SM8650"}, "provider option 'soc_model' is 'SM8650', which is none of its values"),
        ({**GOOD, "backend_type": "htpx"}, "provider option 'backend_type' is 'htpx', which is none of its values"),
        ({**GOOD, "htp_arch": "7777"}, "provider option 'htp_arch' is '7777', which is none of its values"),
        ({**GOOD, "soc_modle": "57"}, "has no provider option 'soc_modle', did you mean 'soc_model'?"),
        ({**GOOD, "frobnicate": "1"}, "has no provider option 'frobnicate'"),
    ],
)
def test_options_the_provider_would_pass_over(options: dict[str, str], problem: str) -> None:
    with pytest.raises(HostError) as caught:
        launch_htp(Path("site"), options, name="qnn-htp")
    end = "" if problem.endswith("?") else "."
    assert str(caught.value) == f"runtime 'qnn-htp': {problem}{end} {KNOWN}"
    assert caught.value.exit_code == 3


def test_every_place_names_its_chip() -> None:
    options = {place.name: place.starts(Path("home")).plugin.options for place in qnn_places()}
    assert {name: (each["soc_model"], each["htp_arch"]) for name, each in options.items()} == {
        "qnn-htp": ("57", "75"),
        "qnn-htp-v73": ("60", "73"),
        "qnn-htp-v79": ("69", "79"),
    }
    assert len({place.needs for place in qnn_places()}) == 1
    assert all(place.starts(Path("home")).emulated for place in qnn_places())  # so that no time is a device's


@pytest.mark.parametrize(
    ("system", "machine", "libc", "reason"),
    [
        ("win32", "AMD64", ("", ""), "it needs Linux on x86_64, this is win32 on AMD64"),
        ("linux", "aarch64", ("glibc", "2.36"), "it needs Linux on x86_64, this is linux on aarch64"),
        ("linux", "x86_64", ("glibc", "2.31"), "it needs glibc 2.35 or newer, this is glibc 2.31"),
        ("linux", "x86_64", ("", ""), "it needs glibc 2.35 or newer, this is another C library"),
        ("linux", "x86_64", ("glibc", "2.35"), None),
    ],
)
def test_where_its_wheel_can_be_loaded(
    system: str, machine: str, libc: tuple[str, str], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qnn.sys, "platform", system)
    monkeypatch.setattr(qnn.platform, "machine", lambda: machine)
    monkeypatch.setattr(qnn.platform, "libc_ver", lambda: libc)
    assert qnn_places()[0].impossible() == reason


def refused(plugin: Plugin, *site: Path) -> str:
    launch = Launch(command=(sys.executable,), site=site, plugin=plugin)
    place = HostRuntime(
        name="place", launch=lambda: launch, missing=lambda: None, providers=(plugin.provider, "CPUExecutionProvider")
    )
    with pytest.raises(HostError) as caught:
        place.open(b"")
    assert caught.value.exit_code == 3
    return str(caught.value)


AGAIN = "Install it anew: edgec runtime install place --force."


def test_a_plugin_that_is_not_installed() -> None:
    assert refused(Plugin(provider="FastProvider", module="no_such_plugin", options={})) == (
        "runtime 'place': its interpreter starts, but cannot load FastProvider: ModuleNotFoundError: No module named "
        f"'no_such_plugin'. {AGAIN}"
    )


def test_a_plugin_whose_library_is_gone(tmp_path: Path) -> None:
    (tmp_path / "plugin_alone.py").write_text(f"def get_library_path():\n    return {str(tmp_path / 'libfast.so')!r}\n")
    message = refused(Plugin(provider="FastProvider", module="plugin_alone", options={}), tmp_path)
    assert message.startswith("runtime 'place': its interpreter starts, but cannot load FastProvider: ")
    assert "libfast.so" in message
    assert message.endswith(AGAIN)


def test_a_provider_that_takes_no_node() -> None:
    """ONNX Runtime lists it among the session's providers all the same, and runs everything on the CPU."""
    import onnxruntime

    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no AzureExecutionProvider, whose only operators call services")
    plugin = Plugin(provider="AzureExecutionProvider", module="unused", options={"speed": "high"})
    assert refused(plugin) == (
        "runtime 'place': its AzureExecutionProvider does not work: not even a Relu runs there (speed high): ONNX "
        f"Runtime {onnxruntime.__version__} of runtime 'place' gives none of its nodes to AzureExecutionProvider. "
        f"{AGAIN}"
    )


def test_the_graph_is_asked_of_the_backend() -> None:
    plugin = htp_plugin(GOOD)
    assert plugin.request(1) == {
        "provider": "QNNExecutionProvider",
        "options": GOOD,
        "graphs": {"dump_json_qnn_graph": "1", "json_qnn_graph_dir": "{folder}"},
        "prints": False,
        "beside": [],
    }
