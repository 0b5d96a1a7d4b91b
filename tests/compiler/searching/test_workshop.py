"""What a candidate that is only judged is spared, and that it answers alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.classifier import classifier

from edgec.compiler.searching.candidates import Candidates
from edgec.compiler.searching.workshop import Workshop
from edgec.passes.lower.drop_shapes import DropShapes
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.targets import find_target
from edgec.targets.policy import Policy


@pytest.fixture
def shop() -> Workshop:
    def measure(model: ir.Model, needs: Any) -> None:
        raise AssertionError("weights alone are not observed")

    source = ir.serde.deserialize_model(classifier())
    return Workshop(
        candidates=Candidates(source=source, measure=measure),
        target=find_target("x86-64-avx2"),
        policy=Policy(scheme="w8"),
    )


def test_a_trial_keeps_its_shapes_and_answers_alike(shop: Workshop) -> None:
    shipped, judged = shop.mixed(frozenset()), shop.trial(frozenset())
    spared = [each for each in shipped.recipe.passes if each not in judged.recipe.passes]
    assert [type(each) for each in spared] == [DropShapes]
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    answers = []
    for each in (shipped, judged):
        session = OrtCpu().open(ir.serde.serialize_model(each.model).SerializeToString(), SessionSettings(threads=1))
        answers.append(session.run({"image": x})["logits"])
    assert np.array_equal(*answers)
