"""The facts against the releases themselves, those that are installed: what they register, open and refuse."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing

import onnx
import onnx_ir as ir
import pytest
from support import release_registry
from support.release_cases import release_cases
from support.release_registry import contrib_text, kernels_text

from edgec.errors import ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.runtimes.older import older_runtime
from edgec.runtimes.places import places
from edgec.targets.releases.facts import RELEASES, Release
from edgec.targets.releases.history import CONTRIB, KERNELS, listed
from edgec.targets.releases.reads import obstacles

pytestmark = pytest.mark.targets

OLDER = RELEASES[:-1]
RELU = "<ir_version: 8, opset_import: [{imports}]> g (float[2] x) => (float[2] y) {{ y = Relu(x) }}"


@pytest.fixture(params=OLDER, ids=str)
def asked(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    reason = runtime(older_runtime(found.minor)).available()
    if reason is not None:
        pytest.skip(reason)
    return found


@pytest.fixture
def place(asked: Release) -> Iterator[Runtime]:
    with closing(runtime(older_runtime(asked.minor))) as found:
        yield found


def opens(place: Runtime, model: onnx.ModelProto) -> str:
    """Why it does not; "" when it does."""
    try:
        place.open(model.SerializeToString()).close()
    except ModelError as error:
        return error.problem
    return ""


def test_the_newest_versions_it_opens(asked: Release, place: Runtime) -> None:
    assert place.facts().onnxruntime == asked.version
    for imports, ir_version, fits in (
        (f'"": {asked.opset}, "ai.onnx.ml": {asked.ml_opset}', asked.ir_version, True),
        (f'"": {asked.opset + 1}', 8, False),
        (f'"": 17, "ai.onnx.ml": {asked.ml_opset + 1}', 8, False),
        ('"": 17', asked.ir_version + 1, False),
    ):
        model = onnx.parser.parse_model(RELU.format(imports=imports))
        model.ir_version = ir_version
        assert (opens(place, model) == "") is fits, (imports, ir_version)


def test_the_lists_are_what_it_registers(asked: Release) -> None:
    launch = places()[older_runtime(asked.minor)].launch()
    command = [*launch.command, release_registry.__file__, *map(str, launch.site)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [*listed(KERNELS, asked.minor)] == kernels_text({asked.minor: said}).splitlines()
    # An operator is listed from the release on in which it first had a kernel, here or later.
    found = contrib_text({asked.minor: said}).splitlines()
    assert set(found) <= set(listed(CONTRIB, asked.minor))
    assert len(found) > 50


def test_the_rules_say_what_it_does(asked: Release, place: Runtime) -> None:
    """Some hundred one-node models, opened."""
    wrong, opened, refused = [], 0, 0
    for name, model in release_cases(tuple(sorted({13, min(21, asked.opset), asked.opset}))):
        found = obstacles(ir.from_proto(onnx.shape_inference.infer_shapes(model)), asked)
        why = opens(place, model)
        opened, refused = opened + (not why), refused + bool(why)
        if bool(found) != bool(why):
            wrong.append((name, found, why))
    assert wrong == []
    assert opened > 100
    assert refused > 10
