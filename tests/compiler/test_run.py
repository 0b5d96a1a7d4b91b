"""Where a bundle runs: in this process for its ONNX Runtime, else where its target's runtime is, never here instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec import runtimes
from edgec.bundle import Bundle
from edgec.compiler.run import opened
from edgec.errors import BundleError, HostError
from edgec.runtimes.fake import FakeRuntime

TEXT = "g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { y = Conv(x, w) }"
X = {"x": np.random.default_rng(0).normal(0, 1, (1, 4, 8, 8)).astype(np.float32)}
MISSING = "it is not installed: edgec runtime install qnn-htp"
Make = Callable[..., Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(target: str, **options: Any) -> Bundle:
        model = proto(TEXT, opset=21, ir_version=10, w=weights(4, 4, 1, 1))
        given = {"calibration": [X], "search": False, "prove": False, "cache": False, **options}
        return edgec.compile(model, target=target, output=tmp_path / "out", **given)

    return made


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Installs a runtime `qnn-htp` that answers zeros, or says why it is not there."""

    def install(reason: str | None) -> None:
        def answering() -> FakeRuntime:
            return FakeRuntime(
                answer=lambda feeds: {"y": np.zeros_like(feeds["x"])},
                inputs=(),
                outputs=(),
                name="qnn-htp",
                reason=reason,
            )

        monkeypatch.setitem(runtimes.RUNTIMES, "qnn-htp", answering)

    return install


def test_in_this_process_where_the_target_ships_with_its_onnx_runtime(make: Make) -> None:
    """Whatever the processor: an integer kernel is another there, the model is the same."""
    answer = make("raspberry-pi-4").run(X)["y"]
    assert answer.any()


def test_where_the_targets_runtime_is(make: Make, simulator: Callable[[str | None], None]) -> None:
    simulator(None)
    bundle = make("snapdragon-8-gen-3")
    assert not bundle.run(X)["y"].any()
    with opened(bundle, on="onnxruntime-cpu") as session:
        assert session.run(X)["y"].any()


def test_never_here_in_its_stead(make: Make, simulator: Callable[[str | None], None]) -> None:
    simulator(MISSING)
    bundle = make("snapdragon-8-gen-3")
    with pytest.raises(HostError) as caught:
        bundle.run(X)
    message = str(caught.value)
    assert message.startswith(f"{bundle.path}: runs where its target's runtime is, which is not here: ")
    assert message.endswith(
        "(to execute it here: edgec runtime install qnn-htp). Name another place, say --on onnxruntime-cpu."
    )
    assert caught.value.exit_code == 3


def test_a_context_that_is_not_there(make: Make, simulator: Callable[[str | None], None]) -> None:
    simulator(None)
    bundle = make("snapdragon-8-gen-3")
    with pytest.raises(BundleError) as caught, opened(bundle, context=True):
        pass
    assert str(caught.value) == (f"{bundle.path}: has no context binary. Compile it with --context, or run it without.")
