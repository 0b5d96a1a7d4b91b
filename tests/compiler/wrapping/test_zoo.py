"""Wrappers for phones of two real models, one of them fed back: what the languages' grammars and compilers say."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.grammar import broken
from support.kotlin import kotlin_classes
from support.swift import built

import edgec
from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap

pytestmark = pytest.mark.slow

STATES = {"conv_cache": "conv_cache_out", "tra_cache": "tra_cache_out", "inter_cache": "inter_cache_out"}


@pytest.fixture(scope="module")
def bundles(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    models = {"keywords": ("kws_dscnn/model.onnx", {}), "speech": ("gtcrn_stream/model.onnx", STATES)}
    return {
        name: edgec.compile(zoo / "models" / file, output=folder / name, scheme="w8", state=state, prove=False)
        for name, (file, state) in models.items()
    }


def test_kotlin(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    files = [wrap(bundle, "kotlin", tmp_path, name=name) for name, bundle in bundles.items()]
    assert [broken(file.read_text(), "kotlin") for file in files] == [[], []]
    assert "fun reset()" in files[1].read_text()
    assert "fun reset()" not in files[0].read_text()
    kotlin_classes(tmp_path, *files)


def test_swift(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    files = [wrap(bundle, "swift", tmp_path, name=name) for name, bundle in bundles.items()]
    assert [broken(file.read_text(), "swift") for file in files] == [[], []]
    assert "func reset()" in files[1].read_text()
    (tmp_path / "main.swift").write_text("print(Speech.InputPorts.convCache.shape)\n")
    assert built(tmp_path, *(file.name for file in files), "main.swift") == [
        str([f"Optional({dim})" for dim in (2, 1, 16, 16, 33)]).replace("'", "")
    ]
