"""The shipped example keeps its own promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx

KB = 1000


def test_the_demo_ends_proved(digits: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, digits / "demo.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "proved" in done.stdout.splitlines()


def test_calibration_and_evaluation_images_differ(digits: Path) -> None:
    with np.load(digits / "calibration.npz") as calibration, np.load(digits / "evaluation.npz") as evaluation:
        sets = [{image.tobytes() for image in samples["image"]} for samples in (calibration, evaluation)]
        assert [len(images) for images in sets] == [200, 500]
        assert not sets[0] & sets[1]
        assert set(evaluation["label"].tolist()) == set(range(10))


def test_it_is_small_and_leaves_folding_to_the_compiler(digits: Path) -> None:
    sizes = {name: (digits / name).stat().st_size for name in ("digits.onnx", "calibration.npz", "evaluation.npz")}
    assert {name: size for name, size in sizes.items() if size > 300 * KB} == {}
    operators = {node.op_type for node in onnx.load(digits / "digits.onnx").graph.node}
    assert operators >= {"Conv", "BatchNormalization", "Relu", "Add", "GlobalAveragePool", "Gemm"}
