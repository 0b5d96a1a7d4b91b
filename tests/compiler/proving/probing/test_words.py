from __future__ import annotations

import pytest

from edgec.compiler.proving.probing.words import left_by_default


@pytest.mark.parametrize("op", ["QuantizeLinear", "DequantizeLinear"])
def test_what_qnn_leaves_outside_of_its_graph(op: str) -> None:
    assert left_by_default(op, "QNNExecutionProvider") == (
        "left to the CPU at the graph's inputs and outputs, its default (offload_graph_io_quantization)"
    )
    assert left_by_default(op, "XnnpackExecutionProvider") == ""


def test_what_multiplies_is_tried() -> None:
    assert left_by_default("Conv", "QNNExecutionProvider") == ""
