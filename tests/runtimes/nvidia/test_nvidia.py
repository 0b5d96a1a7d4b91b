"""How CUDA and TensorRT are started; a driver, a library or a provider that is not there is an error, never the CPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import onnx
import pytest

from edgec.errors import HostError
from edgec.runtimes import nvidia, runtime
from edgec.runtimes.base import Placement
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.install.component import components
from edgec.runtimes.install.home import home
from edgec.runtimes.install.install import install
from edgec.runtimes.install.plan import plan_install
from edgec.runtimes.install.record import Item
from edgec.runtimes.install.status import status
from edgec.runtimes.nvidia import CUDA_PROVIDER, TENSORRT_PROVIDER, launch_cuda, launch_tensorrt, nvidia_places
from edgec.runtimes.placement import placement_of
from edgec.runtimes.places import places
from edgec.runtimes.plugin_ep import Plugin, built_in
from edgec.runtimes.runner import Evidence

CPU = "CPUExecutionProvider"
RELU = onnx.parser.parse_model(
    """<ir_version: 8, opset_import: ["": 17]>
    g (float[16] x) => (float[16] y) { y = Relu(x) }"""
).SerializeToString()
# An onnxruntime that has the provider and opens sessions without it, as the real one does without a driver.
FAKE = """
__version__ = "1.31.1"
class SessionOptions:
    def add_session_config_entry(self, key, value): pass
    def add_provider(self, name, options): pass
class GraphOptimizationLevel:
    ORT_DISABLE_ALL = 0
class InferenceSession:
    def __init__(self, model, options, providers=None, enable_fallback=1): pass
    def get_providers(self): return {opened}
def get_available_providers(): return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
def get_ep_devices(): return []
"""


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(nvidia, "_DRIVERS", ())


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, no_driver: None, tmp_path: Path) -> Path:
    (tmp_path / "version").touch()
    monkeypatch.setattr(nvidia, "_DRIVERS", (str(tmp_path / "version"),))
    monkeypatch.setattr(nvidia, "_USUAL", (str(tmp_path / "lib"),))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return tmp_path


def refused(launch: Launch, providers: tuple[str, ...]) -> str:
    place = HostRuntime(name="gpu", launch=lambda: launch, missing=lambda: None, providers=providers)
    try:
        with pytest.raises(HostError) as caught:
            place.open(RELU)
    finally:
        place.close()
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.usefixtures("no_driver")
@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_without_a_driver_it_can_be_installed_and_not_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path))
    found = status(places()[name])
    assert (found.reason, found.command) == ("no NVIDIA driver here", "")
    plan = plan_install([name])
    assert [each.name for each in plan.fetch] == list(nvidia._components())
    assert plan.fetched_bytes > 1_500_000_000


def test_tensorrts_own_libraries_are_looked_for(driver: Path) -> None:
    tensorrt = places()["tensorrt"]
    assert tensorrt.unready() == "no TensorRT 10 here (libnvinfer.so.10): NVIDIA's packages bring it"
    (driver / "lib").mkdir()
    (driver / "lib" / "libnvinfer.so.10").touch()
    assert tensorrt.unready() is None
    assert tensorrt.missing() == "it is not installed: edgec runtime install tensorrt"
    launch = launch_tensorrt(Path("build"), Path("libraries"))
    assert launch.environment["LD_LIBRARY_PATH"].split(os.pathsep)[-1] == str(driver / "lib")


@pytest.mark.usefixtures("no_driver")
def test_what_cannot_be_used_is_installed_and_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path))
    said: list[str] = []

    def bring(component: object, into: Path, say: object) -> list[Item]:
        (into / "file").touch()
        return []

    def start(place: object, home: Path) -> object:
        raise AssertionError(f"{place} was started")

    found = install(plan_install(["cuda"]), fetch=bring, check=start, say=said.append, accept=("cuda",))  # type: ignore[arg-type]
    assert found == {}
    assert said[-1] == "cuda: not started: no NVIDIA driver here"


def test_it_is_this_interpreter_with_the_libraries_of_the_wheels(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver))
    cuda = nvidia_places()[0].starts(Path("home"))
    build, libraries = (Path("home") / name for name in nvidia._components())
    assert (cuda.command, cuda.site, cuda.plugin) == ((sys.executable,), (build,), None)
    assert cuda.environment["LD_LIBRARY_PATH"].split(os.pathsep) == [
        str(libraries / "nvidia/cu13/lib"),
        str(libraries / "nvidia/cudnn/lib"),
        str(driver),
    ]
    tensorrt = nvidia_places()[1].starts(Path("home"))
    assert tensorrt.plugin is not None
    assert tensorrt.plugin.request(1) == {
        "provider": TENSORRT_PROVIDER,
        "options": {"trt_int8_enable": "True", "trt_fp16_enable": "True"},
        "beside": [CUDA_PROVIDER],
        "graphs": {},
        "prints": False,
    }


@pytest.mark.parametrize(
    ("launch", "opened", "providers"),
    [
        (launch_cuda, [CPU], (CUDA_PROVIDER, CPU)),
        (launch_tensorrt, [CPU], (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU)),
        (launch_tensorrt, [CUDA_PROVIDER, CPU], (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU)),
        (launch_tensorrt, [TENSORRT_PROVIDER, CPU], (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU)),
    ],
)
def test_another_provider_than_asked_for_is_refused(
    tmp_path: Path, launch: object, opened: list[str], providers: tuple[str, ...]
) -> None:
    (tmp_path / "onnxruntime.py").write_text(FAKE.format(opened=opened))
    assert callable(launch)
    assert refused(launch(tmp_path, tmp_path), providers) == (
        f"runtime 'gpu': does not run it where the target asks for: ONNX Runtime opened it with {opened}, not "
        f"{list(providers)}. Check the driver with nvidia-smi: CUDA 13 needs 580 or newer."
    )


def test_another_interpreter_gets_the_options_of_the_target() -> None:
    """On the device TensorRT must be told to take INT8, whichever interpreter runs it there."""
    options = {TENSORRT_PROVIDER: {"trt_int8_enable": "True"}}
    found = built_in((TENSORRT_PROVIDER, CUDA_PROVIDER, CPU), options)
    assert found == Plugin(
        provider=TENSORRT_PROVIDER, module="", options=options[TENSORRT_PROVIDER], beside=(CUDA_PROVIDER,)
    )
    assert found.environment() == {}
    assert built_in((TENSORRT_PROVIDER, CPU), {}) is None
    assert built_in((CPU,), {CPU: {"a": "b"}}) is None


@pytest.mark.parametrize("prefix", ["python", "ssh"])
def test_it_is_asked_for_there(prefix: str) -> None:
    place = runtime(f"{prefix}:there", (TENSORRT_PROVIDER, CPU), {TENSORRT_PROVIDER: {"trt_fp16_enable": "True"}})
    assert isinstance(place, HostRuntime)
    plugin = place._launch().plugin
    assert plugin is not None
    assert plugin.options == {"trt_fp16_enable": "True"}


def test_what_is_in_an_engine_is_not_counted_as_nothing() -> None:
    event = {
        "name": "TensorrtExecutionProvider_TRTKernel_graph_g_1_0_kernel_time",
        "args": {"op_name": "TRTKernel_graph_g_1_0", "provider": TENSORRT_PROVIDER},
    }
    found = placement_of(Evidence([event], {}, None, None, []))
    assert isinstance(found, Placement)
    assert [(kernel.provider, kernel.macs) for kernel in found.kernels] == [(TENSORRT_PROVIDER, None)]
    assert found.integer_mac_share is None


@pytest.mark.targets
@pytest.mark.parametrize("launch", [launch_cuda, launch_tensorrt])
def test_the_real_build_without_cudas_libraries_is_refused(tmp_path: Path, launch: object) -> None:
    build = home() / next(name for name in components() if name.startswith("onnxruntime-gpu-"))
    if not build.is_dir():
        pytest.skip("onnxruntime-gpu is not installed")
    assert callable(launch)
    tensorrt = launch is launch_tensorrt
    providers = (TENSORRT_PROVIDER, CUDA_PROVIDER, CPU) if tensorrt else (CUDA_PROVIDER, CPU)
    said = refused(launch(build, tmp_path), providers)
    assert said.startswith("runtime 'gpu': does not run it where the target asks for: ")
    assert said.endswith(". Check the driver with nvidia-smi: CUDA 13 needs 580 or newer.")
