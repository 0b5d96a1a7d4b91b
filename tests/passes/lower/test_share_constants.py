from __future__ import annotations

import numpy as np
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.share_constants import ShareConstants


def test_equal_constants_become_the_first_of_them_in_bodies_too() -> None:
    source = model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = Add(x, k)
            b = Mul(a, l)
            y = If(c) <
                then_branch = t () => (float[N,4] u) { u = Add(b, m) },
                else_branch = e () => (float[N,4] v) { v = Sub(b, o) }
            >
        }""",
        k=weights(4),
        l=weights(4),
        m=weights(4),
        o=-weights(4),
    )
    rewrites(
        ShareConstants(),
        source,
        "a = Add(x, k)\nb = Mul(a, k)\ny = If<else_branch={v = Sub}, then_branch={u = Add}>(c)",
        tolerance=0,
    )
    assert list(source.graph.initializers) == ["k", "o"]


def test_what_differs_stays() -> None:
    text = "g (float[N,4] x) => (float[N,4] y) { a = Add(x, k) \n y = Add(a, l) }"
    zero = np.zeros(4, np.float32)
    for other in (weights(4), np.zeros((1, 4), np.float32), -zero):
        leaves_alone(ShareConstants(), model(text, k=zero, l=other))
    leaves_alone(ShareConstants(largest=15), model(text, k=zero, l=zero))


def test_same_bytes_of_another_type_stay() -> None:
    text = "g (float[4] x) => (float[4] y) { a = Cast<to=1>(k) \n b = Add(x, a) \n y = Add(b, l) }"
    leaves_alone(ShareConstants(), model(text, k=np.zeros(4, np.int32), l=np.zeros(4, np.float32)))


def test_public_and_replaceable_ones_stay() -> None:
    text = "g (float[N,4] x, float[4] k) => (float[N,4] y, float[4] l) { y = Add(x, k) }"
    leaves_alone(ShareConstants(), model(text, k=weights(4), l=weights(4)))
