"""A model of 4 GB of weights compiles in less than 2 GB of memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

SIDE, LAYERS = 8192, 16
LIMIT = 2 << 30

COMPILE = """
import json, sys
import numpy as np
import edgec
from edgec.compiler.planning.memory import peak_bytes
rng = np.random.default_rng(1)
feeds = [{"h0": rng.standard_normal((1, 8192), np.float32)} for _ in range(2)]
bundle = edgec.compile(sys.argv[1], calibration=feeds, scheme="a8w8", output=sys.argv[2], prove=False)
print(json.dumps({"peak": peak_bytes(), "files": bundle.manifest["files"]}))
"""


@pytest.mark.slow
def test_four_gigabytes_of_weights_compile_in_two(
    tmp_path: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        write(tmp_path)
        answer = subprocess.run(
            [sys.executable, "-c", COMPILE, str(tmp_path / "m.onnx"), str(tmp_path / "out")],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(tmp_path)  # 5 GB that pytest would keep for three runs
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    record_property("peak_bytes", found["peak"])
    with capsys.disabled():
        sys.stdout.write(f"\n4.29 GB of weights: peak {found['peak'] / 1e6:.0f} MB, limit {LIMIT / 1e6:.0f} MB\n")
    assert found["peak"] < LIMIT
    weights = SIDE * SIDE * LAYERS
    assert weights <= found["files"]["model.onnx.data"]["bytes"] < 1.01 * weights


def write(folder: Path) -> None:
    """16 matrices of 8192 x 8192, 256 MiB each, no two alike, between Relus."""
    nodes = []
    for k in range(LAYERS):
        nodes.append(helper.make_node("MatMul", [f"h{k}", f"w{k}"], [f"m{k}"]))
        nodes.append(helper.make_node("Relu", [f"m{k}"], [f"h{k + 1}"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", SIDE]) for name in ("h0", f"h{LAYERS}")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    size = SIDE * SIDE * 4
    tile = np.random.default_rng(0).standard_normal((SIDE // 8, SIDE), np.float32) * np.float32((2 / SIDE) ** 0.5)
    with (folder / "m.data").open("wb") as file:
        for k in range(LAYERS):
            for part in range(8):
                file.write(np.roll(tile, 31 * k + part, axis=1).tobytes())
            tensor = model.graph.initializer.add(name=f"w{k}", dims=[SIDE, SIDE], data_type=TensorProto.FLOAT)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "m.data"), ("offset", k * size), ("length", size)):
                tensor.external_data.add(key=key, value=str(value))
    onnx.save(model, folder / "m.onnx")
