from __future__ import annotations

import onnx_ir as ir
from support.graphs import model
from support.state import snapshot

from edgec.passes.lower.stamp import Stamp

STAMP = Stamp(target="my-board", scheme="a8w8", max_ir_version=10)


def relu(ir_version: int = 8, **metadata: str) -> ir.Model:
    made = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    made.ir_version = ir_version
    made.metadata_props.update(metadata)
    return made


def test_it_says_target_and_scheme_and_keeps_the_user_s_metadata() -> None:
    made = relu(author="someone")
    assert STAMP(made).modified
    assert dict(made.metadata_props) == {"author": "someone", "edgec.target": "my-board", "edgec.scheme": "a8w8"}
    state = snapshot(made)
    assert not STAMP(made).modified
    assert snapshot(made) == state


def test_a_newer_ir_version_comes_down_an_older_one_stays() -> None:
    newer, older = relu(ir_version=13), relu(ir_version=8)
    STAMP(newer)
    STAMP(older)
    assert (newer.ir_version, older.ir_version) == (10, 8)


def test_the_default_domain_has_one_name() -> None:
    made = relu()
    made.graph.opset_imports["ai.onnx"] = made.graph.opset_imports.pop("")
    assert STAMP(made).modified
    assert dict(made.graph.opset_imports) == {"": 17}
