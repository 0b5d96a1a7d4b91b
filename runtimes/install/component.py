"""What can be fetched: each component once, whichever runtimes share it. Facts only.

Sizes were measured with Debian 13 "trixie" on 2026-11-21; they are shown before anything is fetched.
"""

from __future__ import annotations

import sys

from .kinds import Component, DebianPackages, NpmPackages, Source, Terms, Wheels
from .older_components import older_components
from .web_components import WEB_COMPONENTS

__all__ = [
    "PYTHON",
    "Component",
    "DebianPackages",
    "NpmPackages",
    "Source",
    "Terms",
    "Wheels",
    "components",
    "onnxruntime_version",
]

# trixie's interpreter. Wheels must be of the same version.
PYTHON = "3.13"


_SUITE = "trixie"
# OpenVINO 2025.4; the newest build of ONNX Runtime with OpenVINO on 2026-11-21.
_OPENVINO = "1.24.1"
# The newest of the index on 2026-11-21, built with CUDA 13.0 and TensorRT 10; the facts of the CUDA target are its.
_GPU = "1.31.1"
# The release that the facts of the QNN targets were measured with.
_QNN = "2.7.0"
# Debian asks that the licences go with the files.
_LICENCES = "usr/share/doc/*/copyright"
# onnxruntime and numpy import these; what else its package asks for (sympy, ...) serves its tools.
_MODULES = ("flatbuffers", "google", "numpy", "onnxruntime", "packaging")


def _interpreter(triplet: str) -> tuple[str, ...]:
    return (
        f"usr/bin/python{PYTHON}",
        "usr/lib/ld-*",
        "usr/lib64/",
        f"usr/lib/{triplet}/",
        f"usr/lib/python{PYTHON}/",
        _LICENCES,
    )


def _rarely(triplet: str) -> tuple[str, ...]:
    """Large parts of an interpreter's sysroot that running a model never touches."""
    stdlib = f"usr/lib/python{PYTHON}"
    return (
        f"usr/lib/{triplet}/gconv/",
        f"usr/lib/{triplet}/perl*/",
        f"{stdlib}/test/",
        f"{stdlib}/pydoc_data/",
        # The oneDNN provider: 44 MB that no target asks for.
        f"usr/lib/{triplet}/libdnnl*",
        f"usr/lib/{triplet}/libonnxruntime_providers_*",
    )


def _debian_onnxruntime(architecture: str, triplet: str) -> DebianPackages:
    return DebianPackages(
        suite=_SUITE,
        architecture=architecture,
        packages=("python3-onnxruntime",),
        keep=(*_interpreter(triplet), *(f"usr/lib/python3/dist-packages/{name}/" for name in _MODULES)),
        drop=(*_rarely(triplet), "usr/lib/python3/dist-packages/numpy/*/tests/"),
    )


_PYTHON_LICENCE = "PSF-2.0 (Python), LGPL-2.1-or-later (glibc), others in its usr/share/doc"
_DEBIAN_LICENCE = f"MIT (ONNX Runtime), BSD-3-Clause (XNNPACK, numpy), {_PYTHON_LICENCE}"

_FIXED = (
    Component(
        name="emulators",
        about="qemu-user 10 of Debian trixie: qemu-aarch64, qemu-arm, qemu-x86_64",
        licence="GPL-2.0-or-later",
        source=DebianPackages(
            suite=_SUITE,
            architecture="",
            packages=("qemu-user",),
            keep=("usr/bin/qemu-aarch64", "usr/bin/qemu-arm", "usr/bin/qemu-x86_64", _LICENCES),
        ),
        fetched_bytes=81_000_000,
        kept_bytes=46_000_000,
    ),
    Component(
        name="arm64-python",
        about=f"Python {PYTHON} of Debian trixie for arm64, and its libraries",
        licence=_PYTHON_LICENCE,
        source=DebianPackages(
            suite=_SUITE,
            architecture="arm64",
            packages=("python3", "libstdc++6"),
            keep=_interpreter("aarch64-linux-gnu"),
            drop=_rarely("aarch64-linux-gnu"),
        ),
        fetched_bytes=28_000_000,
        kept_bytes=44_000_000,
    ),
    Component(
        name="armv7-debian",
        about="ONNX Runtime 1.21 of Debian trixie for armhf, with XNNPACK, its Python and libraries",
        licence=_DEBIAN_LICENCE,
        source=_debian_onnxruntime("armhf", "arm-linux-gnueabihf"),
        fetched_bytes=48_000_000,
        kept_bytes=90_000_000,
    ),
    Component(
        name="arm64-debian",
        about="ONNX Runtime 1.21 of Debian trixie for arm64, with XNNPACK, its Python and libraries",
        licence=_DEBIAN_LICENCE,
        source=_debian_onnxruntime("arm64", "aarch64-linux-gnu"),
        fetched_bytes=54_000_000,
        kept_bytes=118_000_000,
    ),
    Component(
        name="x86-64-debian",
        about="ONNX Runtime 1.21 of Debian trixie for x86-64, with XNNPACK, its Python and libraries",
        licence=_DEBIAN_LICENCE,
        source=_debian_onnxruntime("amd64", "x86_64-linux-gnu"),
        fetched_bytes=63_000_000,
        kept_bytes=129_000_000,
    ),
    *WEB_COMPONENTS,
)


def onnxruntime_version() -> str:
    """The version of the ONNX Runtime of this very interpreter."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("onnxruntime")
    except PackageNotFoundError:  # another distribution carries it: onnxruntime-gpu, a nightly
        import onnxruntime

        return str(onnxruntime.__version__)


def components() -> dict[str, Component]:
    """All of them by name; arm64's wheels are of the version installed here, so that like is compared with like."""
    version = onnxruntime_version()
    wheels = Component(
        name=f"arm64-onnxruntime-{version}",
        about=f"ONNX Runtime {version}, the version installed here, and numpy for arm64: wheels",
        licence="MIT (ONNX Runtime), BSD-3-Clause (numpy)",
        source=Wheels(
            requirements=(f"onnxruntime=={version}", "numpy>=2"),
            platforms=(
                *(f"manylinux_2_{minor}_aarch64" for minor in (34, 31, 28, 27, 17)),
                "manylinux2014_aarch64",
            ),
            python=PYTHON,
        ),
        fetched_bytes=37_000_000,
        kept_bytes=101_000_000,
    )
    return {each.name: each for each in (*_FIXED, wheels, _qnn(version), _openvino(), *_cuda(), *older_components())}


def _openvino() -> Component:
    """ONNX Runtime with OpenVINO for this very interpreter; it takes the place of the plain one, so it lies apart."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Component(
        name=f"onnxruntime-openvino-{_OPENVINO}-python{python}",
        about=f"ONNX Runtime {_OPENVINO} with OpenVINO 2025.4, beside the one installed here",
        licence="MIT (ONNX Runtime), Apache-2.0 (OpenVINO, oneDNN, oneTBB), BSD-3-Clause (numpy)",
        source=Wheels(
            requirements=(f"onnxruntime-openvino=={_OPENVINO}", "numpy>=2"),
            platforms=(*(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)), "manylinux2014_x86_64"),
            python=python,
        ),
        fetched_bytes=101_000_000,
        kept_bytes=330_000_000,
    )


def _cuda() -> tuple[Component, ...]:
    """ONNX Runtime with CUDA for this very interpreter, and NVIDIA's libraries, which are their own vendor's."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    platforms = (*(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17, 12, 5)), "manylinux2014_x86_64")
    build = Component(
        name=f"onnxruntime-gpu-{_GPU}-python{python}",
        about=f"ONNX Runtime {_GPU} with CUDA 13 and TensorRT 10, beside the one installed here",
        licence="MIT (ONNX Runtime), BSD-3-Clause (numpy)",
        source=Wheels(requirements=(f"onnxruntime-gpu=={_GPU}", "numpy>=2"), platforms=platforms, python=python),
        fetched_bytes=273_000_000,
        kept_bytes=415_000_000,
    )
    libraries = Component(
        name="cuda-13.5-cudnn-9.28",
        about="NVIDIA's libraries of CUDA 13.5 and cuDNN 9.28, which that build needs",
        licence="NVIDIA's own (CUDA Toolkit, cuDNN)",
        source=Wheels(
            requirements=(
                "nvidia-cublas==13.10.0.20",
                "nvidia-cuda-nvrtc==13.5.37",
                "nvidia-cuda-runtime==13.5.37",
                "nvidia-cudnn-cu13==9.28.0.42",
                "nvidia-cufft==12.5.0.14",
                "nvidia-curand==10.4.5.25",
            ),
            platforms=(*platforms, "manylinux2010_x86_64", "manylinux1_x86_64"),
            python=python,
        ),
        fetched_bytes=1_264_000_000,
        kept_bytes=2_200_000_000,  # of the wheels' sizes, as much larger as the one that was opened
        terms=Terms(
            key="cuda",
            title="End User License Agreement of the CUDA Toolkit, and that of cuDNN",
            gist="for systems with NVIDIA GPUs; to be passed on only as part of an application of your own, as they "
            "say; whoever downloads or uses them accepts them",
            file="nvidia_cuda_runtime-13.5.37.dist-info/licenses/License.txt",
        ),
    )
    return (build, libraries)


def _qnn(version: str) -> Component:
    """Qualcomm's plugin and simulator for this very interpreter."""
    return Component(
        name=f"qnn-{_QNN}-onnxruntime-{version}",
        about=f"ONNX Runtime {version}, the version installed here, Qualcomm's QNN plugin {_QNN} and its simulator",
        licence="MIT (ONNX Runtime, the plugin), BSD-3-Clause (numpy), Qualcomm's own (QAIRT: its backends)",
        source=Wheels(
            requirements=(f"onnxruntime=={version}", f"onnxruntime-qnn=={_QNN}", "numpy>=2"),
            platforms=(*(f"manylinux_2_{minor}_x86_64" for minor in (35, 34, 31, 28, 27, 17)), "manylinux2014_x86_64"),
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        ),
        fetched_bytes=145_000_000,
        kept_bytes=371_000_000,
        terms=Terms(
            key="qnn",
            title="Qualcomm AI Stack License",
            gist="to develop software applications of your own with; not to be passed on by itself; "
            "whoever downloads or uses it accepts it",
            file="onnxruntime_qnn/Qualcomm_LICENSE.pdf",
        ),
    )
