from __future__ import annotations

import numpy as np
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.normalize.remove_unused import RemoveUnused


def test_nodes_and_initializers_that_reach_no_output() -> None:
    after = rewrites(
        RemoveUnused(),
        model(
            "g (float[N,4] x, float[3] unread) => (float[N,4] y) { y = Add(x, w) \n d = Mul(x, k) \n e = Relu(d) }",
            w=weights(4),
            k=weights(4),
            unread0=weights(2),
        ),
        "y = Add(x, w)",
    )
    assert list(after.graph.initializers) == ["w"]
    assert [value.name for value in after.graph.inputs] == ["x", "unread"]


def test_trailing_optional_operands_are_a_change_too() -> None:
    rewrites(
        RemoveUnused(),
        model(
            'g (float[N,4,4,4] x) => (float[N,4,4,4] y) { a = Conv(x, w, "") \n y = Clip(a, low, "") }',
            w=weights(4, 4, 1, 1),
            low=np.array(0, np.float32),
        ),
        """
        a = Conv(x, w)
        y = Clip(a, low)
        """,
    )


def test_optional_results_nobody_reads_are_a_change_too() -> None:
    rewrites(
        RemoveUnused(),
        model("g (float[N,4] x) => (float[N,4] y) { y, mask = Dropout(x) }"),
        "y = Dropout(x)",
    )


def test_what_only_a_body_reads_stays() -> None:
    leaves_alone(
        RemoveUnused(),
        model(
            """g (float[N,4] x, bool c) => (float[N,4] y) {
                a = Relu(x)
                y = If(c) <
                    then_branch = t () => (float[N,4] u) { u = Add(a, w) },
                    else_branch = e () => (float[N,4] v) { v = Neg(a) }
                >
            }""",
            w=weights(4),
        ),
    )


def test_defaults_of_inputs_stay() -> None:
    after = leaves_alone(
        RemoveUnused(), model("g (float[N,4] x, float[4] k) => (float[N,4] y) { y = Relu(x) }", k=weights(4))
    )
    assert list(after.graph.initializers) == ["k"]
