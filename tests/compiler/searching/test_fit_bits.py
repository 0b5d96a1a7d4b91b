"""Bits that fit a contract: on a net of matrices that are not equally hard, limits from 2 to 8 bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights

from edgec.compiler.compile import CompileResult, compile_request
from edgec.compiler.request import CompileRequest
from edgec.compiler.searching.fit_bits import fewest, most
from edgec.errors import OptionError

WIDTH, DEPTH = 64, 8


def beside() -> ir.Model:
    """Matrices beside one another: 2 to 8 bits, and a scale for 32, are 3 to 9 bits a weight; 9, 15, 21 and 45 dB."""
    nodes = "\n".join(f"h{k} = MatMul (x, w{k})" for k in range(DEPTH))
    summed = ", ".join(f"h{k}" for k in range(DEPTH))
    text = f"g (float[N, {WIDTH}] x) => (float[N, {WIDTH}] y) {{ {nodes} \n y = Sum ({summed}) }}"
    return model(text, opset=21, **{f"w{k}": weights(WIDTH, WIDTH, seed=k) for k in range(DEPTH)})


def samples(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.standard_normal((4, WIDTH)).astype(np.float32)} for _ in range(count)]


def compiled(output: Path, contract: dict[str, str], **options: Any) -> CompileResult:
    usual = {"scheme": "w4", "block_size": 32, "fit_bits": True, "weight_form": "packed", "report": False}
    common = {"calibration": samples(32, 0), "evaluation": samples(16, 1), "output": output, "contract": contract}
    return compile_request(CompileRequest.of(beside(), common | usual | options))


def bits_of(result: CompileResult) -> float:
    found: float = json.loads((result.bundle.path / "recipe.lock").read_text())["measured"]["bits"]["bpw"]
    return found


@given(st.floats(-5, 15), st.floats(0.01, 2))
def test_halving_ends_within_a_step_of_the_edge(edge: float, step: float) -> None:
    found = fewest(lambda x: x >= edge, 2.0, 8.0, step)
    assert found is None if edge > 8 else found is not None and edge <= found <= max(2.0, edge + step)
    found = most(lambda x: x <= edge, 2.0, 8.0, step)
    assert found is None if edge < 2 else found is not None and min(8.0, edge - step) <= found <= edge


def test_as_many_bits_as_a_size_holds(tmp_path: Path) -> None:
    """24 kB are 5.9 bits for each of 2^15 weights; names and the nodes that expand 3 bits are in it, too."""
    result = compiled(tmp_path / "b", {"size": "24KB"})
    assert result.verdict is not None
    assert result.verdict.exit_code == 0
    assert 0.85 * 24_000 < result.bundle.size_bytes <= 24_000
    assert 3.3 < bits_of(result) < 5.9
    assert (
        f"bits: at most {bits_of(result):.2f} for a weight on average, as many as the size holds"
        in result.verdict.notes
    )
    again = compiled(tmp_path / "again", {"size": "24KB"}, recipe=result.bundle.path / "recipe.lock")
    assert again.bundle.model.read_bytes() == result.bundle.model.read_bytes()


def test_a_size_that_nothing_fits(tmp_path: Path) -> None:
    result = compiled(tmp_path / "b", {"size": "9KB"})
    assert result.verdict is not None
    assert result.verdict.exit_code == 15
    assert bits_of(result) == 3.25
    note = "bits: at most 3.25 for a weight on average, the fewest there are, and more than the size holds"
    assert note in result.verdict.notes


@pytest.mark.parametrize(("limit", "low", "high"), [("12dB", 3.2, 4.2), ("18dB", 4.0, 5.2), ("30dB", 5.2, 9.1)])
def test_the_fewest_bits_that_keep_a_limit(tmp_path: Path, limit: str, low: float, high: float) -> None:
    result = compiled(tmp_path / "b", {"sqnr": limit})
    assert result.verdict is not None
    assert result.verdict.exit_code == 0
    assert low < bits_of(result) < high
    less = compiled(tmp_path / "less", {"sqnr": limit}, fit_bits=False, target_bpw=bits_of(result) - 0.5, search=False)
    assert less.verdict is not None
    assert less.verdict.exit_code == 12


def test_accuracy_within_a_size(tmp_path: Path) -> None:
    """What the size holds keeps 20 dB and not 45: then it has as many bits as it may, and the verdict says so."""
    kept, lost = (compiled(tmp_path / each, {"sqnr": each, "size": "30KB"}) for each in ("20dB", "45dB"))
    assert kept.verdict is not None
    assert lost.verdict is not None
    assert kept.verdict.exit_code == 0
    assert kept.bundle.size_bytes < 0.9 * lost.bundle.size_bytes
    assert lost.verdict.exit_code == 12
    note = "as many as there may be: on calibration samples the limits on accuracy are not kept"
    assert f"bits: at most {bits_of(lost):.2f} for a weight on average, {note}" in lost.verdict.notes


def test_evaluation_samples_may_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.compiler.searching.verify import Verifier

    told = iter([2.0, 2.0, 1.0])
    monkeypatch.setattr(Verifier, "tighter", lambda *_: next(told))
    result = compiled(tmp_path / "b", {"sqnr": "8dB"})
    assert result.verdict is not None
    note = "evaluation samples rejected a choice 2 times: the verdict is that much less independent"
    assert note in result.verdict.notes
    assert json.loads((result.bundle.path / "recipe.lock").read_text())["measured"]["bits"]["refused"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"contract": {}},
            "--fit-bits: goes by limits on size or accuracy, and there are none. "
            "Add one, like --max-size 2MB or --max-drop 1%, or give --target-bpw.",
        ),
        ({"search": False}, "--fit-bits: is a search, and --no-search leaves that out. Leave one of them out."),
        (
            {"target_bpw": 4.5},
            "--fit-bits: chooses the bits of a weight, and --target-bpw says them. Leave one of them out.",
        ),
        (
            {"calibration": None},
            "--fit-bits: goes by calibration samples, and there are none. "
            "Give --calibration, or one scheme for all weights.",
        ),
        (
            {"scheme": "nf4"},
            "--fit-bits: is for weights stored in blocks, and scheme nf4 stores them otherwise. "
            "Choose one of w8, w4, w3, w2.",
        ),
    ],
)
def test_where_it_has_no_place(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "b", **({"contract": {"size": "24KB"}} | options))
    assert str(caught.value) == message


def test_models_too_large_to_try_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.compiler.searching.fit_bits._LARGEST", 1 << 10)
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "b", {"size": "24KB"})
    assert str(caught.value) == (
        "--fit-bits: tries many, and the weights are larger than 0 MiB. "
        "Give the bits of a weight, like --target-bpw 4.25."
    )


def test_targets_that_mix_no_bits(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "b", {"size": "24KB"}, target="web-webgpu", weight_form="auto")
    assert str(caught.value) == (
        "--fit-bits: scheme w4 on target web-webgpu has no use for it. Leave it out, or choose a CPU target."
    )
