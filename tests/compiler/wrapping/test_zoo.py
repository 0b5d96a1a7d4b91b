"""One generator, real models: a keyword spotter, and a speech enhancer with three states that are fed back.

Python, C++ and TypeScript run; each answers the golden steps as the bundle did.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.npm import compiled, npm_folder, ran

import edgec
from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap

pytestmark = pytest.mark.zoo
STATES = {
    "kws_dscnn": {},
    "gtcrn_stream": {"conv_cache": "conv_cache_out", "tra_cache": "tra_cache_out", "inter_cache": "inter_cache_out"},
}
STUB = Path(__file__).parents[2] / "support" / "onnxruntime_stub"


@pytest.fixture(scope="module", params=STATES)
def bundle(request: pytest.FixtureRequest, zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The model with weights in 8 bits, and golden noise."""
    folder = tmp_path_factory.mktemp(request.param)
    model = zoo / "models" / request.param / "model.onnx"
    state = STATES[request.param]
    rng = np.random.default_rng(0)
    ends = {
        value.name: [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        for value in onnx.load(model).graph.input
        if value.name not in state
    }
    steps = [{name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in ends.items()} for _ in range(4)]
    sample = steps if state else steps[0]
    options = {"scheme": "w8", "search": False, "prove": False, "cache": False}
    return edgec.compile(model, output=folder / "b", state=state, calibration=[sample, sample], **options)


def steps_of(bundle: Bundle) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """What an app feeds and reads: what is fed back left out."""
    state = bundle.manifest["state"]
    return [
        (
            {name: array for name, array in feeds.items() if name not in state},
            {name: array for name, array in wanted.items() if name not in state.values()},
        )
        for feeds, wanted in zip(*bundle.golden(), strict=True)
    ]


def test_python(bundle: Bundle, tmp_path: Path) -> None:
    file = wrap(bundle, "python", tmp_path, name="wrapped")
    spec = importlib.util.spec_from_file_location("wrapped", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wrapped"] = module
    spec.loader.exec_module(module)
    model = module.Wrapped(bundle.path)
    inputs, outputs = ({port.name: name for name, port in ports.items()} for ports in (module.INPUTS, module.OUTPUTS))
    for feeds, wanted in steps_of(bundle):
        answer = model.run(**{inputs[name]: array for name, array in feeds.items()})
        for name, array in wanted.items():
            assert np.array_equal(getattr(answer, outputs[name]), array)


@pytest.mark.slow
def test_cpp_compiles(bundle: Bundle, tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++ here")
    wrap(bundle, "cpp", tmp_path, name="wrapped")
    body = 'int main() { Ort::Env env; wrapped::Session model(env, "b"); }'
    (tmp_path / "main.cpp").write_text(f'#include "wrapped.hpp"\n{body}\n')
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-isystem{STUB}", "-fsyntax-only"]
    subprocess.run(["g++", *flags, "main.cpp"], cwd=tmp_path, check=True, timeout=300)


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_folder(tmp_path_factory.mktemp("npm"))


@pytest.mark.slow
def test_typescript_in_node(bundle: Bundle, npm: Path) -> None:
    folder = npm / bundle.path.parent.name
    folder.mkdir()
    wrap(bundle, "typescript", folder, name="wrapped")
    steps = [
        [{name: [array.shape, array.ravel().tolist()] for name, array in each.items()} for each in step]
        for step in steps_of(bundle)
    ]
    (folder / "steps.json").write_text(json.dumps(steps))
    (folder / "main.ts").write_text(
        """
        import * as ort from "onnxruntime-web";
        import { readFileSync } from "node:fs";
        import { Wrapped, inputs, outputs, type Inputs } from "./wrapped.js";
        type Given = Record<string, [number[], number[]]>;
        const model = await Wrapped.open(ort, process.argv[2]!);
        let worst = 0;
        for (const [fed, wanted] of JSON.parse(readFileSync(process.argv[3]!, "utf8")) as [Given, Given][]) {
          const given = Object.fromEntries(Object.entries(inputs).filter(([, port]) => port.name in fed).map(
            ([id, port]) => [id, { dims: fed[port.name]![0], data: Float32Array.from(fed[port.name]![1]) }]));
          const found: unknown = await model.run(given as unknown as Inputs);
          const answer = found as Record<string, { data: Float32Array }>;
          for (const [id, port] of Object.entries(outputs)) {
            const [, values] = wanted[port.name] ?? [[], []];
            const most = Math.max(1e-9, ...values.map(Math.abs));
            values.forEach((value, at) => { worst = Math.max(worst, Math.abs(value - answer[id]!.data[at]!) / most); });
          }
        }
        console.log(worst);
        """
    )
    compiled(npm, folder)
    [worst] = ran(folder, str(bundle.path), str(folder / "steps.json"))
    assert float(worst) < 1e-3  # another build's kernels round otherwise
