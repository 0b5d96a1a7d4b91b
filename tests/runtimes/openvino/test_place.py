"""How OpenVINO is started, and what is refused before it is: what the provider would pass over without a word."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgec.errors import HostError
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.install.component import Wheels, components
from edgec.runtimes.openvino import PROVIDER, launch_openvino, openvino_places

PROVIDERS = (PROVIDER, "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("device", "near"),
    [("cpu", ", did you mean 'CPU'? "), ("gpu", ", did you mean 'GPU'? "), ("XYZ", ". "), ("", ". ")],
)
def test_a_device_openvino_does_not_have(device: str, near: str) -> None:
    with pytest.raises(HostError) as caught:
        launch_openvino(Path("site"), device)
    assert str(caught.value) == (
        f"runtime 'openvino-cpu': device_type {device!r} is no device of OpenVINO{near}"
        "OpenVINO would take its default device without a word. Known are CPU, GPU, NPU."
    )
    assert caught.value.exit_code == 3


def test_threads_are_openvinos_own_setting() -> None:
    plugin = launch_openvino(Path("site"), "CPU").plugin
    assert plugin is not None
    assert plugin.request(0)["options"] == {"device_type": "CPU"}
    one = plugin.request(1)["options"]
    assert one["device_type"] == "CPU"
    assert json.loads(one["load_config"]) == {"CPU": {"INFERENCE_NUM_THREADS": 1}}
    graphics = launch_openvino(Path("site"), "GPU").plugin
    assert graphics is not None
    assert graphics.request(1)["options"] == {"device_type": "GPU"}


def test_only_the_process_that_shows_placement_prints() -> None:
    launch = launch_openvino(Path("site"), "CPU")
    telling = launch.telling()
    assert launch.plugin is not None
    assert telling.plugin is not None
    assert "ONEDNN_VERBOSE" not in launch.environment
    assert not launch.plugin.request(1)["prints"]
    assert telling.environment["ONEDNN_VERBOSE"] == "profile_exec"
    assert telling.plugin.request(1)["prints"]
    assert not telling.plugin.tells  # it is not started once more
    assert Launch(command=("python",)).telling() == Launch(command=("python",))


def test_its_component_is_of_this_interpreter() -> None:
    (place,) = openvino_places()
    (need,) = place.needs
    source = components()[need].source
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert isinstance(source, Wheels)
    assert source.python == python
    assert need.endswith(f"-python{python}")
    assert components()[need].terms is None  # its licences are free ones
    launch = place.starts(Path("home"))
    assert (launch.command, launch.site, launch.emulated) == ((sys.executable,), (Path("home") / need,), "")
    assert place.providers == PROVIDERS


def test_an_onnxruntime_without_openvino_is_an_error(tmp_path: Path) -> None:
    place = HostRuntime(
        name="openvino-cpu",
        launch=lambda: launch_openvino(tmp_path, "CPU"),
        missing=lambda: None,
        providers=PROVIDERS,
    )
    with pytest.raises(HostError) as caught:
        place.open(b"")
    assert str(caught.value) == (
        "runtime 'openvino-cpu': does not run it where the target asks for: this ONNX Runtime has no "
        "OpenVINOExecutionProvider. Install it anew: edgec runtime install openvino-cpu --force."
    )
    assert caught.value.exit_code == 3
