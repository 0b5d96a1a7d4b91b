"""What pyproject.toml ships is what lies on disk."""

from __future__ import annotations

import tomllib
from pathlib import Path

APART = ("tests", "examples", "docs", "build", "dist")
AT_ROOT = {"__init__.py", "__main__.py", "bundle.py", "errors.py"}


def folders_with_code(root: Path) -> set[Path]:
    """Folders of the package that hold Python files, relative to the root."""
    rooms = [entry for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "." and entry.name not in APART]
    return {file.parent.relative_to(root) for room in rooms for file in room.rglob("*.py")}


def test_packages_are_the_folders(repository: Path) -> None:
    listed = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    found = {".".join(("edgec", *folder.parts)) for folder in folders_with_code(repository)}
    assert listed["tool"]["setuptools"]["packages"] == sorted({"edgec"} | found)


def test_data_are_the_files_that_are_no_python(repository: Path) -> None:
    """The runner's twin is JavaScript, and ships beside it."""
    listed = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    shipped = {
        file.relative_to(repository)
        for package, patterns in listed["package-data"].items()
        for pattern in patterns
        for file in (repository / Path(*package.split(".")[1:])).glob(pattern)
    }
    needed = {file.relative_to(repository) for file in (repository / "runtimes").rglob("*.mjs")}
    assert needed
    assert needed <= shipped


def test_every_folder_of_the_package_is_a_package(repository: Path) -> None:
    bare = [folder for folder in folders_with_code(repository) if not (repository / folder / "__init__.py").is_file()]
    assert not bare


def test_nothing_else_at_the_root_would_ship(repository: Path) -> None:
    assert {file.name for file in repository.glob("*.py")} == AT_ROOT
