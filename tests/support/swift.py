"""The Swift compiler, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["STUB", "built"]

# The folder's name is the package's, as the package manager sees it.
STUB = Path(__file__).parent / "onnxruntime-swift-package-manager"
_PACKAGE = """// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "main",
    dependencies: [.package(path: "{stub}")],
    targets: [
        .executableTarget(
            name: "main",
            dependencies: [.product(name: "onnxruntime", package: "{stub.name}")],
            path: ".",
            sources: {sources},
            swiftSettings: [.unsafeFlags(["-warnings-as-errors"])]
        )
    ]
)
"""


def built(folder: Path, *sources: str) -> list[str]:
    """Compile Swift 6 over the stub of ONNX Runtime, every warning an error, and run it.

    Returns:
        What it says, by line.
    """
    if shutil.which("swift") is None:
        pytest.skip("no swift here")
    listed = str(list(sources)).replace("'", '"')
    (folder / "Package.swift").write_text(_PACKAGE.format(stub=STUB, sources=listed))
    words = ["swift", "run", "--quiet", "--disable-sandbox"]
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()
