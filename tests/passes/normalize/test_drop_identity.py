from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.normalize.drop_identity import DropIdentity


def test_inside() -> None:
    rewrites(
        DropIdentity(),
        model("g (float[N,4] x) => (float[N,4] y) { a = Identity(x) \n b = Identity(a) \n y = Relu(b) }"),
        "y = Relu(x)",
    )


def test_to_an_output_the_value_takes_the_public_name() -> None:
    rewrites(
        DropIdentity(),
        model("g (float[N,4] x) => (float[N,4] y, float[N,4] z) { a = Relu(x) \n y = Identity(a) \n z = Tanh(a) }"),
        """
        y = Relu(x)
        z = Tanh(y)
        """,
    )


def test_the_first_of_two_public_names_wins_the_other_keeps_its_identity() -> None:
    rewrites(
        DropIdentity(),
        model("g (float[N,4] x) => (float[N,4] y, float[N,4] z) { a = Relu(x) \n y = Identity(a) \n z = Identity(a) }"),
        """
        y = Relu(x)
        z = Identity(y)
        """,
    )


def test_dropout() -> None:
    rewrites(
        DropIdentity(),
        model(
            "g (float[N,4] x) => (float[N,4] y) { a, m = Dropout(x, ratio, no) \n y = Relu(a) }",
            ratio=np.array(0.5, np.float32),
            no=np.array(False),
        ),
        "y = Relu(x)",
    )


def test_read_by_a_body() -> None:
    rewrites(
        DropIdentity(),
        model(
            """g (float[N,4] x, bool c) => (float[N,4] y) {
                a = Identity(x)
                y = If(c) <
                    then_branch = t () => (float[N,4] u) { u = Neg(a) },
                    else_branch = e () => (float[N,4] v) { v = Abs(a) }
                >
            }""",
        ),
        "y = If<else_branch={v = Abs}, then_branch={u = Neg}>(c)",
    )


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,4] x) => (float[N,4] y) { y = Identity(x) }",
        "g (float[N,4] x) => (float[N,4] a, float[N,4] y) { a = Relu(x) \n y = Identity(a) }",
        "g (float[N,4] x) => (float[N,4] y, bool[N,4] m) { y, m = Dropout(x) }",
        "g (float[N,4] x, bool on) => (float[N,4] y) { a = Dropout(x, ratio, on) \n y = Relu(a) }",
    ],
    ids=["an input", "an output", "a public mask", "the caller decides"],
)
def test_it_stays(text: str) -> None:
    constants = {"ratio": np.array(0.5, np.float32), "on": np.array(False)} if "ratio" in text else {}
    leaves_alone(DropIdentity(), model(text, **constants))


def test_of_an_initializer_to_an_output() -> None:
    """Both names are promised: the initializer is no node's result, and has a name of its own."""
    leaves_alone(
        DropIdentity(),
        model(
            "g (float[4] x) => (float[4] y, float[4] z) { y = Add(x, w) \n z = Identity(w) }", w=np.ones(4, np.float32)
        ),
    )


def test_training_dropout() -> None:
    leaves_alone(
        DropIdentity(),
        model(
            "g (float[N,4] x) => (float[N,4] y) { y0 = Relu(x) \n y = Dropout(y0, ratio, on) }",
            ratio=np.array(0.0, np.float32),
            on=np.array(True),
        ),
    )
