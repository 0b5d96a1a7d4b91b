"""What the wrappers for phones have in common: one table of cases, a column a language (support/phones.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.grammar import broken
from support.phones import KOTLIN, SWIFT, Phone
from support.wrapped import manifest_only

from edgec.compiler.wrap import wrap
from edgec.errors import BundleError

PHONES = (KOTLIN, SWIFT)
ONE = [("x", "float32", [1])], [("y", "float32", [1])]

phones = pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.language)


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [("kotlin", "val x = listOf(1)\n", "val x = listOf(1\n"), ("swift", "let x = [1]\n", "let x = [1\n")],
)
def test_the_grammar_tells_what_is_broken(language: str, right: str, wrong: str) -> None:
    assert broken(right, language) == []
    assert broken(f"{right}{wrong}", language) != []


@phones
def test_text_says_names_shapes_types_scales_options_and_what_is_baked(tmp_path: Path, phone: Phone) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("image.1", "float32", ["N", 3, None])],
        [("scores", "int64", [5])],
        quantized={"image.1": {"dtype": "uint8", "scale": 0.0186, "zero_point": 114}},
        session_options={"session.intra_op.allow_spinning": "0"},
        baked={"inputs": {"image.1": {"mean": [0.5]}}},
        ort={"model": "model.ort"},
        target={"name": "t", "runtime": phone.runtime, "providers": [phone.provider]},
        provider_options={phone.provider: dict(phone.options)},
    )
    text = phone.text_of(bundle, tmp_path)
    for line in phone.facts:
        assert line.replace("DIGEST", bundle.digest) in text


@pytest.mark.parametrize(
    ("phone", "provider"),
    [(phone, provider) for phone in PHONES for provider in phone.providers],
    ids=lambda value: value if isinstance(value, str) else value.language,
)
def test_providers(tmp_path: Path, phone: Phone, provider: str) -> None:
    target = {"name": "t", "runtime": "r", "providers": [provider, "CPUExecutionProvider"]}
    text = phone.text_of(manifest_only(tmp_path / "b", *ONE, target=target), tmp_path)
    assert phone.providers[provider] in text
    assert "CPUExecutionProvider" not in text


@pytest.mark.parametrize(
    ("phone", "dtype"),
    [(phone, dtype) for phone in PHONES for dtype in phone.refused],
    ids=lambda value: value if isinstance(value, str) else value.language,
)
@pytest.mark.parametrize("end", ["x", "y"])
def test_types_it_cannot_hand_over_are_refused(tmp_path: Path, phone: Phone, dtype: str, end: str) -> None:
    inputs, outputs = ([(name, dtype if name == end else "float32", [1])] for name in "xy")
    bundle = manifest_only(tmp_path / "b", inputs, outputs)
    with pytest.raises(BundleError) as error:
        wrap(bundle, phone.language, tmp_path, name="faces")
    assert str(error.value) == (
        f"faces: '{end}': is of type {dtype}, which a wrapper in {phone.title} cannot hand over. "
        f"Types it can are {', '.join(phone.types)}."
    )


@phones
def test_names_of_any_text_parse(tmp_path: Path, phone: Phone) -> None:
    ends = [(name, "float32", [1]) for name in phone.hard]
    bundle = manifest_only(tmp_path / "b", ends, list(reversed(ends)), baked={"*/": phone.baked})
    text = phone.text_of(bundle, tmp_path)
    for line in phone.spelled:
        assert line in text
    assert text.isascii()
