"""The C++ wrapper: warnings are errors, a program over a stub of ONNX Runtime shows what a session is given."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest
from support.wrapped import manifest_only

from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap

STUB = Path(__file__).parents[2] / "support" / "onnxruntime_stub"
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-O0")
BITS = (8, 16, 32, 64)
CODES = {"dtype": "uint8", "scale": 0.0186, "zero_point": 114}

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")


def built(bundle: Bundle, folder: Path, body: str, name: str = "faces") -> list[str]:
    """What a program says that has this body, by line."""
    wrap(bundle, "cpp", folder, name=name)
    (folder / "main.cpp").write_text(
        f'#include "{name}.hpp"\n#include <iostream>\n'
        f'int main() {{ Ort::Env env; {name}::Session model(env, "bundle"); {name}::Inputs in;\n{body}\n}}\n'
    )
    program = folder / "main"
    made = subprocess.run(
        ["g++", *FLAGS, f"-isystem{STUB}", f"-I{folder}", folder / "main.cpp", "-o", program],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return subprocess.run([program], capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_names_shapes_types_and_scales(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("image.1", "float32", ["N", 3, None])],
        [("scores", "int64", [5]), ("done", "bool", [])],
        quantized={"image.1": CODES},
        session_options={"session.intra_op.allow_spinning": "0"},
    )
    said = built(
        bundle,
        tmp_path,
        """
        static_assert(faces::inputs::image_1.shape[1] == 3 && faces::inputs::image_1.shape[0] == -1);
        static_assert(faces::inputs::image_1.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
        static_assert(faces::input_codes::image_1.scale == 0.0186 && faces::input_codes::image_1.zero_point == 114);
        static_assert(faces::outputs::scores.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
        static_assert(faces::outputs::done.shape.size() == 0);
        faces::Outputs out; out.done.values = {1}; out.scores.values.push_back(1LL << 40);
        std::cout << faces::inputs::image_1.name << "\\n" << faces::kManifest << "\\n" << model.session().file << "\\n"
                  << model.session().said[0] << "\\n";
        """,
    )
    assert said == ["image.1", bundle.digest, "bundle/model.onnx", "session.intra_op.allow_spinning=0"]


def test_a_run_gives_what_was_fed_and_checks_it(tmp_path: Path) -> None:
    bundle = manifest_only(tmp_path / "b", [("x", "float32", ["N", 2])], [("y", "float32", ["N", 2])])
    said = built(
        bundle,
        tmp_path,
        """
        in.x.values = {1, 2, 3, 4, 5, 6};
        auto out = model.run(in);
        std::cout << out.y.shape[0] << " " << out.y.shape[1] << " " << out.y.values[5] << "\\n";
        for (auto& shape : {std::vector<std::int64_t>{3, 2}, {2, 3}, {6}, {-1, 2}}) {
          in.x.shape = shape;
          try { std::cout << model.run(in).y.values.size() << "\\n"; }
          catch (const std::invalid_argument& error) { std::cout << error.what() << "\\n"; }
        }
        in.x.shape.clear();
        in.x.values.pop_back();
        try { model.run(in); } catch (const std::invalid_argument& error) { std::cout << error.what() << "\\n"; }
        """,
    )
    assert said == [
        "3 2 6",
        "6",
        "input x takes [?, 2], not 6 values of [2, 3]",
        "input x takes [?, 2], not 6 values of [6]",
        "input x takes [?, 2], not 6 values of [?, 2]",
        "input x takes [?, 2], not 5 values",
    ]


def test_state_is_fed_back_and_can_be_forgotten(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("past", "float32", [1, None]), ("x", "float32", [1])],
        [("present", "float32", [1, None]), ("y", "float32", [1])],
        state={"past": "present"},
        start={"past": np.zeros((1, 3), np.float32)},
    )
    said = built(
        bundle,
        tmp_path,
        """
        in.x.values = {7};
        std::cout << model.run(in).y.values[0] << "\\n";  // the stub answers output 0 with input 0, present with past
        for (auto& name : model.session().fed) std::cout << name << " ";
        std::cout << "\\n";
        model.reset();
        """,
    )
    assert said == ["7", "x past y present "]
    text = (tmp_path / "faces.hpp").read_text()
    assert "past_ = zeros<float>({1, 3});" in text
    assert "Tensor<float> past;" not in text  # an app never sees it


def test_names_of_any_text(tmp_path: Path) -> None:
    hard = ['say "hi"', "back\\slash", "class", "入力", "??/", "new\nline", "*/", "session", "x", "X", "0"]
    bundle = manifest_only(
        tmp_path / "b",
        [(name, "float32", [1]) for name in hard],
        [(name, "float16", [1]) for name in reversed(hard)],
        quantized={name: {"dtype": "int4", "scale": 1e-30, "zero_point": -3} for name in hard},
        baked={"inputs": {"*/": "*/ int x;"}},
    )
    names = ("say_hi", "back_slash", "class_", "value", "value_2", "new_line", "value_3", "session_", "x", "x_2", "_0")
    show = "".join(f"std::cout << faces::inputs::{name}.name << '|';" for name in names)
    fill = "".join(f"in.{name}.values = {{1}};" for name in names)
    said = "\n".join(built(bundle, tmp_path, f"{show}{fill} model.run(in);"))
    assert said.split("|")[:-1] == hard


def test_every_type(tmp_path: Path) -> None:
    types = [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "bool",
        *(f"{u}int{bits}" for u in ("", "u") for bits in BITS),
    ]
    ends = [(f"of_{letter}", dtype, [2]) for letter, dtype in zip(ascii_lowercase, types, strict=False)]
    fill = "".join(f"in.{name}.values = {{1, 0}};" for name, *_ in ends)
    same = " && ".join(f"out.{name}.values == in.{name}.values" for name, *_ in ends)
    bundle = manifest_only(tmp_path / "b", ends, ends)
    assert built(bundle, tmp_path, f"{fill} auto out = model.run(in); std::cout << ({same});") == ["1"]


def test_options_of_a_provider(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("x", "float32", [1])],
        [("y", "float32", [1])],
        target={"name": "s", "runtime": "onnxruntime-qnn", "providers": ["QNNExecutionProvider"]},
        provider_options={"QNNExecutionProvider": {"backend_path": "libQnnHtp.so", "soc_model": "57"}},
        context={"model": "model_ctx.onnx"},
    )
    said = built(
        bundle,
        tmp_path,
        """
        std::cout << model.session().file << "\\n";
        for (auto& each : model.session().said) std::cout << each << "\\n";
        """,
    )
    assert sorted(said) == ["QNN", "QNN.backend_path=libQnnHtp.so", "QNN.soc_model=57", "bundle/model_ctx.onnx"]


@pytest.mark.skipif("EDGEC_ONNXRUNTIME" not in os.environ, reason="EDGEC_ONNXRUNTIME names no ONNX Runtime for C++")
def test_a_real_session_answers_the_golden_sample(tmp_path: Path) -> None:
    """With `include/` and `lib/libonnxruntime.so` of a release: bit for bit what is in golden/."""
    import edgec

    root = Path(os.environ["EDGEC_ONNXRUNTIME"])
    digits = Path(__file__).parents[3] / "examples" / "digits"
    bundle = edgec.compile(digits / "digits.onnx", output=tmp_path / "b", scheme="w8", prove=False)
    (feeds,), (wanted,) = bundle.golden()
    [[given, array]] = feeds.items()
    [[answered, expected]] = wanted.items()
    array.tofile(tmp_path / "in.bin")
    wrap(bundle, "cpp", tmp_path, name="digits")
    (tmp_path / "main.cpp").write_text(
        f"""#include "digits.hpp"
        #include <fstream>
        int main(int, char** argv) {{
          Ort::Env env; digits::Session model(env, argv[1]); digits::Inputs in;
          in.{given}.values.resize({array.size});
          std::ifstream("in.bin", std::ios::binary)
              .read(reinterpret_cast<char*>(in.{given}.values.data()), {array.nbytes});
          auto out = model.run(in);
          std::ofstream("out.bin", std::ios::binary)
              .write(reinterpret_cast<char*>(out.{answered}.values.data()), {expected.nbytes});
        }}"""
    )
    library = root / "lib"
    subprocess.run(
        ["g++", "-std=c++17", f"-isystem{root}/include", "main.cpp", f"-L{library}", "-lonnxruntime",
         f"-Wl,-rpath,{library}", "-o", "main"],
        cwd=tmp_path, check=True, timeout=300,
    )  # fmt: skip
    subprocess.run(["./main", str(bundle.path)], cwd=tmp_path, check=True, timeout=60)
    assert np.array_equal(np.fromfile(tmp_path / "out.bin", expected.dtype).reshape(expected.shape), expected)
