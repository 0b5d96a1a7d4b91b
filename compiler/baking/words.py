"""What users write of a model's ends: `--input`, `--postprocess`, `[model.inputs]`, `[model.outputs]`.

========================================================= =====================================================
written                                                   means
========================================================= =====================================================
`image:uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,...`   input `image` takes bytes [N, H, W, C]
`image:uint8,nhwc,bgr,frame=480x640`                      bytes of a camera that gives BGR, 480 rows, 640 columns
`logits:softmax`                                          the answer is probabilities
`logits:argmax`                                           the answer is the index of the largest
`logits:softmax,topk=5`                                   the five largest, and in `logits_indices` which they are
`embedding:int8`, `embedding:binary`                      the answer is the embedding in bytes, or in bits
`embedding:product=4`                                     a byte for four numbers, by centers of calibration samples
========================================================= =====================================================

A word that is a number goes on with the list before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from ...errors import InputError, OptionError
from ...targets.strict import from_table
from .spec import BakedInput, BakedOutput

__all__ = ["baked_inputs", "baked_outputs", "read_input", "read_inputs", "read_output", "read_outputs"]

T = TypeVar("T")

_WORDS: Mapping[str, tuple[str, str]] = {
    **{word: ("dtype", word) for word in ("uint8", "float32")},
    **{word: ("layout", word) for word in ("nhwc", "nchw")},
    **{word: ("channels", word) for word in ("rgb", "bgr", "gray")},
}
_INPUT = "Write it like --input image:uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225"
_OUTPUT = "Write it like --postprocess logits:softmax, logits:argmax, logits:topk=5 or embedding:int8"


def read_input(text: str) -> tuple[str, BakedInput]:
    """The input and what is baked before it, as `--input` writes them.

    Raises:
        OptionError: A word cannot be read, or a value is refused.
    """
    name, words = _parted("--input", text, _INPUT)
    table: dict[str, Any] = {}
    last = ""
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            if key in table:
                raise OptionError(f"--input {text}", f"says {key} twice", remedy=_INPUT)
            last = key
            table[key] = [_number("--input", text, value)] if key in ("mean", "std") else value
        elif word in _WORDS:
            last, said = _WORDS[word]
            if last in table:
                raise OptionError(f"--input {text}", f"says {last} twice", remedy=_INPUT)
            table[last] = said
        elif last in ("mean", "std"):
            table[last].append(_number("--input", text, word))
        else:
            raise OptionError(f"--input {text}", f"{word!r} is no word of it", remedy=_INPUT)
    if "scale" in table:
        table["scale"] = _number("--input", text, table["scale"])
    if "frame" in table:
        sides = str(table["frame"]).split("x")
        if len(sides) != 2 or not all(side.isdecimal() for side in sides):
            raise OptionError(f"--input {text}", f"frame {table['frame']!r} is no HxW", remedy=_INPUT)
        table["frame"] = [int(side) for side in sides]
    return name, from_table(BakedInput, table, where=f"--input {name}", error=OptionError)


def read_output(text: str) -> tuple[str, BakedOutput]:
    """The output and what is baked behind it, as `--postprocess` writes them.

    Raises:
        OptionError: A word cannot be read, or a value is refused.
    """
    name, words = _parted("--postprocess", text, _OUTPUT)
    table: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        number = value.removeprefix("-")
        if key in ("topk", "axis") and equals and number.isdecimal():
            table[key] = int(value)
        elif key in ("int8", "binary") and not equals and "code" not in table:
            table["code"] = key
        elif key == "product" and equals and value.isdecimal() and "code" not in table:
            table |= {"code": key, "part": int(value)}
        elif key in ("softmax", "argmax") and not equals:
            table[key] = True
        else:
            raise OptionError(f"--postprocess {text}", f"{word!r} is no word of it", remedy=_OUTPUT)
    return name, from_table(BakedOutput, table, where=f"--postprocess {name}", error=OptionError)


def baked_inputs(texts: Iterable[str]) -> dict[str, BakedInput]:
    """All of `--input`.

    Raises:
        OptionError: One cannot be read, or an input is named twice.
    """
    return _once("--input", map(read_input, texts), _INPUT)


def baked_outputs(texts: Iterable[str]) -> dict[str, BakedOutput]:
    """All of `--postprocess`.

    Raises:
        OptionError: One cannot be read, or an output is named twice.
    """
    return _once("--postprocess", map(read_output, texts), _OUTPUT)


def read_inputs(tables: Mapping[str, Any], where: str, path: str, error: type[InputError]) -> dict[str, BakedInput]:
    """`[model.inputs]` of a project file, or `inputs` under `baked` of a manifest; `scale` may be text such as "1/255".

    Raises:
        InputError: Of the class `error`: a key is unknown or a value is refused; names the key.
    """
    found = {}
    for name, table in tables.items():
        values = dict(_table(table, where, f"{path}.{name}", error))
        for key in ("mean", "std"):
            if isinstance(values.get(key), int | float):
                values[key] = [values[key]]
        if isinstance(text := values.get("scale"), str):
            try:
                values["scale"] = float(Fraction(text))
            except (ValueError, ZeroDivisionError):
                remedy = 'Write it like scale = "1/255"'
                raise error(f"{where}: {path}.{name}.scale", f"{text!r} is no number", remedy=remedy) from None
        values = {key: value for key, value in values.items() if value is not None}
        found[name] = from_table(BakedInput, values, where=where, path=f"{path}.{name}", error=error)
    return found


def read_outputs(tables: Mapping[str, Any], where: str, path: str, error: type[InputError]) -> dict[str, BakedOutput]:
    """`[model.outputs]` of a project file, or `outputs` under `baked` of a manifest.

    Raises:
        InputError: Of the class `error`: a key is unknown or a value is refused; names the key.
    """
    found = {}
    for name, table in tables.items():
        said = _table(table, where, f"{path}.{name}", error)
        values = {key: value for key, value in said.items() if value is not None}
        found[name] = from_table(BakedOutput, values, where=where, path=f"{path}.{name}", error=error)
    return found


def _once(option: str, found: Iterable[tuple[str, T]], remedy: str) -> dict[str, T]:
    named: dict[str, T] = {}
    for name, spec in found:
        if name in named:
            raise OptionError(f"{option} {name}", "is given twice", remedy=remedy)
        named[name] = spec
    return named


def _table(table: object, where: str, path: str, error: type[InputError]) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise error(f"{where}: {path}", "is not a table", remedy=f"Write it under [{path}]")
    return table


def _parted(option: str, text: str, remedy: str) -> tuple[str, list[str]]:
    name, colon, rest = text.rpartition(":")
    words = [word.strip() for word in rest.split(",")]
    if not colon or not name or not all(words):
        raise OptionError(f"{option} {text}", "is not NAME:WORD,WORD,...", remedy=remedy)
    return name, words


def _number(option: str, text: str, number: str) -> float:
    try:
        return float(Fraction(number.strip()))
    except (ValueError, ZeroDivisionError):
        remedy = _INPUT if option == "--input" else _OUTPUT
        raise OptionError(f"{option} {text}", f"{number!r} is no number", remedy=remedy) from None
