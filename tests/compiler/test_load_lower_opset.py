"""Operator sets above what a target's runtime reads: lowered exactly, or refused by the operator's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from support.graphs import weights
from support.numerics import assert_same, run
from support.protos import proto

from edgec.compiler.load import load_model
from edgec.compiler.loading import lower_opset as module
from edgec.errors import ModelError, OptionError

SCALE, BIAS = np.float32([1, -2, 3, 0.5]), np.float32([0, 1, -1, 2])

# Graph, its operator set, the newest allowed, constants, the note.
LOWERED: dict[str, tuple[str, int, int, dict[str, Any], str]] = {
    "the same operator": ("g (float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }", 27, 20, {}, "same"),
    "more types": ("g (float[2, 3] x) => (float[2, 3] y) { a = Sin(x) y = HardSwish(a) }", 23, 20, {}, "same"),
    "another text": (
        """g (float[1, 2, 6, 6] x) => (float[1, 3, 3, 3] y) {
            a = Conv <pads = [1, 1, 1, 1]> (x, w) y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
        }""",
        22,
        20,
        {"w": weights(3, 2, 3, 3)},
        "compared",
    ),
    "a newer default, spelled": (
        'g (float[2, 3] x) => (float[2, 3] y) { a = Cast <to = 6, round_mode = "up"> (x) y = Cast <to = 1> (a) }',
        24,
        20,
        {},
        "compared",
    ),
    "Swish by default": ("g (float[2, 3] x) => (float[2, 3] y) { y = Swish(x) }", 24, 22, {}, "Swish"),
    "Swish": ("g (float[2, 3] x) => (float[2, 3] y) { y = Swish <alpha = 1.5> (x) }", 24, 20, {}, "Swish"),
    "RMSNormalization": (
        "g (float[2, 4] x) => (float[2, 4] y) { y = RMSNormalization(x, s) }",
        23,
        20,
        {"s": SCALE},
        "RMSNormalization",
    ),
    "GroupNormalization, whose scale meant something else": (
        "g (float[2, 4, 5] x) => (float[2, 4, 5] y) { y = GroupNormalization <num_groups = 2> (x, s, b) }",
        21,
        20,
        {"s": SCALE, "b": BIAS},
        "GroupNormalization",
    ),
    "Attention": (
        "g (float[1, 2, 5, 8] x) => (float[1, 2, 5, 8] y) { y = Attention <is_causal = 1> (x, x, x) }",
        24,
        20,
        {},
        "Attention",
    ),
    "a body": (
        """g (bool c, float[1, 4] x) => (float[1, 4] y) {
            y = If(c) <then_branch = t () => (float[1, 4] a) { a = Swish(x) },
                       else_branch = e () => (float[1, 4] b) { b = Neg(x) }>
        }""",
        24,
        20,
        {},
        "Swish",
    ),
}


@pytest.mark.parametrize("name", LOWERED)
def test_lowered_models_compute_the_same(name: str) -> None:
    text, version, newest, constants, told = LOWERED[name]
    given = proto(text, opset=version, ir_version=10, **constants)
    kept = given.SerializeToString()
    loaded = load_model(given, max_opset=newest, max_ir_version=10)
    assert given.SerializeToString() == kept
    assert loaded.model.opset_imports[""] == newest
    assert loaded.model.ir_version <= 10
    note = {
        "same": f"operator set {version} → {newest}, by definitions that are the same",
        "compared": f"operator set {version} → {newest}, outputs compared",
    }.get(told, f"operator set {version} → {newest}, {told} written out, outputs compared")
    assert note in loaded.notes
    assert loaded.model.graph.outputs[0].name == "y"
    if version > 26:
        return  # nothing here opens the original
    session = __import__("onnxruntime").InferenceSession(given.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    for flag in (True, False):
        feeds: dict[str, np.ndarray] = {}
        for info in session.get_inputs():
            feeds[info.name] = (
                np.array(flag) if "bool" in info.type else rng.normal(0, 2, info.shape).astype(np.float32)
            )
        (wanted,) = session.run(None, feeds)
        assert_same({"y": wanted}, run(loaded.model, feeds), tolerance=1e-6)


def test_what_the_runtime_reads_is_left_alone() -> None:
    loaded = load_model(
        proto("g (float[2, 3] x) => (float[2, 3] y) { y = HardSwish(x) }", opset=22, ir_version=10), max_opset=22
    )
    assert (loaded.model.opset_imports[""], loaded.notes) == (22, ())


class TestRefused:
    def refusal(self, text: str, version: int, newest: int, **constants: np.ndarray) -> str:
        with pytest.raises(ModelError) as caught:
            load_model(proto(text, opset=version, ir_version=10, **constants), max_opset=newest)
        return str(caught.value)

    def test_an_operator_without_an_older_form(self) -> None:
        text = "g (float[3] x) => (float[3] y) { [product] y = CumProd(x, a) }"
        assert self.refusal(text, 26, 20, a=np.int64(0)) == (
            "<ModelProto>: uses operator set 26, the newest this target runs is 20: node 'product' (CumProd) came with "
            "26. Export the model with opset_version=20 or lower."
        )

    def test_an_attribute_that_says_more(self) -> None:
        text = 'g (float[3] x) => (float8e8m0[3] y) { y = Cast <to = 24, round_mode = "down"> (x) }'
        assert self.refusal(text, 24, 20) == (
            "<ModelProto>: uses operator set 24, the newest this target runs is 20: node 'y' (Cast) sets 'round_mode', "
            "which came with 24. Export the model with opset_version=20 or lower."
        )

    def test_an_operand_that_came_later(self) -> None:
        text = "g (float[2, 3] x) => (float[2, 3] y) { y = Celu(x) z = Pad(x, p, , a) }"
        model = proto(text, opset=18, p=np.int64([0, 0]), a=np.int64([1]))
        pad = model.graph.node[1]
        assert module._fit(pad, 18, 17) == "has operands that came with 18"

    def test_what_cannot_be_compared(self) -> None:
        text = "g (float[2, 4] x) => (float[2, 4] y) { y = SwiGLU(x, x) }"
        assert self.refusal(text, 28, 26) == (
            "<ModelProto>: was lowered from operator set 28 to 26, but that cannot be checked: ONNX Runtime opens "
            "operator set 26 at most. Export the model with opset_version=26 or lower."
        )

    def test_the_outputs_change(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "compare", lambda *_: "output 'y' differs by up to 1, its largest value is 2")
        text = "g (float[2, 3] x) => (float[2, 3] y) { y = Swish(x) }"
        assert self.refusal(text, 24, 20) == (
            "<ModelProto>: changes its outputs when lowered from operator set 24 to 20: output 'y' differs by up to 1, "
            "its largest value is 2. Export the model with opset_version=20 or lower."
        )


def test_a_scheme_whose_types_the_target_does_not_read() -> None:
    from edgec.compiler.compile import compile

    with pytest.raises(OptionError) as caught:
        compile(proto("g (float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }"), target="pixel-8", scheme="w4")
    assert str(caught.value) == (
        "--scheme w4: needs the types of operator set 21, and target pixel-8 runs 20 at most. Choose a8w8, d8w8 or w8."
    )


def test_every_operator_of_the_default_domain_is_told_apart() -> None:
    """A later text of an operator is never taken for the same: what changed is compared, or written out."""
    changed = {
        schema.name
        for schema in onnx.defs.get_all_schemas()
        if schema.domain == ""
        and schema.since_version > 20
        and not module._means_the_same(onnx.helper.make_node(schema.name, [], []), 28, 20)
    }
    assert {"GroupNormalization", "Cast", "QuantizeLinear", "Mod", "Swish"} <= changed
    assert not {"Conv", "Reshape", "LSTM", "HardSwish"} & changed
