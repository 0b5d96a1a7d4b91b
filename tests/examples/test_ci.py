"""The samples for CI: valid by their schemas, and their very commands gate a repository made as docs/ci.md says."""

from __future__ import annotations

import json
import logging
import re
import shlex
import shutil
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.ci import Job, github, gitlab, shell
from support.ci_desk import TOOLS, Desk, Tools, python
from support.typed import blocks, typed

from edgec.compiler.clauses import CLAUSE_KINDS

_log = logging.getLogger(__name__)

SAMPLE = Path("examples/ci")
WORKFLOW, PIPELINE, HOOKS = ".github/workflows/edgec.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None or shutil.which("bash") is None, reason="no git, or no bash here"),
]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    made = Tools(folder)
    got = made.call("python", "-m", "pip", "install", "--quiet", *TOOLS)
    if got.returncode != 0:
        pytest.skip(f"{', '.join(TOOLS)} cannot be installed: {got.stderr[-300:]}")
    yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(repository: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The machine of somebody who typed what docs/ci.md says; half a gigabyte, which goes with it."""
    folder = tmp_path_factory.mktemp("desk")
    made = Desk(folder, {**python(folder, wheel), "EDGEC": str(repository)})
    made.seconds.update(typed(blocks(repository / "docs/ci.md")[0], folder, made.environment))
    yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def runner(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a runner: an empty Python."""
    folder = tmp_path_factory.mktemp("runner")
    yield python(folder, wheel)
    shutil.rmtree(folder)


def noise(model: Path) -> None:
    """Spoil what the network learned: noise on the weights of its head."""
    proto = onnx.load(model)
    draw = np.random.default_rng(0)
    (head,) = [tensor for tensor in proto.graph.initializer if len(tensor.dims) == 2]
    weights = numpy_helper.to_array(head)
    head.CopyFrom(
        numpy_helper.from_array((weights + draw.normal(0, 3 * weights.std(), weights.shape)).astype("f4"), head.name)
    )
    onnx.save(proto, model)


@pytest.mark.parametrize(
    ("schema", "file", "right", "wrong"),
    [
        ("vendor.github-workflows", WORKFLOW, "timeout-minutes: 60", "timeout-minutes: soon"),
        ("vendor.gitlab-ci", PIPELINE, "when: always", "when: never again"),
    ],
)
def test_pipelines_are_valid_by_their_schemas(
    schema: str, file: str, right: str, wrong: str, repository: Path, tools: Tools, tmp_path: Path
) -> None:
    found = tools.call("check-jsonschema", "--builtin-schema", schema, repository / SAMPLE / file)
    assert found.returncode == 0, found.stdout
    text = (repository / SAMPLE / file).read_text()
    spoilt = tmp_path / "spoilt.yml"
    spoilt.write_text(text.replace(right, wrong))
    assert wrong in spoilt.read_text()
    assert tools.call("check-jsonschema", "--builtin-schema", schema, spoilt).returncode == 1


def test_hooks_and_container_file_are_valid(repository: Path, tools: Tools) -> None:
    assert tools.call("pre-commit", "validate-config", repository / SAMPLE / HOOKS).returncode == 0
    assert tools.call("pre-commit", "validate-manifest", repository / ".pre-commit-hooks.yaml").returncode == 0
    linted = tools.call("hadolint", "--failure-threshold", "warning", repository / SAMPLE / "Containerfile")
    assert linted.returncode == 0, linted.stdout


def test_the_hooks_of_the_repository_are_those_of_the_sample(repository: Path, tools: Tools) -> None:
    (local,) = tools.yaml(repository / SAMPLE / HOOKS)["repos"]
    ours = tools.yaml(repository / ".pre-commit-hooks.yaml")
    same = ("id", "name", "files", "pass_filenames", "language", "stages")
    assert [[hook.get(key) for key in same] for hook in local["hooks"]] == [
        [hook.get(key) for key in same] for hook in ours
    ]
    for mine, theirs in zip(ours, local["hooks"], strict=True):
        assert theirs["entry"].startswith(mine["entry"])


def test_the_document_needs_ten_commands_at_most(repository: Path, desk: Desk) -> None:
    """Its times: --log-cli-level=INFO."""
    assert len(blocks(repository / "docs/ci.md")[0]) <= 10
    for command, seconds in desk.seconds.items():
        _log.info("%6.1f s  %s", seconds, command)
    _log.info("%6.1f s", sum(desk.seconds.values()))


def test_a_baseline_is_begun_as_the_document_says(repository: Path, desk: Desk) -> None:
    update, compare = (line for line in blocks(repository / "docs/ci.md")[1])
    code, said = shell(update, desk.repository, desk.environment)
    assert code == 0, said
    code, said = shell(compare, desk.repository, desk.environment)
    assert code in (0, CLAUSE_KINDS["latency_ratio"].exit_code), said  # the machine may be busy


def test_a_commit_that_cannot_compile_is_refused(desk: Desk) -> None:
    clone = desk.clone("commit")

    def commit(edit: str) -> tuple[int, str]:
        code, said = shell(f"{edit} && git commit -qam 'Another limit'", clone, desk.environment)
        return code, " ".join(said.split())

    assert shell("pre-commit install", clone, desk.environment)[0] == 0
    code, said = commit('sed -i \'s/"97%"/"97"/\' edgec.toml')
    assert (code, "edgec.toml: contract.accuracy: " in said) == (1, True), said
    code, said = commit('sed -i \'s/"97"/"96%"/\' edgec.toml')
    assert code == 0, said
    code, said = commit("echo spoilt > digits.onnx")
    assert (code, "digits/host: " in said) == (1, True), said


def test_a_push_needs_bundles_of_these_models(desk: Desk) -> None:
    words = "pre-commit run --hook-stage pre-push --all-files"
    code, said = shell(words, desk.repository, desk.environment)
    assert (code, "edgec check" in said, "dry-run" in said) == (0, True, False), said
    code, said = shell(words, desk.clone("push"), desk.environment)
    assert (code, "was not built. Build it: edgec build" in " ".join(said.split())) == (1, True), said


def run_github(tools: Tools, clone: Path, cache: Path, environment: Mapping[str, str]) -> Job:
    return github(tools.yaml(clone / WORKFLOW)["jobs"]["models"], clone, cache, environment)


def run_gitlab(tools: Tools, clone: Path, cache: Path, environment: Mapping[str, str]) -> Job:
    return gitlab(tools.yaml(clone / PIPELINE)["models"], clone, cache, environment)


@pytest.mark.parametrize("system", [run_github, run_gitlab])
def test_a_good_model_passes_and_a_noised_one_fails_by_name(
    system: Callable[..., Job], desk: Desk, runner: Mapping[str, str], tools: Tools, repository: Path, tmp_path: Path
) -> None:
    def run(name: str, *, noised: bool = False) -> tuple[Job, Path]:
        clone = desk.clone(f"{system.__name__}-{name}")
        shutil.copy(repository / SAMPLE / PIPELINE, clone)
        if noised:
            noise(clone / "digits.onnx")
        return system(tools, clone, tmp_path / "cache", runner), clone

    good, clone = run("good")
    assert good.code == 0, good.said
    assert "| digits/host | **proved** |  |" in good.summary
    assert tools.call("junitparser", "verify", clone / "edgec.xml").returncode == 0
    again, _ = run("again")
    assert again.code == 0, again.said
    assert re.search(r"digits/host +proved +[\d.]+ +cached", again.said), again.said

    bad, clone = run("noised", noised=True)
    assert bad.code in (CLAUSE_KINDS["accuracy"].exit_code, 1), bad.said  # 1: another clause was caught in noise
    (row,) = [line for line in bad.summary.splitlines() if line.startswith("| digits/host | **broken** |")]
    assert "accuracy (" in row
    assert ", limit 97%)" in row
    assert tools.call("junitparser", "verify", clone / "edgec.xml").returncode == 1
    failures = {
        case.get("name"): failure.get("type")
        for case in ElementTree.parse(clone / "edgec.xml").iter("testcase")
        if (failure := case.find("failure")) is not None
    }
    assert failures["accuracy"] == "broken"
    assert "size_ratio" not in failures  # integers stayed: they are not to blame
    assert "float itself misses the limit with 0." in bad.summary
    results = json.loads((clone / "edgec.sarif").read_text())["runs"][0]["results"]
    assert "accuracy" in [result["ruleId"] for result in results]
    assert {"edgec.sarif", "edgec.xml"} <= set(bad.kept)


def test_the_container_file_installs_edgec_for_somebody_who_is_not_root(
    repository: Path, wheel: Path, tmp_path: Path
) -> None:
    """Its commands, in an empty Python; no container is built."""
    text = (repository / SAMPLE / "Containerfile").read_text()
    said = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in said] == ["FROM", "ARG", "RUN", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]
    words = dict(said)  # of RUN the last
    name, _, value = words["ARG"].partition("=")
    install, user = (words for word, words in said if word == "RUN")
    assert re.search(rf"--uid {words['USER']} ", user)
    assert words["USER"] != "0"
    environment = {**python(tmp_path, wheel), name: value}
    code, told = shell(install, tmp_path, environment, "-e")
    assert code == 0, told
    command = shlex.join(json.loads(words["ENTRYPOINT"]) + json.loads(words["CMD"]))
    code, told = shell(command, tmp_path, environment)
    assert code == 0, told
    assert "edgec compile model.onnx" in told
    shutil.rmtree(tmp_path / "python")
