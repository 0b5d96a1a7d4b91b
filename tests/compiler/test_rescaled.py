"""What is looked at beside the proof has the scale of what ships, also where channels were balanced."""

from __future__ import annotations

import json
from pathlib import Path

from support import planted

import edgec


def test_balanced_channels_are_compared_in_their_own_scale(tmp_path: Path) -> None:
    """The channel that is a hundred times larger is divided before ranges are taken: against it as it was, the value
    would be further from float than the outputs can be that are computed of it."""
    case = planted.outlier_channel(3)
    bundle = edgec.compile(
        case.model,
        calibration=case.calibration,
        evaluation=case.evaluation,
        contract={"sqnr": "25dB"},
        scheme="a8w8",
        output=tmp_path / "out",
        cache=False,
        diagnose=False,
    )
    assert any("channels balanced" in note for note in bundle.manifest["notes"])
    values = json.loads((bundle.proof / "depth.json").read_text(encoding="utf-8"))["values"]
    assert min(sqnr for _, _, _, sqnr in values if sqnr is not None) > 20
    drawn = json.loads((bundle.proof / "coverage.json").read_text(encoding="utf-8"))["histograms"]
    for each in drawn:
        low, high = each["clip"]
        inside = sum(
            count
            for index, count in enumerate(each["counts"]["calibration"])
            if low <= each["span"][0] + (index + 0.5) * (each["span"][1] - each["span"][0]) / 64 <= high
        )
        assert inside / sum(each["counts"]["calibration"]) > 0.95, each["name"]
