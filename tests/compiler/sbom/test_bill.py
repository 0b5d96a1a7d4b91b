"""The bill of materials: valid by the official schema, the same bytes each time, and bound by the manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.classifier import classifier, images, save_npz

import edgec
from edgec.compiler.sbom.bill import NOTICE, SBOM, bill_of
from edgec.compiler.sbom.part import Part, licences_of
from edgec.compiler.sbom.parts import makers, runtime_parts
from edgec.errors import BundleError
from edgec.targets import find_target, target_names

PURL = re.compile(r"pkg:(pypi|npm|github)/[A-Za-z0-9.\-/]+(@[A-Za-z0-9.+\-]+)?")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> edgec.Bundle:
    folder = tmp_path_factory.mktemp("sbom")
    (folder / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(folder / "calib.npz", image=images())
    options: dict[str, Any] = {"calibration": folder / "calib.npz", "search": False, "prove": False}
    return edgec.compile(folder / "model.onnx", output=folder / "out", license="apache-2.0", **options)


def bill(bundle: edgec.Bundle) -> Any:
    return json.loads((bundle.path / SBOM).read_text(encoding="utf-8"))


def parts_of_all_targets() -> list[tuple[str, dict[str, Any]]]:
    """The bill of every target there is."""
    shipped = Part(ref="bundle", kind="machine-learning-model", name="m", licence="MIT", sha256="0" * 64)
    source = Part(ref="source", kind="machine-learning-model", name="m.onnx", licence="a licence", sha256="1" * 64)
    found = []
    for name in target_names():
        spec = find_target(name)
        target = {"name": name, "runtime": spec.runtime, "providers": list(spec.providers)}
        found.append((name, bill_of(shipped, source, runtime_parts(target, "1.31.1"), makers())))
    return found


def test_the_official_schema_takes_every_bill(bundle: edgec.Bundle) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason='pip install "cyclonedx-python-lib[json-validation]"'
    )
    pytest.importorskip("jsonschema", reason='pip install "cyclonedx-python-lib[json-validation]"')
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str((bundle.path / SBOM).read_text(encoding="utf-8")) is None
    for name, values in parts_of_all_targets():
        assert validator.validate_str(json.dumps(values)) is None, name
    broken = bill(bundle) | {"components": [{"type": "model", "name": "m"}]}
    assert validator.validate_str(json.dumps(broken)) is not None


def test_every_bill_hangs_together() -> None:
    """Independent of the schema: references are unique and resolve, URLs are package URLs, hashes have their length."""
    for name, values in parts_of_all_targets():
        tools = values["metadata"]["tools"]["components"]
        parts = [values["metadata"]["component"], *values["components"], *tools]
        refs = [part["bom-ref"] for part in parts]
        assert len(set(refs)) == len(refs), name
        assert {each["ref"] for each in values["dependencies"]} <= set(refs)
        assert set(values["dependencies"][0]["dependsOn"]) == {part["bom-ref"] for part in values["components"]}
        for part in parts:
            assert part["licenses"], (name, part["name"])
            assert PURL.fullmatch(part.get("purl", "pkg:pypi/x")), part["purl"]
            assert all(len(each["content"]) == 64 for each in part.get("hashes", ()))
        assert values["components"][1]["scope"] == "required"


def test_what_the_bill_says(bundle: edgec.Bundle) -> None:
    values = bill(bundle)
    listed = bundle.manifest["files"]["model.onnx"]["sha256"]
    assert values["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": listed}]
    source = values["components"][0]
    assert source["name"] == "model.onnx"
    assert source["hashes"] == [{"alg": "SHA-256", "content": bundle.manifest["source"]["digest"]}]
    assert source["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    version = bundle.manifest["versions"]["onnxruntime"]
    assert values["components"][1]["purl"] == f"pkg:github/microsoft/onnxruntime@v{version}"
    assert "serialNumber" not in values
    assert "timestamp" not in values["metadata"]


def test_vendors_have_their_own_terms() -> None:
    bills = dict(parts_of_all_targets())
    named = {
        target: {part["name"]: part["licenses"][0]["license"] for part in bills[target]["components"]}
        for target in ("snapdragon-8-gen-3", "web-wasm", "nvidia-cuda")
    }
    assert named["snapdragon-8-gen-3"]["QAIRT"] == {"name": "Qualcomm AI Stack License"}
    assert named["web-wasm"]["onnxruntime-web"] == {"id": "MIT"}
    assert named["nvidia-cuda"]["CUDA"] == {"name": "End User License Agreement of the CUDA Toolkit"}


def test_both_files_are_bound(bundle: edgec.Bundle, tmp_path: Path) -> None:
    assert {SBOM, NOTICE} <= bundle.manifest["files"].keys()
    for name in (SBOM, NOTICE):
        file = bundle.path / name
        kept = file.read_bytes()
        file.write_bytes(kept.replace(b"Apache", b"apache", 1))
        with pytest.raises(BundleError) as raised:
            bundle.verify()
        assert str(raised.value) == f"{file}: does not have the sha256 of the manifest. Compile the bundle again."
        file.write_bytes(kept)
    bundle.verify()


def test_the_same_compile_gives_the_same_bill(bundle: edgec.Bundle, tmp_path: Path) -> None:
    folder = bundle.path.parent
    options: dict[str, Any] = {"calibration": folder / "calib.npz", "search": False, "prove": False}
    again = edgec.compile(folder / "model.onnx", output=tmp_path / "out", license="apache-2.0", **options)
    for name in (SBOM, NOTICE):
        assert (again.path / name).read_bytes() == (bundle.path / name).read_bytes()


def test_the_notice_for_people(bundle: edgec.Bundle) -> None:
    lines = (bundle.path / NOTICE).read_text(encoding="utf-8").splitlines()
    assert lines[:5] == [
        "model for host",
        "",
        "The model is derived from:",
        "  model.onnx                 Apache-2.0",
        f"  sha256 {bundle.manifest['source']['digest']}",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MIT", {"license": {"id": "MIT"}}),
        ("cc-by-nc-4.0", {"license": {"id": "CC-BY-NC-4.0"}}),
        ("mit OR apache-2.0", {"expression": "MIT OR Apache-2.0"}),
        ("(MIT AND Zlib) OR ISC", {"expression": "(MIT AND Zlib) OR ISC"}),
        ("creativeml-openrail-m", {"license": {"name": "creativeml-openrail-m"}}),
        ("free for all AND sundry", {"license": {"name": "free for all AND sundry"}}),
    ],
)
def test_licences_as_cyclonedx_writes_them(text: str, wanted: dict[str, Any]) -> None:
    assert licences_of(text) == [wanted]


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_is_some_licence(text: str) -> None:
    (found,) = licences_of(text)
    kept = found.get("expression") or found["license"].get("id") or found["license"]["name"]
    assert kept.lower().split() == text.lower().split() or "expression" in found
