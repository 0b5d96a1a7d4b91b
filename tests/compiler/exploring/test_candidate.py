"""Candidates in words, in options, in a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgec.compiler.exploring.candidate import candidates_of, candidates_of_project, read_recipe
from edgec.compiler.project import Project
from edgec.errors import ContractError, OptionError


@pytest.mark.parametrize(
    ("words", "policy", "more"),
    [
        ("a8w8", {"scheme": "a8w8"}, {}),
        ("a8w8,rounding=gptq,search=false", {"scheme": "a8w8", "rounding": "gptq"}, {"search": False}),
        ("w4,block-size=32", {"scheme": "w4", "block_size": 32}, {}),
        ("smooth='0.5'", {"smooth": "0.5"}, {}),
        ("w4,seed=3", {"scheme": "w4"}, {"seed": 3}),
    ],
)
def test_recipes_in_words(words: str, policy: dict[str, Any], more: dict[str, Any]) -> None:
    found = read_recipe(words)
    assert found.policy == policy
    assert {name: getattr(found, name) for name in more} == more


def test_a_lock_is_a_recipe() -> None:
    found = read_recipe("full.lock,search=false")
    assert (found.recipe, found.policy, found.search) == (str(Path("full.lock").absolute()), {}, False)


def test_every_model_under_every_recipe() -> None:
    found = candidates_of(
        ["a.onnx", "nets/b.onnx"],
        {"x": {"scheme": "w8"}, "y": {"scheme": "w4", "seed": 2}},
        {"target": "arm64", "seed": 1, "metric": "top5"},
    )
    assert [each.name for each in found] == ["a/x", "a/y", "b/x", "b/y"]
    assert [(each.request.policy.scheme, each.request.seed, each.request.target) for each in found[2:]] == [
        ("w8", 1, "arm64"), ("w4", 2, "arm64"),
    ]  # fmt: skip
    assert found[0].request.metric is None  # it may not travel
    whole = found[0].whole().metric
    assert whole is not None
    assert whole.name == "top5"


def test_a_project_without_a_search_is_its_own_model(tmp_path: Path) -> None:
    (tmp_path / "edgec.toml").write_text(
        '[model]\npath = "nets/model.onnx"\n[compile]\nscheme = "w8"\ntarget = "arm64"\n', encoding="utf-8"
    )
    (one,) = candidates_of_project(Project.load(tmp_path / "edgec.toml"))
    assert (one.name, one.request.model, one.request.target) == ("nets/w8", f"{tmp_path}/nets/model.onnx", "arm64")


def test_recipes_go_over_compile_and_its_target(tmp_path: Path) -> None:
    (tmp_path / "edgec.toml").write_text(
        '[contract]\nsize = "9MB"\n[compile]\nrounding = "gptq"\nseed = 4\n'
        '[targets.watch]\ntarget = "arm64"\nper_channel = false\n[targets.watch.contract]\nsize = "1MB"\n'
        '[search.models]\na = "a.onnx"\n[search.recipes.x]\nscheme = "a8w8"\n'
        '[search.recipes.y]\nrounding = "nearest"\n',
        encoding="utf-8",
    )
    project = Project.load(tmp_path / "edgec.toml")
    x, y = candidates_of_project(project, "watch")
    assert (x.request.policy.scheme, x.request.policy.rounding, y.request.policy.rounding) == (
        "a8w8",
        "gptq",
        "nearest",
    )
    assert (x.request.target, x.request.seed, x.request.policy.per_channel) == ("arm64", 4, False)
    assert x.request.contract.to_json() == {"size": "1MB", "proof": "checked"}
    assert x.request.model == f"{tmp_path}/a.onnx"
    assert candidates_of_project(project)[0].request.target == "host"


def test_weights_of_a_module_are_for_no_other_model(tmp_path: Path) -> None:
    (tmp_path / "edgec.toml").write_text(
        '[model]\npath = "net:build"\nweights = "w.pth"\ndynamic = { x = "batch,5" }\n'
        '[search.models]\nown = "net:build"\nother = "net:half"\nfile = "a.onnx"\n',
        encoding="utf-8",
    )
    found = {each.model: each.request for each in candidates_of_project(Project.load(tmp_path / "edgec.toml"))}
    assert (found["own"].weights, dict(found["own"].dynamic)) == (tmp_path / "w.pth", {"x": ("batch", 5)})
    assert [(found[name].weights, dict(found[name].dynamic)) for name in ("other", "file")] == [(None, {})] * 2


@pytest.mark.parametrize(
    ("models", "recipes", "options", "message"),
    [
        (["a.onnx", "b/a.onnx"], ["w8"], {}, "MODEL a: is there twice. Name them apart under [search.models]."),
        ([], ["w8"], {}, "MODEL: there is none. Give one at least."),
        (["a.onnx"], [], {}, "recipes: there is none. Give one at least."),
        (["a.onnx"], ["w8", "w8"], {}, "recipes w8: is there twice. Leave one of them out."),
        (["a.onnx"], ["w8"], {"output": "o"}, "option 'output': is not of a search. Leave it out."),
    ],
)
def test_mistakes(models: Any, recipes: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        candidates_of(models, recipes, options)
    assert str(caught.value) == message


def test_a_limit_that_does_not_fit_the_metric() -> None:
    with pytest.raises(ContractError) as caught:
        candidates_of(["a.onnx"], ["w8"], {"metric": "mse", "contract": {"accuracy": "90%"}})
    assert str(caught.value) == "contract: accuracy: '90%' does not fit the metric mse. Write it in 'abs'."
