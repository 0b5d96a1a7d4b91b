"""What a runner of CI does with a job of a workflow file: its commands in their order, in a shell.

Nothing of GitHub or GitLab runs here: caches and uploads are done by hand, conditions are read so far as the samples
write them; what is not known is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Job", "github", "gitlab", "shell"]


@dataclass(frozen=True)
class Job:
    """How a job ended.

    Attributes:
        code: The exit code of the command that failed it; 0 where none did.
        said: What its commands printed.
        summary: The Markdown that reviewers see.
        kept: The files that were uploaded, by their paths in the checkout.
    """

    code: int
    said: str
    summary: str
    kept: tuple[str, ...]


def shell(script: str, folder: Path, environment: Mapping[str, str], *flags: str) -> tuple[int, str]:
    """Exit code and words of a bash script."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", *flags, "-c", script],
        cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip
    return done.returncode, done.stdout


def github(job: Mapping[str, Any], checkout: Path, cache: Path, environment: Mapping[str, str]) -> Job:
    """Run a job of a GitHub workflow.

    Args:
        job: One of `jobs`.
        checkout: A clean clone.
        cache: A folder that stays from run to run.
        environment: Of every step; PATH holds the Python that was set up.
    """
    files = {name: checkout.parent / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for file in files.values():
        file.write_text("")
    own = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(checkout)}
    values = {**environment, **own, **{name: str(file) for name, file in files.items()}}
    code, said, kept, restored = 0, "", (), {}
    for step in job["steps"]:
        if not _is_due(step, checkout, failed=code != 0):
            continue
        match step.get("uses", "").partition("@")[0]:
            case "":
                assert "${{" not in step["run"]  # shells get values by their environment
                ended, words = shell(step["run"], checkout, values, "-e")
                code, said = code or ended, said + words
            case "actions/checkout" | "actions/setup-python":
                pass
            case "actions/cache":
                assert "key=edgec-" in files["GITHUB_OUTPUT"].read_text()
                restored[checkout / step["with"]["path"]] = cache / step["with"]["path"]
                _copy(cache / step["with"]["path"], checkout / step["with"]["path"])
            case "actions/upload-artifact":
                kept += tuple(step["with"]["path"].split())
            case "github/codeql-action/upload-sarif":
                kept += (step["with"]["sarif_file"],)
            case other:
                raise AssertionError(f"what is {other}?")
    for here, there in restored.items() if code == 0 else ():
        _copy(here, there)
    assert all((checkout / path).exists() for path in kept), kept
    return Job(code=code, said=said, summary=files["GITHUB_STEP_SUMMARY"].read_text(), kept=kept)


def gitlab(job: Mapping[str, Any], checkout: Path, cache: Path, environment: Mapping[str, str]) -> Job:
    """Run a job of `.gitlab-ci.yml`: all its lines in one shell that stops at the first failure."""
    own = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(checkout)}
    said = {name: value.replace("$CI_PROJECT_DIR", str(checkout)) for name, value in job["variables"].items()}
    for path in job["cache"]["paths"]:
        _copy(cache / path, checkout / path)
    script = "\n".join([*job["before_script"], *job["script"]])
    code, words = shell(script, checkout, {**environment, **own, **said}, "-eo", "pipefail")
    for path in job["cache"]["paths"] if code == 0 else ():
        _copy(checkout / path, cache / path)
    kept = (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"])
    assert job["artifacts"]["when"] == "always"
    assert all((checkout / path).exists() for path in kept), kept
    return Job(code=code, said=words, summary=(checkout / "edgec.md").read_text(), kept=kept)


def _is_due(step: Mapping[str, Any], checkout: Path, *, failed: bool) -> bool:
    """Whether a step runs: after a failure only where its condition says so."""
    if "if" not in step:
        return not failed
    terms = step["if"].removeprefix("${{").removesuffix("}}").split("&&")
    return all(_holds(term.strip(), checkout) for term in terms)


def _holds(term: str, checkout: Path) -> bool:
    if found := re.fullmatch(r"hashFiles\('(.+)'\) != ''", term):
        return (checkout / found[1]).is_file()
    assert term in ("!cancelled()", "!github.event.pull_request.head.repo.fork"), term
    return True


def _copy(source: Path, into: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, into, dirs_exist_ok=True)
