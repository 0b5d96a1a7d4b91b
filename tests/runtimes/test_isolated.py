"""Another interpreter, by its path or its virtual environment's."""

from __future__ import annotations

import shutil
import sys
import venv

import numpy as np
import pytest
from support.hosts import model

from edgec.errors import HostError
from edgec.runtimes import runtime
from edgec.runtimes.isolated import isolated

X = {"x": np.ones(2, np.float32)}


def refused(interpreter: str) -> str:
    with pytest.raises(HostError) as caught:
        isolated(interpreter).open(model())
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_it_is_known_by_name_and_runs():
    here = runtime(f"python:{sys.executable}")
    assert here.name == f"python:{sys.executable}"
    assert here.available() is None
    np.testing.assert_array_equal(here.open(model()).run(X)["y"], X["x"])
    here.close()


def test_a_virtual_environment_without_onnxruntime(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    folder = tmp_path / "bare"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    assert isolated(str(folder)).available() is None
    assert refused(str(folder)) == (
        f"runtime 'python:{folder}': its interpreter starts, but cannot import onnxruntime: ModuleNotFoundError: "
        f"No module named 'numpy'. Install it there: {python} -m pip install onnxruntime."
    )


def test_a_name_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isolated("python").available() == "python is no program"
    if sys.platform != "win32":
        (tmp_path / "python").symlink_to(sys.executable)
        assert isolated("python").available() is None


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert isolated("~/python").available() == "~/python is no program"
    shutil.copy(sys.executable, tmp_path / "python")
    assert isolated("~/python").available() is None


@pytest.mark.parametrize("given", ["/no/such/python", "", "."])
def test_what_is_no_program(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(given) == (
        f"runtime 'python:{given}': is not available here: {given or 'nothing'} is no program. "
        "See `edgec runtime list`."
    )


def test_it_sees_none_of_our_modules(tmp_path, monkeypatch):
    """Neither those on our path, nor edgec's own `base`, `ort`, `timing` beside the runner."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('ours')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "onnxruntime.py"))
    here = isolated(sys.executable)
    np.testing.assert_array_equal(here.open(model()).run(X)["y"], X["x"])
    here.close()
