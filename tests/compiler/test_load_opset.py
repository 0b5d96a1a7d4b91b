"""Operator sets: raised when below the floor, with the outputs compared; refused when newer than all that is known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from support.graphs import weights
from support.numerics import assert_same, run
from support.protos import proto

from edgec.compiler.load import load_model
from edgec.compiler.loading import numerics, opset
from edgec.compiler.loading.detached import Weights
from edgec.errors import ModelError

NOTE = "operator set {} → 13, outputs compared"
IMAGE = weights(1, 3, 8, 8, seed=5)

# Graph, operator set, constants: what changed on the way to 13.
RAISED = {
    "softmax": ("g (float[2, 3, 4] x) => (float[2, 3, 4] y) { y = Softmax(x) }", 11, {}),
    "softmax, dynamic": ("g (float[n, 3, t] x) => (float[n, 3, t] y) { y = Softmax <axis = 1> (x) }", 9, {}),
    "clip": ("g (float[2, 3] x) => (float[2, 3] y) { y = Clip <min = 0.0, max = 0.5> (x) }", 7, {}),
    "pad": (
        "g (float[1, 3, 4, 4] x) => (float[1, 3, 6, 6] y) { y = Pad <pads = [0, 0, 1, 1, 0, 0, 1, 1]> (x) }",
        9,
        {},
    ),
    "slice": (
        "g (float[1, 3, 4, 4] x) => (float[1, 3, 2, 4] y) { y = Slice <starts = [1], ends = [3], axes = [2]> (x) }",
        9,
        {},
    ),
    "squeeze in a body": (
        """g (bool c, float[1, 4] x) => (float[4] y) {
            y = If(c) <then_branch = t () => (float[4] a) { a = Squeeze <axes = [0]> (x) },
                       else_branch = e () => (float[4] b) { z = Neg(x) b = Squeeze <axes = [0]> (z) }>
        }""",
        11,
        {},
    ),
    "bilinear upsample": (
        'g (float[1, 3, 8, 8] x) => (float[1, 3, 16, 16] y) { y = Upsample <mode = "linear"> (x, s) }',
        9,
        {"s": np.float32([1, 1, 2, 2])},
    ),
    "nearest upsample": (
        "g (float[1, 3, 8, 8] x) => (float[1, 3, 12, 12] y) { y = Upsample(x, s) }",
        9,
        {"s": np.float32([1, 1, 1.5, 1.5])},
    ),
    "bilinear resize": (
        'g (float[1, 3, 8, 8] x) => (float[1, 3, 16, 16] y) { y = Resize <mode = "linear"> (x, s) }',
        10,
        {"s": np.float32([1, 1, 2, 2])},
    ),
    "large weights": (
        "g (float[n, 32] x) => (float[n, 64] y) { h = MatMul(x, w) y = Softmax <axis = 1> (h) }",
        9,
        {"w": weights(32, 64)},
    ),
    "an operator of the runtime": (
        "g (float[2, 3] x) => (float[2, 3] y) { a = com.microsoft.Gelu(x) y = Softmax(a) }",
        11,
        {},
    ),
}


@pytest.mark.parametrize("name", RAISED)
def test_raised_models_compute_the_same(name: str) -> None:
    text, version, constants = RAISED[name]
    given = proto(text, opset=version, imports='"com.microsoft": 1', ir_version=6, **constants)
    loaded = load_model(given)
    assert loaded.model.opset_imports[""] == 13
    assert NOTE.format(version) in loaded.notes
    session = __import__("onnxruntime").InferenceSession(given.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for size in (2, 3):
        feeds = {}
        for info in session.get_inputs():
            shape = [dim if isinstance(dim, int) else size for dim in info.shape]
            feeds[info.name] = np.array(True) if "bool" in info.type else rng.standard_normal(shape).astype(np.float32)
        if "c" in feeds:
            feeds["c"] = np.array(True)
        (wanted,) = session.run(None, feeds)
        assert_same({"y": wanted}, run(loaded.model, feeds), tolerance=1e-6)


def test_what_is_not_below_the_floor_is_left_alone() -> None:
    loaded = load_model(proto("g (float[2, 3] x) => (float[2, 3] y) { y = Softmax(x) }", opset=13))
    assert (loaded.model.opset_imports[""], loaded.notes) == (13, ())


def test_another_floor() -> None:
    given = proto(
        "g (float[2, 3] x) => (float[2, 3] y) { y = ReduceSum <keepdims = 1> (x, a) }", opset=13, a=np.int64([1])
    )
    assert load_model(given, opset_floor=17).model.opset_imports[""] == 17


def test_what_the_source_says_of_itself_is_kept() -> None:
    given = proto("g (float[n, 3] x) => (float[n, 3] y) { [soft] y = Softmax(x) }", opset=11)
    given.metadata_props.add(key="author", value="me")
    given.graph.input[0].doc_string = "pixels"
    model = load_model(given).model
    assert dict(model.metadata_props) == {"author": "me"}
    assert model.graph.inputs[0].doc_string == "pixels"
    assert "soft" in {node.name for node in model.graph}


class TestRefused:
    def refusal(self, model: onnx.ModelProto, **options: int) -> str:
        with pytest.raises(ModelError) as caught:
            load_model(model, **options)  # type: ignore[arg-type]
        return str(caught.value)

    def test_newer_than_anything_known(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }")
        model.opset_import[0].version = 99
        assert self.refusal(model) == (
            "<ModelProto>: uses operator set 99, the newest this target runs is 26. "
            "Export the model with opset_version=26 or lower."
        )

    def test_none_declared(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }")
        del model.opset_import[:]
        assert self.refusal(model) == "<ModelProto>: declares no operator set. Export the model again."

    def test_the_converter_fails(self) -> None:
        model = proto(
            "g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) { y = BatchNormalization <spatial = 0> (x, s, s, s, s) }",
            opset=7,
            s=np.ones((3, 4, 4), np.float32),
        )
        assert self.refusal(model).startswith("<ModelProto>: cannot be raised from operator set 7 to 13: ")
        assert self.refusal(model).endswith(". Export the model with opset_version=13 or higher.")

    def test_the_runtime_does_not_open_the_original(self) -> None:
        model = proto("g (float[2, 3] x) => (float[2, 3] y) { y = Add(x, x) }", opset=6)
        assert self.refusal(model) == (
            "<ModelProto>: was raised from operator set 6 to 13, but that cannot be checked: ONNX Runtime does not "
            "open the original (Could not find an implementation for Add(6) node with name 'y'). "
            "Export the model with opset_version=13 or higher."
        )

    def test_the_outputs_change(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The converter forgets how Upsample computed; without mending that, the comparison has to see it."""
        monkeypatch.setattr(opset, "_set_default", lambda *_: None)
        text, version, constants = RAISED["bilinear upsample"]
        message = self.refusal(proto(text, opset=version, **constants))
        assert message.startswith(
            "<ModelProto>: changes its outputs when raised from operator set 9 to 13: output 'y' differs by up to "
        )
        assert message.endswith(". Export the model with opset_version=13 or higher.")

    def test_the_outputs_cannot_be_compared(self) -> None:
        model = proto(
            "g (float[n, 3] x) => (float[m, 3] y) { h = Reshape(x, s) y = Softmax <axis = 1> (h) }",
            opset=11,
            s=np.int64([7, 3]),
        )
        assert self.refusal(model).startswith(
            "<ModelProto>: was raised from operator set 11 to 13, but that cannot be checked: "
            "the original does not run on random feeds ("
        )
        assert self.refusal(model).endswith(
            "). Fix its shapes with --shape, or export it with opset_version=13 or higher."
        )
        assert load_model(model, shapes={"x": (7, 3)}).model.opset_imports[""] == 13


class TestIrVersion:
    def test_one_too_new_is_lowered(self) -> None:
        loaded = load_model(proto("g (float[2] x) => (float[2] y) { y = Relu(x) }", ir_version=14))
        assert (loaded.model.ir_version, loaded.notes) == (13, ("IR version 14 → 13",))
        given = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }", ir_version=11)
        assert load_model(given, max_ir_version=10).notes == ("IR version 11 → 10",)

    def test_one_too_old_for_its_operators_is_raised(self) -> None:
        loaded = load_model(proto("g (float[2] x) => (float[2] y) { y = Relu(x) }", opset=21, ir_version=7))
        assert (loaded.model.ir_version, loaded.notes) == (10, ("IR version 7 → 10",))


class TestTheComparisonItself:
    """It must not accept what differs."""

    def compare(self, before: str, after: str, **constants: np.ndarray) -> str | None:
        return numerics.compare(proto(before, **constants), proto(after, **constants), Weights())

    @pytest.mark.parametrize(
        ("after", "difference"),
        [
            ("y = Mul(x, one)", None),
            ("y = Mul(x, c)", "output 'y' differs by up to "),
            ("z = Sub(x, x) y = Div(z, z)", "output 'y' has NaN or Inf where it had none, or the other way round"),
            ("y = Sub(x, x)", "output 'y' differs by up to "),
            ("y = Concat <axis = 0> (x, x)", "output 'y' is float32 [8, 3], was float32 [4, 3]"),
            ("y = Reshape(x, wrong)", "the result does not run ("),
            ("y = Nonsense(x)", "ONNX Runtime does not open the result ("),
        ],
    )
    def test_sees(self, after: str, difference: str | None) -> None:
        head = "g (float[4, 3] x) => (y) { "
        constants = {"c": np.float32(1.01), "one": np.float32(1), "wrong": np.int64([5, 5])}
        found = self.compare(f"{head} y = Identity(x) }}", f"{head} {after} }}", **constants)
        assert (found is None) == (difference is None)
        assert difference is None or str(found).startswith(difference)

    def test_sees_outputs_that_were_swapped(self) -> None:
        head = "g (float[4] x) => (float[4] a, float[4] b) { "
        assert self.compare(head + "a = Neg(x) b = Abs(x) }", head + "b = Neg(x) a = Abs(x) }") is not None

    def test_sees_an_axis_that_changed(self) -> None:
        head = "g (float[n, m] x) => (float[n, m] y) { y = Softmax "
        assert self.compare(head + "<axis = 0> (x) }", head + "<axis = 1> (x) }") is not None

    def test_integers_and_strings_are_compared_exactly(self) -> None:
        head = "g (float[4] x) => (int64[4] y) { i = Cast <to = 7> (x) y = Add(i, k) }"
        assert numerics.compare(proto(head, k=np.int64(1)), proto(head, k=np.int64(2)), Weights()) == (
            "output 'y' differs in 4 of 4 elements"
        )
        text = "g (string[2] x) => (string[k] y) { y = Concat <axis = 0> (x, x) }"
        assert self.compare(text, text) is None
