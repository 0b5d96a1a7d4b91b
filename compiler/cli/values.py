"""What users write in options, as values; an error says how to write it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from ...errors import OptionError

__all__ = ["ALIASES", "dynamic", "op_types", "pairs", "regexes", "scheme", "shapes", "state"]

# The names other tools of this ecosystem use, in ours.
ALIASES = {
    "int8": "a8w8",
    "w8a8": "a8w8",
    "a8w8": "a8w8",
    "static": "a8w8",
    "w4a8": "a8w4",
    "a8w4": "a8w4",
    "int16": "a16w8",
    "a16w8": "a16w8",
    "a16w4": "a16w4",
    "a6w6": "a6w6",
    "a5w5": "a5w5",
    "a4w8": "a4w8",
    "w8a4": "a4w8",
    "a4w4": "a4w4",
    "w4a4": "a4w4",
    "a3w3": "a3w3",
    "a2w2": "a2w2",
    "dynamic": "d8w8",
    "int8-dynamic": "d8w8",
    "d8w8": "d8w8",
    "w8": "w8",
    "w8a16": "w8",
    "int8-weight-only": "w8",
    "w4": "w4",
    "w4a16": "w4",
    "int4": "w4",
    "int4-weight-only": "w4",
    "w3": "w3",
    "w3a16": "w3",
    "int3": "w3",
    "w2": "w2",
    "w2a16": "w2",
    "int2": "w2",
    "nf4": "nf4",
    "fp4": "fp4",
    "w2e8": "w2e8",
    "e8p": "w2e8",
    "w2h": "w2h",
    "w8f": "w8f",
    "fp8-weight-only": "w8f",
    "fp8": "fp8",
    "float8": "fp8",
    "fp16": "fp16",
    "float16": "fp16",
    "half": "fp16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "float": "float",
    "fp32": "float",
    "float32": "float",
    "auto": "auto",
}
_NOT_YET = ("uint4", "mxfp4")


def scheme(text: str) -> str:
    """Our name of a scheme or precision.

    Raises:
        OptionError: It is none of ours.
    """
    name = text.lower().replace("_", "-")
    if name in ALIASES:
        return ALIASES[name]
    problem = "is not built in this edgec" if name in _NOT_YET else "is unknown"
    near = difflib.get_close_matches(name, ALIASES, n=1)
    raise OptionError(
        f"--scheme {text}",
        problem + (f", did you mean {near[0]!r}?" if near and name not in _NOT_YET else ""),
        remedy="Choose one of auto, a8w8 (int8), a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, a2w2, "
        "d8w8 (dynamic int8), w8, w4, w3, w2, nf4, fp4, w2e8, w2h, w8f (weights only), fp8, fp16, bf16, float (fp32)",
    )


def shapes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """`input=1,3,224,224` or `input=1x3x224x224` by input name.

    Raises:
        OptionError: One cannot be read, or an input is named twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        words = re.split(r"[,x]", dims.strip().strip("[]()"))
        if not equals or not name or not all(re.fullmatch(r"\s*[1-9]\d*\s*", word) for word in words):
            raise OptionError(
                f"--shape {text}",
                "is not NAME=D,D,... with whole numbers above 0",
                remedy="Write it like --shape input=1,3,224,224",
            )
        if name in found:
            raise OptionError(f"--shape {text}", f"names {name!r} a second time", remedy="Give one shape per input")
        found[name] = tuple(int(word) for word in words)
    return found


def dynamic(texts: Iterable[str]) -> dict[str, tuple[str | int, ...]]:
    """`image=batch,3,height,width` by input name: names as text, sizes as numbers.

    Raises:
        OptionError: One cannot be read, or an input is named twice.
    """
    from ..sources.torch.words import dims_of

    found: dict[str, tuple[str | int, ...]] = {}
    for text in texts:
        name, _, dims = text.partition("=")
        if name in found:
            raise OptionError(f"--dynamic {text}", f"names {name!r} a second time", remedy="Give each input once")
        try:
            if not name:
                raise ValueError("no input is named")
            found[name] = dims_of(dims)
        except ValueError as error:
            raise OptionError(
                f"--dynamic {text}",
                "is not NAME=D,D,... with names of dimensions and whole numbers above 0",
                remedy="Write it like --dynamic image=batch,3,height,width",
            ) from error
    return found


def state(texts: Iterable[str]) -> dict[str, str]:
    """`input=output` pairs: which output is fed back as which input.

    Raises:
        OptionError: One cannot be read, or an input is named twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, output = text.partition("=")
        if not name or not output:
            raise OptionError(
                f"--state {text}", "is not INPUT=OUTPUT", remedy="Write it like --state state=stateN, once per pair"
            )
        if name in found:
            raise OptionError(f"--state {text}", f"names {name!r} a second time", remedy="Feed each input once")
        found[name] = output
    return found


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """`left=right` pairs, as the help of an option names both.

    Raises:
        OptionError: One cannot be read, or its left side is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        left, _, right = text.partition("=")
        if not left or not right:
            raise OptionError(f"{option} {text}", "has nothing on a side of `=`", remedy=f"Write {option} LEFT=RIGHT")
        if left in found:
            raise OptionError(f"{option} {text}", f"gives {left!r} a second time", remedy="Give each once")
        found[left] = right
    return found


def regexes(option: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns, each of them valid.

    Raises:
        OptionError: One is not a regular expression.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise OptionError(
                f"{option} {pattern}",
                f"is not a regular expression: {error}",
                remedy="Escape special characters with a backslash",
            ) from error
    return tuple(patterns)


def op_types(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Operator types, given one by one or with commas, each of them one of ONNX.

    Raises:
        OptionError: One is not.
    """
    import onnx

    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if not onnx.defs.has(name):
            known = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
            near = difflib.get_close_matches(name, known, n=1) or [
                each for each in known if each.lower() == name.lower()
            ]
            raise OptionError(
                f"{option} {name}",
                "is not an ONNX operator" + (f", did you mean {near[0]!r}?" if near else ""),
                remedy="Write operator types as the model has them; `edgec inspect MODEL` lists them",
            )
    return tuple(names)
