"""A bundle is a model package: ONNX Runtime's own reader opens it, and chooses it for the provider it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.graphs import weights
from support.model_package import Refused, open_package
from support.protos import proto

import edgec
from edgec.bundle import MANIFEST, SCHEMA_VERSION, Bundle, read_manifest
from edgec.compiler.model_package import as_package

TEXT = "g (float[1, 4, 8, 8] x, float[1, 4, 8, 8] z) => (float[1, 4, 8, 8] y) { a = Conv(x, w) y = Add(a, z) }"
RNG = np.random.default_rng(0)
SAMPLES = [{name: RNG.normal(0, 1, (1, 4, 8, 8)).astype(np.float32) for name in "xz"} for _ in range(3)]
Make = Callable[..., Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def compiled(target: str, **options: Any) -> Bundle:
        source = proto(TEXT, opset=21, ir_version=10, w=weights(4, 4, 1, 1))
        given = {"calibration": SAMPLES, "search": False, **options}
        return edgec.compile(source, target=target, output=tmp_path / target, prove=False, cache=False, **given)

    return compiled


def test_onnx_runtime_opens_it(make: Make) -> None:
    bundle = make("x86-64-vnni", ort=True)
    opened = open_package(bundle.path)
    assert (opened.version, opened.components) == (1, ["model"])
    assert opened.variants == {"x86-64-vnni": "CPUExecutionProvider"}
    assert (opened.chosen, opened.inputs) == ("x86-64-vnni", 2)
    assert opened.folder.samefile(bundle.path)


@pytest.mark.parametrize(
    ("target", "provider"),
    [("snapdragon-8-gen-3", "QNNExecutionProvider"), ("pixel-8", "XnnpackExecutionProvider")],
)
def test_for_another_provider_it_is_not_chosen(target: str, provider: str, make: Make) -> None:
    bundle = make(target)
    variant = json.loads((bundle.path / MANIFEST).read_text())["components"]["model"]["variants"][target]
    assert variant["ep"] == provider
    assert variant["executor_info"]["ort"]["provider_options"] == bundle.manifest["provider_options"].get(provider, {})
    with pytest.raises(Refused, match="No suitable model variant"):
        open_package(bundle.path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.update(edgec="1"), "unknown field 'edgec'"),
        (lambda values: values.update(schema_version="2.0"), "schema_version major 2"),
        (lambda values: values.pop("components"), "missing required 'components' object"),
    ],
)
def test_the_reader_is_strict(change: Callable[[dict[str, Any]], object], said: str, make: Make) -> None:
    """The tester: without the form of packages it is refused."""
    bundle = make("x86-64-vnni")
    values = json.loads((bundle.path / MANIFEST).read_text())
    change(values)
    (bundle.path / MANIFEST).write_text(json.dumps(values))
    with pytest.raises(Refused, match=said):
        open_package(bundle.path)


def test_what_a_bundle_says_is_found_under_it(tmp_path: Path) -> None:
    said = {
        "schema_version": SCHEMA_VERSION,
        "model": "model.onnx",
        "source": {"origin": "faces.onnx"},
        "target": {"name": "edge-box", "providers": ["OpenVINOExecutionProvider", "CPUExecutionProvider"]},
        "session_options": {"session.a": "1"},
        "provider_options": {"OpenVINOExecutionProvider": {"device_type": "CPU"}},
    }
    made = as_package(said)
    assert made == {
        "schema_version": "1.0",
        "package_name": "faces",
        "components": {
            "model": {
                "variants": {
                    "edge-box": {
                        "ep": "OpenVINOExecutionProvider",
                        "variant_directory": ".",
                        "executor_info": {
                            "ort": {
                                "model_file": "model.onnx",
                                "session_options": {"session.a": "1"},
                                "provider_options": {"device_type": "CPU"},
                            }
                        },
                    }
                }
            }
        },
        "additional_metadata": {"edgec": said},
    }
    for written in (made, said):  # a bundle's manifest that is no package's is read as well
        (tmp_path / MANIFEST).write_text(json.dumps(written))
        assert read_manifest(tmp_path / MANIFEST) == said
