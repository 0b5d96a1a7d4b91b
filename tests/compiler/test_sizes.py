from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.request import CompileRequest
from edgec.compiler.sizes import size_of
from edgec.errors import OptionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2G", 2_000_000_000),
        ("512M", 512_000_000),
        ("1.5GB", 1_500_000_000),
        (" 2 GiB ", 2 << 30),
        (".5kib", 512),
        ("7B", 7),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size_of(text, where="--max-memory") == expected


@given(st.integers(1, 10**6))
def test_units_of_a_thousand_and_of_1024(number: int) -> None:
    assert size_of(f"{number}MB", where="x") * 1024**2 == size_of(f"{number}MiB", where="x") * 1000**2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("much", "'much' is not a size"),
        ("-2G", "'-2G' is not a size"),
        ("0G", "'0G' is not a size"),
        ("2", "'2' has no unit"),
        ("2 bananas", "unit 'bananas' is unknown"),
    ],
)
def test_what_is_no_size(text: str, problem: str) -> None:
    with pytest.raises(OptionError) as error:
        size_of(text, where="--max-memory")
    assert str(error.value) == (
        f"--max-memory: {problem}. Write it like '2G'; units here: B, K, M, G, T, KB, MB, GB, TB, KiB, MiB, GiB, TiB."
    )


def test_a_request_takes_bytes_or_a_size() -> None:
    assert CompileRequest.of("m.onnx", {"max_memory": "2G"}).max_memory == 2_000_000_000
    assert CompileRequest.of("m.onnx", {"max_memory": 7}).max_memory == 7
    with pytest.raises(OptionError) as error:
        CompileRequest.of("m.onnx", {"max_memory": 0})
    assert str(error.value) == "--max-memory: 0 is not a size. Give bytes, say 2 * 10**9."
