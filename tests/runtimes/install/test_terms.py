"""A vendor's licence is named before anything is fetched, and nothing is fetched before it is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgec.errors import InstallError, OptionError
from edgec.runtimes.install.component import components
from edgec.runtimes.install.install import install
from edgec.runtimes.install.plan import plan_install
from edgec.runtimes.install.terms import accepted_terms, terms_lines
from edgec.runtimes.places import places

COMPONENT, CUDA = (each for each in components().values() if each.terms is not None)


@pytest.fixture(autouse=True)
def unaccepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "runtimes"))
    monkeypatch.delenv("EDGEC_ACCEPT_LICENSES", raising=False)
    if reason := places()["qnn-htp"].impossible():
        pytest.skip(reason)


def brought(accept: tuple[str, ...] = ()) -> list[str]:
    """Names of the components that an install fetches."""
    fetched: list[str] = []

    def fetch(component: Any, into: Path, say: Any) -> list[Any]:
        fetched.append(component.name)
        return []

    def check(place: Any, home: Path) -> Any:
        return None

    install(plan_install(["qnn-htp"]), fetch=fetch, check=check, accept=accept)
    return fetched


def test_nothing_is_fetched_before_it_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        brought()
    assert str(caught.value) == (
        f"{COMPONENT.name}: comes under the Qualcomm AI Stack License, which is not accepted. In short: to develop "
        "software applications of your own with; not to be passed on by itself; whoever downloads or uses it accepts "
        "it. Read it (onnxruntime_qnn/Qualcomm_LICENSE.pdf in the package), then accept it: --accept-license qnn, or "
        "EDGEC_ACCEPT_LICENSES=qnn."
    )
    assert not (tmp_path / "runtimes").exists()


def test_accepting_it_in_words_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert brought(("qnn",)) == [COMPONENT.name]
    plan_install(["qnn-htp"])
    for text in ("qnn", "other, qnn", "other qnn"):
        monkeypatch.setenv("EDGEC_ACCEPT_LICENSES", text)
        assert "qnn" in accepted_terms(())


def test_accepting_another_one_does_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_ACCEPT_LICENSES", "qnn2 everything *")
    with pytest.raises(InstallError):
        brought()


def test_a_licence_nobody_asks_for() -> None:
    with pytest.raises(OptionError) as caught:
        accepted_terms(("qn",))
    assert str(caught.value) == "--accept-license qn: is no licence that edgec asks for. Known are cuda, qnn."


def test_it_is_named_with_the_place_of_its_text(tmp_path: Path) -> None:
    line, more = terms_lines((COMPONENT, CUDA), tmp_path)
    text = tmp_path / COMPONENT.name / "onnxruntime_qnn" / "Qualcomm_LICENSE.pdf"
    assert line == (
        f"  {COMPONENT.name}: Qualcomm AI Stack License: to develop software applications of your own with; not to be "
        f"passed on by itself; whoever downloads or uses it accepts it. Its text: {text}"
    )
    text = tmp_path / CUDA.name / "nvidia_cuda_runtime-13.5.37.dist-info" / "licenses" / "License.txt"
    assert more == (
        f"  {CUDA.name}: End User License Agreement of the CUDA Toolkit, and that of cuDNN: for systems with NVIDIA "
        "GPUs; to be passed on only as part of an application of your own, as they say; whoever downloads or uses them "
        f"accepts them. Its text: {text}"
    )
