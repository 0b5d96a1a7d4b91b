"""Options of every training: those of reading and of policies are taken, others are named."""

from __future__ import annotations

import pytest

from edgec.compiler.training.asked import READING, check_asked
from edgec.errors import OptionError


@pytest.mark.parametrize("name", [*READING, "block_size", "steps"])
def test_what_reads_decides_or_is_its_own_is_taken(name: str) -> None:
    check_asked([name], ("steps",), "edgec.teach")


def test_what_concerns_the_bundle_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        check_asked(["seed", "contract"], (), "edgec.teach")
    assert str(caught.value) == (
        "option 'contract': is not one of edgec.teach. "
        "Give what concerns the bundle (evaluation, contract, output) to edgec.compile."
    )
