"""Three widths under four recipes: the front is that of every bundle compiled and scored by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import edgec
from edgec.bundle import Bundle
from edgec.compiler.explore import search
from edgec.compiler.exploring.exploration import Exploration
from edgec.compiler.exploring.point import Measured
from edgec.compiler.exploring.timing import Times
from edgec.compiler.exploring.trial import Tried
from edgec.errors import OutputError

from .conftest import BY, RECIPES


def by_hand(widths: dict[str, Path], samples: dict[str, Path], folder: Path) -> dict[str, tuple[float, int]]:
    """Accuracy and bytes of every candidate: compiled alone, run in plain ONNX Runtime, counted on disk."""
    with np.load(samples["evaluation"]) as arrays:
        images, labels = arrays["image"], arrays["label"]
    found = {}
    for model, path in widths.items():
        for recipe, options in RECIPES.items():
            output = folder / model / recipe
            edgec.compile(path, calibration=samples["calibration"], output=output, prove=False, **options)
            session = onnxruntime.InferenceSession(output / "model.onnx", providers=["CPUExecutionProvider"])
            # One by one, as the bundle is proved.
            answers = np.concatenate([session.run(["logits"], {"image": image[None]})[0] for image in images])
            right = int((answers.argmax(1) == labels).sum())
            found[f"{model}/{recipe}"] = right / len(labels), (output / "model.onnx").stat().st_size
    return found


@pytest.mark.slow
def test_the_front_is_that_of_every_pair_measured_by_hand(
    found: Exploration, widths: dict[str, Path], samples: dict[str, Path], tmp_path: Path
) -> None:
    measured = by_hand(widths, samples, tmp_path)
    assert len(measured) == len(found.rows) == 12
    for row in found.rows:
        accuracy, size = measured[row.name]
        assert row.values["accuracy"].value == pytest.approx(accuracy, abs=1e-12)
        assert row.values["size"].value == size
    front = {
        name
        for name, (accuracy, size) in measured.items()
        if not any(a >= accuracy and s <= size and (a, s) != (accuracy, size) for a, s in measured.values())
    }
    assert set(found.front) == front
    assert 3 <= len(front) < 12  # neither everything nor next to nothing: the test could fail
    # What is recommended keeps the budget, and none that does is surely more accurate.
    chosen = measured[found.chosen]
    assert chosen[0] >= 0.9
    assert chosen[1] <= 60_000
    assert found.exit_code == 0


@pytest.mark.slow
def test_the_recommended_bundle_is_proved_and_whole(found: Exploration) -> None:
    assert found.bundle is not None
    bundle = Bundle.open(found.bundle)
    bundle.verify()
    verdict = json.loads((bundle.proof / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["word"] == "proved"
    assert [each["id"] for each in verdict["results"]][:2] == ["accuracy", "size"]
    assert json.loads((bundle.proof / "proof.json").read_text(encoding="utf-8"))["latency"]
    assert (bundle.proof / "report.html").is_file()
    assert sorted(file.name for file in found.bundle.parent.iterdir() if not file.name.startswith(".")) == [
        "measured.json", "recommended", "report.html", "search.json", "search.md", "trials",
    ]  # fmt: skip


def small(folder: Path) -> dict[str, Any]:
    """One small model and its samples: what a quick search is tried on."""
    from support.classifier import CLASSES, classifier, images, save_npz

    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(folder / "calib.npz", image=images())
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=np.arange(6) % CLASSES)
    return {
        "models": [folder / "model.onnx"],
        "calibration": folder / "calib.npz",
        "evaluation": folder / "eval.npz",
        "output": folder / "search",
        "by": BY,
        "jobs": 1,
    }


class Told(dict[str, Tried]):
    """What was told of each candidate."""

    def __call__(self, name: str, tried: Tried) -> None:
        assert name not in self
        self[name] = tried

    @property
    def fresh(self) -> list[str]:
        return [name for name, tried in self.items() if not tried.cached]


def test_what_was_tried_is_not_tried_again(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    first = search(recipes=["a8w8", "w8"], told=told, **options)
    assert told.fresh == ["a/a8w8", "a/w8"]
    again = Told()
    second = search(recipes=["a8w8", "w8", "w4"], told=again, **options)
    assert again.fresh == ["a/w4"]
    assert [row.to_json() | {"cached": 0, "seconds": 0} for row in first.rows if row.name == "a/w8"] == [
        row.to_json() | {"cached": 0, "seconds": 0, "state": "front", "beaten_by": None}
        for row in second.rows
        if row.name == "a/w8"
    ]


def test_a_trial_keeps_scores_and_no_times(tmp_path: Path) -> None:
    found = search(recipes=["w8"], **small(tmp_path / "a"))
    point = found.rows[0].point
    assert point is not None
    assert point.records is not None
    assert point.scored is not None
    assert point.records.shape == (6, 2)  # right, of one
    assert point.records[:, 0].mean() == point.scored["value"]
    assert point.proof["latency"] == []
    assert found.bundle is not None
    assert not (found.bundle / "proof" / "scores.npz").exists()


def test_another_budget_of_bytes_or_time_tries_nothing(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    assert search(recipes=["w8"], contract={"size": "1MB"}, **options).exit_code == 0
    tight = search(recipes=["w8"], contract={"size": "0.1KB", "p95": "10s"}, told=told, **options)
    assert (told.fresh, tight.exit_code, tight.chosen, tight.nearest) == ([], 15, "", "a/w8")
    verdict = tight.rows[0].verdict
    assert verdict is not None
    assert [(each.id, each.status) for each in verdict.results[:2]] == [("size", "broken"), ("p95", "met")]
    assert tight.reasons == ("no point of 1 keeps the contract", "a/w8 misses it least: size is broken")
    assert not (options["output"] / "recommended").exists()  # the first search's is no longer what this one says


def test_a_limit_on_accuracy_is_of_the_trial(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    search(recipes=["w8"], **options)
    search(recipes=["w8"], contract={"sqnr": "5dB"}, told=told, **options)
    assert told.fresh == ["a/w8"]


def test_what_fails_is_kept_and_stops_no_other(tmp_path: Path) -> None:
    options = small(tmp_path / "a")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    models = {"good": options.pop("models")[0], "broken": tmp_path / "broken.onnx"}
    recipes = {"w8": {"scheme": "w8"}, "odd": {"scheme": "a16w4", "rounding": "hqq"}}
    first, again = Told(), Told()
    found = search(models, recipes, told=first, **options)
    assert [(row.name, row.state) for row in found.rows] == [
        ("good/w8", "front"), ("good/odd", "failed"), ("broken/w8", "failed"), ("broken/odd", "failed"),
    ]  # fmt: skip
    assert (found.exit_code, found.chosen) == (0, "good/w8")
    errors = {row.name: row.failure.message for row in found.rows if row.failure}
    assert errors["good/odd"].startswith("--rounding hqq: is for weights stored alone, and scheme a16w4 has others.")
    assert errors["broken/w8"].startswith(f"{tmp_path}/broken.onnx: ")
    search(models, recipes, told=again, **options)
    assert again.fresh == [] or again.fresh == [name for name in first if name.startswith("broken")]
    assert again["good/odd"].cached


def test_where_nothing_compiles_the_failure_decides(tmp_path: Path) -> None:
    options = small(tmp_path / "a")
    found = search(recipes={"odd": {"scheme": "a16w4", "rounding": "hqq"}}, **options)
    assert (found.exit_code, found.front, found.reasons) == (2, (), ("no candidate could be compiled",))
    assert "No candidate could be compiled for host" in (options["output"] / "report.html").read_text(encoding="utf-8")


def test_the_same_compile_is_tried_once(tmp_path: Path) -> None:
    told, options = Told(), small(tmp_path / "a")
    found = search(
        recipes={"w8": {"scheme": "w8"}, "again": {"scheme": "w8", "per_channel": True}}, told=told, **options
    )
    assert list(told) == ["a/w8"]
    assert [(row.name, row.state, row.alike) for row in found.rows] == [
        ("a/w8", "front", ""),
        ("a/again", "alike", "a/w8"),
    ]
    assert found.front == ("a/w8",)


def test_samples_of_code_are_tried_every_time(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    rng = np.random.default_rng(0)
    options["calibration"] = [{"image": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]
    search(recipes=["a8w8"], **options)
    found = search(recipes=["a8w8"], told=told, **options)
    assert told.fresh == ["a/a8w8"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("a/a8w8 is tried every time: the samples of ")


def timed(seconds: dict[str, tuple[float, float, float]]) -> Callable[..., Times]:
    def timer(points: Any, progress: Any) -> Times:
        return Times(
            seconds={
                point.name: Measured(value=value, low=low, high=high)
                for point in points
                for value, low, high in [seconds[point.name]]
            }
        )

    return timer


def test_latency_is_of_all_points_at_the_end(tmp_path: Path) -> None:
    options = small(tmp_path / "a") | {"by": ("latency", "size")}
    slow, fast = (3.0, 2.9, 3.1), (1.0, 0.9, 1.1)
    found = search(recipes=["w8", "float"], timer=timed({"a/w8": slow, "a/float": fast}), **options)
    assert (found.front, found.chosen) == (("a/w8", "a/float"), "a/float")
    assert found.reasons == ("2 of 2 points keep the contract", "a/float is the fastest")
    found = search(recipes=["w8", "float"], timer=timed({"a/w8": (1.05, 0.95, 1.2), "a/float": fast}), **options)
    assert (found.front, found.chosen) == (("a/w8", "a/float"), "a/w8")
    assert found.reasons[1:] == (
        "a/float is the fastest; not distinguishable from it: a/w8", "a/w8 is the smallest",
    )  # fmt: skip
    standing = found.row("a/float").standing
    assert standing is not None
    assert standing.told == "better than a/w8 by no more than noise (latency)"


def test_times_of_the_same_points_are_measured_once(tmp_path: Path) -> None:
    options = small(tmp_path / "a") | {"by": ("latency", "size")}
    first = search(recipes=["w8", "float"], contract={"latency_ratio": "100x"}, **options)
    second = search(recipes=["w8", "float"], contract={"latency_ratio": "100x"}, **options)
    assert [row.values for row in first.rows] == [row.values for row in second.rows]
    assert first.front == second.front
    file = options["output"] / "measured.json"
    file.write_text("spoilt", encoding="utf-8")
    assert search(recipes=["w8", "float"], **options).front
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 1


def test_without_labels_recipes_go_by_sqnr(tmp_path: Path) -> None:
    options = small(tmp_path / "a")
    with np.load(options["evaluation"]) as arrays:
        np.savez(options["evaluation"], image=arrays["image"])
    found = search(recipes=["w8", "float"], **options)
    assert [each.id for each in found.objectives] == ["sqnr", "size"]
    assert found.notes[0].startswith("accuracy is not compared, SQNR against float is: the evaluation samples have no ")
    assert found.row("a/float").to_json()["values"]["sqnr"] == {"value": None, "interval": None}
    assert found.chosen == "a/float"


def test_memory_is_measured_where_it_is_asked_for(tmp_path: Path) -> None:
    found = search(recipes=["w8"], **(small(tmp_path / "a") | {"by": ("memory",)}))
    assert found.rows[0].values["memory"].value > 0


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    options = small(tmp_path / "a")
    (options["output"] / "recommended").mkdir(parents=True)
    (options["output"] / "recommended" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError) as caught:
        search(recipes=["w8"], **options)
    assert "exists and is not a bundle" in str(caught.value)
    assert (options["output"] / "recommended" / "mine.txt").is_file()


def test_a_target_that_is_not_here_has_no_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "none"))
    options = small(tmp_path / "a") | {"by": ("latency", "size")}
    found = search(recipes=["w8", "float"], target="arm64", contract={"latency_ratio": "1x"}, **options)
    assert [each.id for each in found.objectives] == ["size"]
    assert found.notes[0].startswith("latency is not compared: the target's instruction set is ")
    assert (found.exit_code, found.chosen, found.verdict and found.verdict.word) == (0, "a/w8", "checked")
    assert found.rows[0].verdict is not None
    assert found.rows[0].verdict.excused >= {"latency_ratio"}


def test_a_trial_that_was_altered_is_tried_again(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    found = search(recipes=["w8"], **options)
    point = found.rows[0].point
    assert point is not None
    (point.bundle.path / "model.onnx").write_bytes(b"altered")
    search(recipes=["w8"], told=told, **options)
    assert told.fresh == ["a/w8"]


def test_a_folder_that_moves_is_gone_on_with(tmp_path: Path) -> None:
    options, told = small(tmp_path / "a"), Told()
    search(recipes=["w8"], **options)
    shutil.move(options["output"], tmp_path / "moved")
    search(recipes=["w8"], told=told, **(options | {"output": tmp_path / "moved"}))
    assert told.fresh == []


class Counting(Executor):
    """An executor of the caller's."""

    def __init__(self) -> None:
        self.pool, self.tasks = ThreadPoolExecutor(1), 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self.tasks += 1
        return self.pool.submit(function, *arguments, **named)


def test_an_executor_of_the_caller(tmp_path: Path) -> None:
    executor, options = Counting(), small(tmp_path / "a")
    found = edgec.search(recipes=["w8", "w4"], executor=executor, **options)
    assert (executor.tasks, len(found.rows), found.exit_code) == (2, 2, 0)
    edgec.search(recipes=["w8", "w4"], executor=executor, **options)
    assert executor.tasks == 2
    executor.pool.shutdown()


def test_in_processes_the_same_front(tmp_path: Path) -> None:
    one = search(recipes=["a8w8", "w8", "w4"], **small(tmp_path / "a"))
    two = search(
        recipes=["a8w8", "w8", "w4"],
        **(small(tmp_path / "b" / "a") if (tmp_path / "b").mkdir() is None else {}) | {"jobs": 2},
    )
    assert [(row.name, row.state, row.values) for row in one.rows] == [
        (row.name, row.state, row.values) for row in two.rows
    ]
    assert one.chosen == two.chosen
