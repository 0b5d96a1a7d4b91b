"""Where a model's licence is found, and what is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.compiler.sbom.source_licence import source_licence


def test_metadata_come_first(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert source_licence({"License": " Apache-2.0 "}, [tmp_path / "model.onnx"]) == "Apache-2.0"
    assert source_licence({"author": "me"}, [tmp_path / "model.onnx"]) == "mit"


@pytest.mark.parametrize(
    ("card", "wanted"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0 # as the base\ntags:\n- x\n---\n# Model", "apache-2.0"),
        ('---\r\nlicense: "cc-by-4.0"\r\n---\r\n', "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: my-own\nlicense_link: LICENSE\n---\n", "my-own"),
        ("---\nlicense: other\n---\n", "other"),
        ("# Model\nlicense: mit\n", ""),
        ("---\ntags: [license]\n---\nlicense: mit\n", ""),
        ("", ""),
    ],
)
def test_cards(card: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert source_licence({}, [tmp_path / "model.onnx"]) == wanted


def test_a_folder_of_exports_has_its_card_above(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert source_licence({}, [tmp_path / "onnx" / "model.onnx"]) == "mit"
    assert source_licence({}, [tmp_path / "other" / "model.onnx"]) == ""
    assert source_licence({}, []) == ""
