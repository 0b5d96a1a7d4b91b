"""Every way a table can be wrong ends in one sentence that names the place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from edgec.errors import ContractError, InputError, TargetError
from edgec.passes.spec import Fixed, Given, PerAxis, PerBlock, PerTensor, QuantSpec, Shared
from edgec.targets.spec import OpRule
from edgec.targets.strict import from_table, read_toml


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    name: str
    rules: tuple[OpRule, ...] = ()
    mode: Literal["fast", "small"] = "fast"
    clock: float = 1.0
    cores: int | None = None
    size: tuple[int, int] = (0, 0)
    limits: Mapping[str, int] = field(default_factory=dict)
    file: Path | None = None
    on: bool = False


def board(text: str) -> Board:
    return from_table(Board, tomllib.loads('name = "b"\n' + text), where="my-board.toml")


def refusal(text: str) -> str:
    with pytest.raises(TargetError) as caught:
        board(text)
    return str(caught.value)


RULE = """
[[rules]]
ops = ["Conv"]
role = "compute"
inputs = { dtype = "uint8", symmetric = false }
weights = { dtype = "int8", symmetric = true, granularity = %s }
outputs = %s
"""
U8 = QuantSpec(dtype="uint8", symmetric=False)
GIVEN = '{ given = { dtype = "uint8", symmetric = false } }'


def test_every_kind_of_value():
    read = board('mode = "small"\nclock = 2\ncores = 4\nsize = [1, 2]\nlimits = { a = 1 }\nfile = "x/y.bin"\non = true')
    assert read == Board(
        name="b", mode="small", clock=2.0, cores=4, size=(1, 2), limits={"a": 1}, file=Path("x/y.bin"), on=True
    )
    assert type(read.clock) is float


def test_defaults_and_optional_fields_may_be_left_out():
    assert board("") == Board(name="b")
    rule = board('[[rules]]\nops = ["Relu"]\nrole = "follow"\noutputs = { shared = 0 }').rules[0]
    assert rule.inputs is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"per_tensor"', PerTensor()),
        ("{ per_tensor = {} }", PerTensor()),
        ("{ per_axis = 0 }", PerAxis(axis=0)),
        ("{ per_axis = { axis = 1 } }", PerAxis(axis=1)),
        ("{ per_block = { axis = 0, size = 32 } }", PerBlock(axis=0, size=32)),
    ],
)
def test_granularities(text, value):
    weights = board(RULE % (text, GIVEN)).rules[0].weights
    assert weights is not None
    assert weights.granularity == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (GIVEN, Given(U8)),
        ('{ given = { spec = { dtype = "uint8", symmetric = false } } }', Given(U8)),
        ("{ shared = 0 }", Shared(with_=0)),
        ('{ shared = { with = "x" } }', Shared(with_="x")),
        (
            '{ fixed = { spec = { dtype = "uint8", symmetric = false }, scale = 0.00390625, zero_point = 0 } }',
            Fixed(spec=U8, scale=1 / 256, zero_point=0),
        ),
    ],
)
def test_sources(text, value):
    assert board(RULE % ('"per_tensor"', text)).rules[0].outputs == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'mood = "fast"',
            "my-board.toml: mood: unknown key, did you mean 'mode'? "
            "Keys here: name, rules, mode, clock, cores, size, limits, file, on.",
        ),
        (
            '"an odd key" = 1',
            'my-board.toml: "an odd key": unknown key. '
            "Keys here: name, rules, mode, clock, cores, size, limits, file, on.",
        ),
        ('cores = "4"', "my-board.toml: cores: is a string, an integer is needed. Write an integer."),
        ("cores = true", "my-board.toml: cores: is true or false, an integer is needed. Write an integer."),
        ("cores = 1.5", "my-board.toml: cores: is a number, an integer is needed. Write an integer."),
        ("clock = true", "my-board.toml: clock: is true or false, a number is needed. Write a number."),
        ("on = 1", "my-board.toml: on: is an integer, true or false is needed. Write true or false."),
        ('mode = "slow"', "my-board.toml: mode: 'slow' is not one of fast, small. Choose one of them."),
        ("size = [1]", "my-board.toml: size: has 1 values, 2 are needed. Give that many."),
        ('size = [1, "2"]', "my-board.toml: size[1]: is a string, an integer is needed. Write an integer."),
        ("limits = 3", "my-board.toml: limits: is an integer, a table is needed. Write a table."),
        ('limits = { a = "1" }', "my-board.toml: limits.a: is a string, an integer is needed. Write an integer."),
        ("rules = 3", "my-board.toml: rules: is an integer, a list is needed. Write a list."),
        ("rules = [3]", "my-board.toml: rules[0]: is an integer, a table is needed. Write a table."),
        (
            '[[rules]]\nops = ["Rely"]\nrole = "follow"\noutputs = { shared = 0 }',
            "my-board.toml: rules[0].ops: 'Rely' is not an ONNX operator. Change the value.",
        ),
        (
            RULE.replace("granularity", "granulairty") % ('"per_tensor"', GIVEN),
            "my-board.toml: rules[0].weights.granulairty: unknown key, did you mean 'granularity'? "
            "Keys here: dtype, granularity, symmetric, reduce_range, code_bits.",
        ),
        (
            RULE % ('"per_axis"', GIVEN),
            "my-board.toml: rules[0].weights.granularity: 'per_axis' needs a value. Write one of: {per_axis = ...}.",
        ),
        (
            RULE % ("{ per_axs = 0 }", GIVEN),
            "my-board.toml: rules[0].weights.granularity: unknown kind 'per_axs', did you mean 'per_axis'? "
            'Write one of: "per_tensor", {per_axis = ...}, {per_block = {axis = ..., size = ...}}.',
        ),
        (
            RULE % ("3", GIVEN),
            "my-board.toml: rules[0].weights.granularity: names no kind. "
            'Write one of: "per_tensor", {per_axis = ...}, {per_block = {axis = ..., size = ...}}.',
        ),
        (
            RULE % ("{ per_block = { axis = 0, size = 1 } }", GIVEN),
            "my-board.toml: rules[0].weights.granularity.per_block: PerBlock(size=1): "
            "a block holds at least 2 elements. Change the values.",
        ),
        (
            RULE % ('"per_tensor"', "{ derived = 0 }"),
            "my-board.toml: rules[0].outputs: unknown kind 'derived', did you mean 'given'? "
            "Write one of: {given = ...}, {fixed = {spec = ..., scale = ..., zero_point = ...}}, {shared = ...}.",
        ),
        (
            RULE % ('"per_tensor"', "{ shared = 1.5 }"),
            "my-board.toml: rules[0].outputs.shared: is a number, an integer or a string is needed. "
            "Write an integer or a string.",
        ),
    ],
)
def test_refusals(text, message):
    assert refusal(text) == message


def test_a_key_that_is_missing():
    with pytest.raises(TargetError) as caught:
        from_table(Board, {"limits": {}}, where="my-board.toml")
    assert str(caught.value) == (
        "my-board.toml: key 'name' is missing. Keys here: name, rules, mode, clock, cores, size, limits, file, on."
    )
    with pytest.raises(TargetError, match=r"^my-board\.toml: rules\[0\]: key 'role' is missing\."):
        board('[[rules]]\nops = ["Relu"]')


def test_the_rule_of_a_dataclass_is_named_by_its_key():
    text = (RULE % ('"per_tensor"', GIVEN)).replace('"int8"', '"int9"')
    assert refusal(text) == (
        "my-board.toml: rules[0].weights.dtype: 'int9' is not one of int4, uint4, int8, uint8, int16, uint16, int32. "
        "Change the value."
    )


def test_the_caller_chooses_the_error_and_the_place():
    with pytest.raises(ContractError) as caught:
        from_table(Board, {"name": 3}, where="edgec.toml", path="board", error=ContractError)
    assert str(caught.value) == "edgec.toml: board.name: is an integer, a string is needed. Write a string."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"x = [", "is not TOML: Invalid value (at end of document)"),
        (b"\xff\xfe", "is not TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path, content, problem):
    file = tmp_path / "board.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_toml(file)
    assert caught.value.where == str(file)
    assert caught.value.problem == problem
