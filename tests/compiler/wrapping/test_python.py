"""The Python wrapper: it imports, opens real bundles, and says what it is not given."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from support.protos import proto
from support.wrapped import manifest_only

import edgec
from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap
from edgec.errors import BundleError


def module(bundle: Bundle, folder: Path) -> ModuleType:
    file = wrap(bundle, "python", folder, name="faces")
    spec = importlib.util.spec_from_file_location("faces", file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["faces"] = made  # dataclasses look their module up
    spec.loader.exec_module(made)
    return made


def test_the_golden_answer_and_what_is_refused(tmp_path: Path) -> None:
    w = np.random.default_rng(0).normal(0, 1, (4, 3)).astype(np.float32)
    made = proto("g (float[N, 4] x) => (float[N, 3] y) { y = MatMul(x, w) }", opset=17, ir_version=8, w=w)
    onnx.save(made, tmp_path / "m.onnx")
    bundle = edgec.compile(tmp_path / "m.onnx", output=tmp_path / "b", scheme="float", prove=False, cache=False)
    faces = module(bundle, tmp_path)
    assert (bundle.digest, "host") == (faces.MANIFEST, faces.TARGET)
    assert faces.INPUTS["x"] == faces.Port("x", "float32", (None, 4))
    (feeds,), (wanted,) = bundle.golden()
    model = faces.Faces(bundle.path)
    assert np.array_equal(model.run(x=feeds["x"]).y, wanted["y"])
    with pytest.raises(ValueError, match=r"^input x takes \[\?, 4\], not \[1, 5\]$"):
        model.run(x=np.zeros((1, 5), np.float32))
    with pytest.raises(TypeError, match=r"^input x takes float32, not float64$"):
        model.run(x=np.zeros((1, 4)))


def test_state_is_fed_back_and_can_be_forgotten(tmp_path: Path) -> None:
    text = (
        "g (float[1] x, float[1] past) => (float[1] y, float[1] present) { y = Add(x, past)\n present = Identity(y) }"
    )
    onnx.save(proto(text, opset=17, ir_version=8), tmp_path / "m.onnx")
    bundle = edgec.compile(
        tmp_path / "m.onnx", output=tmp_path / "b", state={"past": "present"}, scheme="float", prove=False, cache=False
    )
    model = module(bundle, tmp_path).Faces(bundle.path)
    one = np.ones(1, np.float32)
    assert [float(model.run(x=one).y[0]) for _ in range(3)] == [1, 2, 3]
    model.reset()
    assert float(model.run(x=one).y[0]) == 1


def test_names_of_any_text(tmp_path: Path) -> None:
    hard = ['say "hi"', "back\\slash", "class", "入力", '"""', "new\nline", "self", "x", "X", "0"]
    ends = [(name, "float32", [1]) for name in hard]
    faces = module(manifest_only(tmp_path / "b", ends, ends, baked={'"""': "'''"}), tmp_path)
    assert [port.name for port in faces.INPUTS.values()] == hard
    assert [port.name for port in faces.OUTPUTS.values()] == hard
    assert faces.BAKED == {'"""': "'''"}


def test_a_provider_that_is_missing_is_no_quiet_fallback(tmp_path: Path) -> None:
    text = "g (float[1] x) => (float[1] y) { y = Relu(x) }"
    bundle = manifest_only(
        tmp_path / "b",
        [("x", "float32", [1])],
        [("y", "float32", [1])],
        target={"name": "t", "runtime": "r", "providers": ["QNNExecutionProvider"]},
        provider_options={"QNNExecutionProvider": {"backend_path": "none"}},
        beside={"model.onnx": proto(text, opset=17, ir_version=8).SerializeToString()},
    )
    with pytest.raises(RuntimeError, match=r"^QNNExecutionProvider is not in this ONNX Runtime, which has .*CPU"):
        module(bundle, tmp_path).Faces(bundle.path)


def test_a_type_it_cannot_hand_over(tmp_path: Path) -> None:
    bundle = manifest_only(tmp_path / "b", [("x", "bfloat16", [1])], [("y", "float32", [1])])
    with pytest.raises(BundleError) as caught:
        wrap(bundle, "python", tmp_path, name="faces")
    assert str(caught.value) == (
        "faces: 'x': is of type bfloat16, which a wrapper in Python cannot hand over. Types it can are float32, "
        "float64, float16, bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64."
    )


@pytest.mark.parametrize("file", ["model.onnx", "golden/inputs.npz"])
def test_a_bundle_that_was_altered_is_not_wrapped(tmp_path: Path, file: str) -> None:
    ends = [("x", "float32", [1])], [("y", "float32", [1])]
    bundle = manifest_only(tmp_path / "b", *ends, beside={"model.onnx": b"model"})
    with (bundle.path / file).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BundleError) as caught:
        wrap(bundle, "python", tmp_path / "out", name="faces")
    assert str(caught.value) == (
        f"{bundle.path / file}: does not have the sha256 of the manifest. Compile the bundle again."
    )
    assert not (tmp_path / "out").exists()
