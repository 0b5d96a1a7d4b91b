"""The wheel: one top-level name, the listed packages, nothing of the tests, usable alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Without --wheel the wheel is built from the source distribution, so both are complete.
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, repository], check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def test_the_only_top_level_name_is_edgec(names: list[str]) -> None:
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"edgec"}


def test_it_holds_the_listed_packages_and_no_other(repository: Path, names: list[str]) -> None:
    listed = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    found = {str(Path(name).parent.as_posix()).replace("/", ".") for name in names if name.endswith(".py")}
    assert found == set(listed["tool"]["setuptools"]["packages"])


def test_it_holds_the_javascript(repository: Path, names: list[str]) -> None:
    needed = {f"edgec/{file.relative_to(repository).as_posix()}" for file in (repository / "runtimes").rglob("*.mjs")}
    assert needed
    assert needed <= set(names)


def test_its_requirements_are_light(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode("utf-8"))
    core = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert core
    assert not [line for line in core if line.lower().startswith(("torch", "pillow", "pyarrow", "scikit"))]


def test_it_imports_from_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """Unpacked alone, without the repository on the path."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"import edgec, pathlib; print(pathlib.Path(edgec.__file__).is_relative_to({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "True\n"
