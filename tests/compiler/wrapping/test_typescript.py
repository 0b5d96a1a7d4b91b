"""The TypeScript wrapper: the strictest compiler takes it, and it runs in Node."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.npm import compiled, npm_folder, ran
from support.wrapped import manifest_only

from edgec.compiler.wrap import wrap

pytestmark = pytest.mark.slow

# A runtime that answers output i with input i, and tells how it was opened and fed.
STUB = """
import type { Runtime } from "./faces.js";
export const log: unknown[] = [];
class Tensor { constructor(readonly type: string, readonly data: unknown, readonly dims: readonly number[]) {} }
export const stub = {
  Tensor,
  InferenceSession: {
    async create(file: string, options: object) {
      log.push(file, options);
      return {
        async run(feeds: Record<string, Tensor>) {
          log.push(Object.entries(feeds).map(([name, { type, dims }]) => [name, type, dims]));
          const given = Object.values(feeds);
          return Object.fromEntries(OUTPUTS.map((name, index) => [name, given[index]]));
        },
      };
    },
  },
} as unknown as Runtime;
"""


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_folder(tmp_path_factory.mktemp("npm"))


def program(npm: Path, name: str, outputs: list[str], body: str) -> Path:
    """A folder below with the wrapper's neighbours: the stub and a program."""
    folder = npm / name
    (folder / "stub.ts").write_text(f"const OUTPUTS: string[] = {outputs!r};\n{STUB}")
    (folder / "main.ts").write_text(
        f'import * as faces from "./faces.js";\nimport {{ log, stub }} from "./stub.js";\n{body}'
    )
    compiled(npm, folder)
    return folder


def test_names_shapes_types_scales_and_options(npm: Path) -> None:
    bundle = manifest_only(
        npm / "facts",
        [("image.1", "float32", ["N", 3, None])],
        [("scores", "int64", [5])],
        quantized={"image.1": {"dtype": "uint8", "scale": 0.0186, "zero_point": 114}},
        session_options={"session.intra_op.allow_spinning": "0"},
        target={"name": "web", "runtime": "onnxruntime-web", "providers": ["WebGpuExecutionProvider"]},
        provider_options={"WebGpuExecutionProvider": {"preferredLayout": "NHWC"}},
        beside={"model.onnx.data": b""},
    )
    wrap(bundle, "typescript", npm / "facts", name="faces")
    said = ran(
        program(
            npm,
            "facts",
            ["scores"],
            """
            const shape: readonly [null, 3, null] = faces.inputs.image1.shape;
            await faces.Faces.open(stub, "/b");
            const { quantized } = faces.inputs.image1;
            console.log(JSON.stringify([faces.manifest, shape, quantized, faces.outputs.scores.type]));
            console.log(JSON.stringify(log));
            """,
        )
    )
    options = {
        "executionProviders": [{"name": "webgpu", "preferredLayout": "NHWC"}],
        "extra": {"session": {"intra_op": {"allow_spinning": "0"}}},
        "externalData": [{"path": "model.onnx.data", "data": "/b/model.onnx.data"}],
    }
    facts = [bundle.digest, [None, 3, None], {"type": "uint8", "scale": 0.0186, "zeroPoint": 114}, "int64"]
    assert [json.loads(line) for line in said] == [facts, ["/b/model.onnx", options]]


def test_a_run_checks_what_it_is_given(npm: Path) -> None:
    bundle = manifest_only(npm / "run", [("x", "float32", ["N", 2])], [("y", "float32", ["N", 2])])
    wrap(bundle, "typescript", npm / "run", name="faces")
    said = ran(
        program(
            npm,
            "run",
            ["y"],
            """
            const model = await faces.Faces.open(stub, "b");
            const data = Float32Array.of(1, 2, 3, 4, 5, 6);
            const { y } = await model.run({ x: data });
            console.log(y.dims.join(), y.data.join(), log.length);
            for (const dims of [[3, 2], [2, 3], [6], [-3, -2]])
              console.log(await model.run({ x: { data, dims } }).then(({ y }) => y.dims.join(), String));
            console.log(await model.run({ x: data.slice(1) }).then(() => "fine", String));
            """,
        )
    )
    takes = "RangeError: input x takes [?, 2], not 6 values of"
    assert said == [
        "3,2 1,2,3,4,5,6 3",
        "3,2",
        f"{takes} [2, 3]",
        f"{takes} [6]",
        f"{takes} [-3, -2]",
        "RangeError: input x takes [?, 2], not 5 values",
    ]


def test_state_is_fed_back_and_can_be_forgotten(npm: Path) -> None:
    bundle = manifest_only(
        npm / "state",
        [("past", "float16", [1, None]), ("x", "float32", [1])],
        [("y", "float32", [1]), ("present", "float16", [1, None])],
        state={"past": "present"},
        start={"past": np.zeros((1, 3), np.float16)},
    )
    wrap(bundle, "typescript", npm / "state", name="faces")
    said = ran(
        program(
            npm,
            "state",
            ["y", "present"],
            """
            const model = await faces.Faces.open(stub, "b");
            const answer = await model.run({ x: Float32Array.of(7) });
            console.log(Object.keys(answer).join(), answer.y.data[0]);
            await model.run({ x: Float32Array.of(8) });
            model.reset();
            await model.run({ x: Float32Array.of(9) });
            console.log(JSON.stringify(log.slice(2)));
            """,
        )
    )
    fed = '[["x","float32",[1]],["past","float16",[1,3]]]'
    assert said == ["y 7", f"[{fed},{fed},{fed}]"]


def test_names_of_any_text_and_every_type(npm: Path) -> None:
    hard = [
        'say "hi"',
        "back\\slash",
        "class",
        "入力",
        "`${x}`",
        "new\nline",
        "*/",
        "arguments",
        "x",
        "X",
        "0",
        "</script>",
    ]
    types = ["float32", "float64", "float16", "bool", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))]
    ends = [(name, dtype, [1]) for name, dtype in zip(hard, types, strict=True)]
    bundle = manifest_only(npm / "hard", ends, list(reversed(ends)), baked={"*/": "*/ let x;"})
    wrap(bundle, "typescript", npm / "hard", name="faces")
    body = "console.log(JSON.stringify(Object.values(faces.inputs).map(({ name }) => name)), typeof stub, log.length);"
    [line] = ran(program(npm, "hard", [], body))
    assert json.loads(line.rpartition("]")[0] + "]") == hard
