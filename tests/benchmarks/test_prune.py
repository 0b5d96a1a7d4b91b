from __future__ import annotations

from pathlib import Path

import numpy as np
from prune import WHOLE, Form, judge


def statuses(tmp_path: Path, size: int, times: list[float]) -> dict[str, str]:
    found = {}
    for form, count in ((WHOLE, 100), ("30%", size)):
        (tmp_path / form.strip("%")).write_bytes(bytes(count))
        found[form] = Form(path=tmp_path / form.strip("%"), metric=0.5)
    taken = {WHOLE: np.array([1.0, 1.0, 1.0]), "30%": np.array(times)}
    return {line.name: line.status for line in judge("m", found, taken)}


def test_a_pruned_form_has_to_be_smaller_and_faster(tmp_path: Path) -> None:
    assert statuses(tmp_path, 90, [0.8, 0.9, 0.7]) == {"30% smaller": "green", "30% faster": "green"}
    assert statuses(tmp_path, 100, [1.2, 1.1, 1.3]) == {"30% smaller": "red", "30% faster": "red"}


def test_a_busy_machine_decides_nothing(tmp_path: Path) -> None:
    assert statuses(tmp_path, 90, [1.2, 1.1, 0.9])["30% faster"] == "amber"


def test_zipped_is_what_a_zip_takes(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(10_000))
    assert Form(path=tmp_path / "zeros", metric=0).zipped < 100
