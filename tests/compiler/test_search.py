"""The search on planted faults: what hurts goes back to float, the rest stays in integers, and the lock replays it.

The scheme is named, so that no timing takes part: these bundles do not depend on the machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgec
from edgec.compiler.compile import CompileResult, compile_request
from edgec.compiler.request import CompileRequest
from edgec.compiler.searching.balanced import Balanced

DEPTH, CHANNELS, SIZE = 12, 8, 12
OUTLIER = 3000.0


def chain(*, bad: int | None, depth: int = DEPTH) -> onnx.ModelProto:
    """Convolutions in a row; behind number `bad` one channel is far larger, and its readers' weights far smaller.

    In float the two scalings cancel. In 8 bits one scale for the value leaves the other channels no codes.
    """
    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {}
    nodes = []
    for k in range(depth):
        weight = rng.standard_normal((CHANNELS, CHANNELS, 3, 3)).astype(np.float32) / 6
        if bad == k:
            weight[0] *= OUTLIER
        if bad is not None and bad + 1 == k:
            weight[:, 0] /= OUTLIER
        constants[f"w{k}"], constants[f"b{k}"] = weight, np.zeros(CHANNELS, np.float32)
        source = "x" if k == 0 else f"r{k - 1}"
        nodes.append(
            onnx.helper.make_node("Conv", [source, f"w{k}", f"b{k}"], [f"c{k}"], name=f"conv{k}", pads=[1, 1, 1, 1])
        )
        nodes.append(onnx.helper.make_node("Relu", [f"c{k}"], [f"r{k}" if k < depth - 1 else "y"], name=f"relu{k}"))
    shape = [1, CHANNELS, SIZE, SIZE]
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "chain", sides[:1], sides[1:], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def samples(count: int = 12, seed: int = 0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.standard_normal((1, CHANNELS, SIZE, SIZE)).astype(np.float32)} for _ in range(count)]


def compiled(output: Path, *, bad: int | None, **options: Any) -> CompileResult:
    common = {"calibration": samples(), "output": output, "scheme": "a8w8", "equalize": False, "prove": False}
    return compile_request(CompileRequest.of(chain(bad=bad), common | options))


def lock(bundle: edgec.Bundle) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((bundle.path / "recipe.lock").read_text())
    return values


def float_nodes(bundle: edgec.Bundle) -> set[str]:
    (decide,) = (each for each in lock(bundle)["passes"] if each["kind"] == "DecideQuantization")
    return set(decide.get("float_nodes", ()))


def test_a_good_model_is_left_as_it_is(tmp_path: Path) -> None:
    found, plain = (compiled(tmp_path / str(k), bad=None, search=k == 0) for k in range(2))
    assert found.bundle.model.read_bytes() == plain.bundle.model.read_bytes()
    assert "measured" not in lock(found.bundle)
    assert found.measured == {}


@pytest.fixture
def unbalanced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels stay as they are: what was planted has to go back to float."""
    monkeypatch.setattr("edgec.compiler.search.better_channels", lambda made, trials, goal: Balanced(made=made))


@pytest.mark.parametrize("bad", [0, 3, 10])
def test_channels_that_factors_can_balance_stay_in_integers(bad: int, tmp_path: Path) -> None:
    result = compiled(tmp_path / "out", bad=bad)
    assert float_nodes(result.bundle) == set()
    found = result.measured["balance"]
    assert found["without"] > 1 > found["with"]
    (note,) = result.bundle.manifest["notes"]
    assert note.startswith("accuracy: channels balanced across layers, which leaves ")


@pytest.mark.usefixtures("unbalanced")
@pytest.mark.parametrize("bad", [0, 3, 10])
def test_the_planted_layer_goes_back_to_float_and_no_other(bad: int, tmp_path: Path) -> None:
    result = compiled(tmp_path / "out", bad=bad)
    assert float_nodes(result.bundle) == {f"conv{bad}", f"conv{bad + 1}"}
    found = result.measured["accuracy"]
    assert found["outputs"]["y"]["before"]["sqnr_db"] < 15
    assert found["outputs"]["y"]["after"]["sqnr_db"] > 20
    assert found["runs"] <= 12
    assert result.skipped[f"conv{bad}"] == "was measured to be better off in float"
    note = next(each for each in result.bundle.manifest["notes"] if "kept in float" in each)
    assert note.startswith("accuracy: 2 nodes kept in float (16.7% of the MACs), output 'y' from ")


@pytest.mark.usefixtures("unbalanced")
def test_a_collapse_is_cured_beyond_the_usual_share(tmp_path: Path) -> None:
    model = chain(bad=1, depth=4)
    options = {"calibration": samples(), "output": tmp_path / "out", "scheme": "a8w8", "equalize": False}
    result = compile_request(CompileRequest.of(model, options | {"prove": False}))
    assert float_nodes(result.bundle) == {"conv1", "conv2"}  # half of the MACs, where the guard gives a fifth


def test_a_collapse_that_is_not_searched_ships_as_asked(tmp_path: Path) -> None:
    result = compiled(tmp_path / "out", bad=3, search=False)
    assert float_nodes(result.bundle) == set()
    assert result.measured == {}


def test_the_lock_replays_the_choice_to_the_byte(tmp_path: Path) -> None:
    first = compiled(tmp_path / "one", bad=3).bundle
    again = edgec.compile(chain(bad=3), calibration=samples(), recipe=first.path, output=tmp_path / "two", prove=False)
    for name in ("model.onnx", "recipe.lock"):
        assert (again.path / name).read_bytes() == (first.path / name).read_bytes()


def test_the_same_search_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (compiled(tmp_path / str(threads), bad=3, threads=threads).bundle for threads in (1, 2))
    for name in ("model.onnx", "recipe.lock"):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


def test_a_limit_on_sqnr_is_met_and_integers_are_left(tmp_path: Path) -> None:
    result = compiled(tmp_path / "out", bad=None, prove=True, evaluation=samples(6, seed=1), contract={"sqnr": "32dB"})
    assert result.verdict is not None
    (clause,) = (each for each in result.verdict.results if each.id == "sqnr")
    assert clause.status == "met"
    plain = compiled(
        tmp_path / "plain", bad=None, prove=True, evaluation=samples(6, seed=1), contract={"sqnr": "32dB"}, search=False
    )
    assert plain.verdict is not None
    assert [each.status for each in plain.verdict.results if each.id == "sqnr"] == ["broken"]
    assert 0 < len(float_nodes(result.bundle)) < DEPTH


def test_a_limit_no_integer_keeps_ends_in_float(tmp_path: Path) -> None:
    result = compiled(tmp_path / "out", bad=None, prove=True, evaluation=samples(4, seed=1), contract={"sqnr": "100dB"})
    assert result.scheme == "float"
    assert result.verdict is not None
    assert [each.status for each in result.verdict.results if each.id == "sqnr"] == ["met"]
    assert (
        "accuracy: nothing in 8 bits keeps the limits; the model is packed in float"
        in (result.bundle.manifest["notes"])
    )
