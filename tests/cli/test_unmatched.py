"""Options that meet nothing in a model are told, once, and not where a later run meets something."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.compiler.cli.unmatched import Unmatched
from edgec.compiler.pipeline import run_passes
from edgec.compiler.request import CompileRequest
from edgec.passes.base import Pass
from edgec.passes.codebook.product_tables import ProductTables
from edgec.passes.rewrite.activation_aware import ActivationAware
from edgec.passes.rewrite.rotate import RotateHidden
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.long_inputs import LongInputs
from edgec.passes.weight_only.pack_products import PackProducts
from edgec.passes.weight_only.round_blocks import RoundBlocks


def dense() -> ir.Model:
    """One matrix, whose product ends in an output: a head."""
    return model("g (float[N,T,64] x) => (float[N,T,32] y) { y = MatMul(x, w) }", opset=21, w=weights(64, 32))


def told(*passes: Pass, **request: Any) -> list[str]:
    watcher = Unmatched(request=CompileRequest(model="model.onnx", **request))
    run_passes(dense(), passes, measure=lambda model, needs: None, observers=(watcher,))
    return watcher.found


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (RotateHidden(), "--rotate: the model has no hidden state and no heads that can be rotated"),
        (ProductTables(length=4), "--product-tables: the model has no table to store so"),
        (ActivationAware(exclude_ops=("MatMul",)), "--awq: no inputs of matrices could be scaled"),
        (
            LongInputs(),
            "--long-inputs: nothing is multiplied by constants in blocks and by a number of rows that may change",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Pass) else "",
)
def test_a_pass_with_nothing_to_do_is_told_once(each: Pass, words: str) -> None:
    assert told(each, each) == [words]


def test_what_found_something_is_not_told() -> None:
    decide = DecideStorage(block_size=32)
    # The first finds no blocks yet, as in a search that tries another form first; the last finds its work done.
    assert told(LongInputs(), decide, RoundBlocks(), PackProducts(always=True), LongInputs(), LongInputs()) == []


def test_roles_that_are_not_there() -> None:
    decide = DecideStorage(keep=("lm_head=int8", "attention=int8", "conv=float"))
    assert told(decide, decide) == [
        "--keep attention: the model has no weight of that role",
        "--keep conv: the model has no weight of that role",
    ]
    assert told(DecideStorage(keep=("lm_head=int8",))) == []
