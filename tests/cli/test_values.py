"""What users write in options, as values."""

from __future__ import annotations

import pytest

from edgec.compiler.cli.groups import takes_groups
from edgec.compiler.cli.options import ModelOptions, TalkOptions, one_of
from edgec.compiler.cli.request import thread_counts
from edgec.compiler.cli.values import ALIASES, op_types, scheme, shapes, state
from edgec.errors import OptionError
from edgec.targets.policy import SCHEMES


def test_aliases_lead_to_schemes_and_every_scheme_has_one() -> None:
    assert set(ALIASES.values()) == set(SCHEMES)


@pytest.mark.parametrize(
    ("text", "name"), [("INT8", "a8w8"), ("fp32", "float"), ("int8_dynamic", "d8w8"), ("w8", "w8"), ("auto", "auto")]
)
def test_schemes(text: str, name: str) -> None:
    assert scheme(text) == name


def test_shapes_in_both_spellings() -> None:
    found = shapes(["image=1,3,224,224", "a=b=2x5", "mask=[1, 1]"])
    assert found == {"image": (1, 3, 224, 224), "a=b": (2, 5), "mask": (1, 1)}


@pytest.mark.parametrize("texts", [["image"], ["=1,2"], ["image="], ["image=1,-3"], ["a=1", "a=2"]])
def test_bad_shapes(texts: list[str]) -> None:
    with pytest.raises(OptionError):
        shapes(texts)


def test_state() -> None:
    assert state(["h=h_out", "c=c_out"]) == {"h": "h_out", "c": "c_out"}
    with pytest.raises(OptionError, match="names 'h' a second time"):
        state(["h=a", "h=b"])


def test_operator_types_with_commas_and_one_by_one() -> None:
    assert op_types("--op-types-to-quantize", ["Conv, Gemm", "MatMul"]) == ("Conv", "Gemm", "MatMul")


def test_an_operator_type_in_lower_case_is_recognised() -> None:
    with pytest.raises(OptionError, match="did you mean 'Conv'"):
        op_types("--op-types-to-quantize", ["conv"])


def test_thread_counts() -> None:
    assert thread_counts("1, 2,2") == (1, 2)


def test_one_of_two_spellings() -> None:
    assert one_of("MODEL", None, "-m", "x") == "x"
    with pytest.raises(OptionError, match=r"^MODEL: is given twice: 'a' and -m 'b'"):
        one_of("MODEL", "a", "-m", "b")


def test_two_groups_may_not_share_an_option() -> None:
    def command(one: ModelOptions, two: ModelOptions, talk: TalkOptions) -> int:
        raise NotImplementedError

    with pytest.raises(TypeError, match="command: two groups have an option 'model'"):
        takes_groups(command)
