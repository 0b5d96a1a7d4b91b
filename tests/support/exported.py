"""A decoder as an exporter writes it: rotations of slices, repeated keys, a mask of comparisons; no torch is needed."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .graphs import model, weights

__all__ = ["CONTEXT", "VOCABULARY", "exported"]

HEADS, SHARED, SIZE, LAYERS = 4, 2, 16, 2
CONTEXT, VOCABULARY = 32, 64
WIDE, NARROW = HEADS * SIZE, SHARED * SIZE


def exported(*, cached: bool = False, layer: str = "", table: str = "constant") -> ir.Model:
    """The decoder.

    Args:
        cached: It has caches, which grow by a Concat.
        layer: Nodes in place of the last residual sum, `x{k}` of `x{k-1}` and `d{k}`.
        table: Cosines of a `constant`, or of positions that are `computed`, or `stretched` by how many there are.
    """
    body = [_ROWS[cached], _MASK, _TABLES[table], "x0 = Gather(table, tokens)"]
    for index in range(LAYERS):
        text = (_LAYER + (_GROWN if cached else _PLAIN) + _ATTEND + (layer or "x@ = Add(o@, d@)")).replace(
            "#", str(index)
        )
        body.append(text.replace("@", str(index + 1)))
    body.append(f"scores = MatMul(x{LAYERS}, head)")
    inputs, outputs = ["int64[B,T] tokens"], [f"float[B,T,{VOCABULARY}] scores"]
    if cached:
        for index in range(LAYERS):
            inputs += [f"float[B,{SHARED},P,{SIZE}] k_{index}", f"float[B,{SHARED},P,{SIZE}] v_{index}"]
            outputs += [f"float[B,{SHARED},N,{SIZE}] kk{index}", f"float[B,{SHARED},N,{SIZE}] vv{index}"]
    text = "\n".join(body)
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    constants = {name: value for name, value in _constants().items() if name in words}
    return model(f"g ({', '.join(inputs)}) => ({', '.join(outputs)}) {{ {text} }}", opset=18, **constants)


def _constants() -> dict[str, np.ndarray]:
    angles = np.outer(np.arange(CONTEXT), 100.0 ** -(np.arange(SIZE // 2) / (SIZE // 2)))
    made = {
        "table": weights(VOCABULARY, WIDE, seed=1), "head": weights(WIDE, VOCABULARY, seed=2, scale=0.2),
        "cosines": np.cos(angles).astype(np.float32), "sines": np.sin(angles).astype(np.float32),
        "frequencies": angles[1].astype(np.float32), "scale": np.float32(SIZE**-0.5), "low": np.float32(-1e9),
        "nothing": np.float32(0), "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]),
        "zero_": np.array(0),
        "one_": np.array(1), "last": np.array([-1]), "halves": np.array([SIZE // 2] * 2), "token_axis": np.array([1]),
        "heads": np.array([0, 0, HEADS, SIZE]), "shared": np.array([0, 0, SHARED, SIZE]),
        "joined": np.array([0, 0, WIDE]), "twice": np.array([1, 1, HEADS // SHARED, 1, 1]),
        "all_heads": np.array([0, HEADS, -1, SIZE]),
    }  # fmt: skip
    for index in range(LAYERS):
        made |= {
            f"wq{index}": weights(WIDE, WIDE, seed=10 + index, scale=0.2),
            f"wk{index}": weights(WIDE, NARROW, seed=20 + index, scale=0.2),
            f"wv{index}": weights(WIDE, NARROW, seed=30 + index, scale=0.2),
            f"wo{index}": weights(WIDE, WIDE, seed=40 + index, scale=0.2),
            f"wd{index}": weights(WIDE, WIDE, seed=50 + index, scale=0.2),
        }
    return made


_NEW = "t1 = Shape <start: int = 1, end: int = 2> (tokens) \n t = Squeeze(t1)"
_ROWS = {
    False: f"{_NEW} \n begin1 = Identity(zero) \n begin = Squeeze(begin1) \n end = Identity(t)",
    True: (
        f"{_NEW} \n begin1 = Shape <start: int = 2, end: int = 3> (k_0) \n begin = Squeeze(begin1)"
        " \n end = Add(t, begin)"
    ),
}
_MASK = (
    "new = Range(begin, end, one_) \n all = Range(zero_, end, one_) \n rows = Unsqueeze(new, one)"
    " \n columns = Unsqueeze(all, zero) \n later = Greater(columns, rows) \n mask = Where(later, low, nothing)"
)
_COMPUTED = (
    "newf = Cast <to = 1> (new) \n place = Unsqueeze(newf, one) \n angle = Mul(place, frequencies)"
    " \n c = Cos(angle) \n n = Sin(angle)"
)
_TABLES = {
    "constant": (
        "end1 = Unsqueeze(end, zero) \n c = Slice(cosines, begin1, end1, zero) \n n = Slice(sines, begin1, end1, zero)"
    ),
    "computed": _COMPUTED,
    "stretched": _COMPUTED.replace("Unsqueeze(newf, one)", "Unsqueeze(part, one)").replace(
        "\n place", "\n much = Cast <to = 1> (end) \n part = Div(newf, much) \n place"
    ),
}


def _turned(letter: str) -> str:
    text = (
        "?a#, ?b# = Split <axis = -1> (?h#, halves) \n ?c# = Mul(?a#, c) \n ?d# = Mul(?b#, n) \n ?e# = Mul(?b#, c)"
        " \n ?f# = Mul(?a#, n) \n ?i# = Sub(?c#, ?d#) \n ?j# = Add(?e#, ?f#) \n ?t# = Concat <axis = -1> (?i#, ?j#)"
    )
    return text.replace("?", letter)


_LAYER = (
    "q3# = MatMul(x#, wq#) \n k3# = MatMul(x#, wk#) \n v3# = MatMul(x#, wv#)"
    " \n q4# = Reshape(q3#, heads) \n k4# = Reshape(k3#, shared) \n v4# = Reshape(v3#, shared)"
    " \n qh# = Transpose <perm = [0, 2, 1, 3]> (q4#) \n kh# = Transpose <perm = [0, 2, 1, 3]> (k4#)"
    f" \n vh# = Transpose <perm = [0, 2, 1, 3]> (v4#) \n {_turned('q')} \n {_turned('k')} \n "
)
_PLAIN = "kk# = Identity(kt#) \n vv# = Identity(vh#) \n "
_GROWN = "kk# = Concat <axis = 2> (k_#, kt#) \n vv# = Concat <axis = 2> (v_#, vh#) \n "
_ATTEND = (
    "k5# = Unsqueeze(kk#, two) \n k6# = Expand(k5#, twice) \n k7# = Reshape(k6#, all_heads)"
    " \n v5# = Unsqueeze(vv#, two) \n v6# = Expand(v5#, twice) \n v7# = Reshape(v6#, all_heads)"
    " \n k8# = Transpose <perm = [0, 1, 3, 2]> (k7#) \n s# = MatMul(qt#, k8#) \n m# = Mul(s#, scale)"
    " \n a# = Add(m#, mask) \n p# = Softmax <axis = -1> (a#) \n w# = MatMul(p#, v7#)"
    " \n y# = Transpose <perm = [0, 2, 1, 3]> (w#) \n z# = Reshape(y#, joined) \n u# = MatMul(z#, wo#)"
    " \n o@ = Add(x#, u#) \n g@ = MatMul(o@, wd#) \n d@ = Tanh(g@) \n "
)
