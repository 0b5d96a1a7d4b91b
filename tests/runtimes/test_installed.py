"""Each runtime that is installed here runs a model; `make test-targets` installs them all first."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from support.classifier import classifier, images

from edgec.runtimes import RUNTIMES, runtime
from edgec.runtimes.base import Runtime
from edgec.runtimes.older import is_older
from edgec.runtimes.places import places

pytestmark = pytest.mark.targets

MACHINES = {
    "arm64": "aarch64",
    "armv7": "armv7l",
    "x86-64": "x86_64",
    "xnnpack-x86-64": "x86_64",
    "xnnpack-arm64": "aarch64",
    "web-wasm": "wasm32",
    "webgpu-chromium": "wasm32",
    "webgpu-node": "x86_64",
    "openvino-cpu": "x86_64",
    "onnxruntime-1.": platform.machine(),
}


# The HTP computes floats in fp16 and takes no open batch: tests/runtimes/test_qnn_simulator.py.
@pytest.fixture(params=[name for name in places() if not name.startswith("qnn-")])
def place(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    found = runtime(request.param)
    reason = found.available()
    if reason is not None:
        pytest.skip(reason)
    with closing(found):
        yield found


def test_it_runs_a_model_on_its_processor(place: Runtime) -> None:
    facts = place.facts()
    machine = next(machine for name, machine in reversed(MACHINES.items()) if place.name.startswith(name))
    assert facts.machine == machine
    native = ("xnnpack-x86-64", "web-wasm", "web-wasm-chromium", "openvino-cpu")
    assert bool(facts.emulated) == (place.name not in native and not is_older(place.name))
    model = classifier().SerializeToString()
    feeds = {"image": images(1)[:1]}
    with closing(place.open(model)) as there, closing(RUNTIMES["onnxruntime-cpu"]().open(model)) as here:
        expected, found = here.run(feeds), there.run(feeds)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)
        assert not there.placement(feeds).off_provider(place.providers)
