"""The page of a passing, a failing and a mixed-precision compile in a real browser: light, dark, on a phone, on paper.

`EDGEC_SCREENSHOTS` names a folder where screenshots and PDFs stay, to be looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support import planted
from support.browser import Browser, Look, browser

import edgec
from edgec.bundle import Bundle
from edgec.runtimes import runtime
from edgec.runtimes.chromium import in_chromium
from edgec.runtimes.install.home import home

pytestmark = pytest.mark.targets

LOOKS: Mapping[str, Look] = {
    "light": Look(),
    "dark": Look(scheme="dark"),
    "phone": Look(width=390),
    "phone-dark": Look(width=390, scheme="dark"),
    "paper": Look(width=680, media="print"),
}
PAGES = ("passing", "failing", "mixed")
# Elements that reach beyond the page, but for what scrolls inside itself.
BEYOND = """[...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !e.closest('.scroll, pre, details:not([open])') && !e.closest('svg')).map(e => e.outerHTML.slice(0, 80))"""
# Text whose colour is too near that of what lies behind it, by WCAG 2.2.
FAINT = """(() => {
  const shade = c => { const p = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
      if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
  const words = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  const all = [...document.querySelectorAll('body *')].filter(e => words(e) && !e.matches('title, desc, script'));
  return all.filter(e => {
    const colour = e.closest('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color;
    const [a, b] = [shade(colour), shade(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5; }).map(e => e.outerHTML.slice(0, 80)); })()"""


@pytest.fixture(scope="module")
def bundles(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("pages")
    clash, gate = planted.clashing_concat(3), planted.saturating_sigmoid(3)
    common = {"scheme": "a8w8", "cache": False}
    return {
        "passing": edgec.compile(
            digits / "digits.onnx",
            calibration=digits / "calibration.npz",
            evaluation=digits / "evaluation.npz",
            contract={"accuracy_drop": "1pt", "size_ratio": "0.4x", "integer_macs": "95%"},
            output=folder / "passing",
            **common,
        ),
        "failing": edgec.compile(
            clash.model,
            calibration=clash.calibration,
            evaluation=clash.evaluation,
            contract={"sqnr": "30dB", "cosine": "0.999cos", "size_ratio": "0.2x", "integer_macs": "90%"},
            search=False,
            output=folder / "failing",
            **common,
        ),
        "mixed": edgec.compile(
            gate.model,
            calibration=gate.calibration,
            evaluation=gate.evaluation,
            contract={"sqnr": "20dB", "integer_macs": "40%"},
            exclude_nodes=("^gate$",),
            search=False,
            output=folder / "mixed",
            **common,
        ),
    }


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    place = runtime("web-wasm-chromium")
    if reason := place.available():
        pytest.skip(f"no headless Chromium: {reason}")
    environment = in_chromium(home()).environment
    with browser(Path(environment["EDGEC_BROWSER"]), environment["EDGEC_BROWSER_LIBRARIES"]) as found:
        yield found


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("EDGEC_SCREENSHOTS") or tmp_path_factory.mktemp("shots"))


def test_the_three_are_what_they_are_named(bundles: dict[str, Bundle]) -> None:
    words = {name: json.loads((each.proof / "verdict.json").read_text())["word"] for name, each in bundles.items()}
    assert words == {"passing": "proved", "failing": "broken", "mixed": "proved"}
    placed = json.loads((bundles["mixed"].proof / "proof.json").read_text())["placement"]
    assert 0 < placed["integer_mac_share"] < 1


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wrong_with_a_page(
    bundles: dict[str, Bundle], tab: Browser, shots: Path, page: str, look: str
) -> None:
    file = bundles[page].proof / "report.html"
    tab.said.clear()
    tab.asked.clear()
    tab.open(file, LOOKS[look])
    assert tab.asked == [file.as_uri()]
    width = tab.evaluate("document.documentElement.clientWidth")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(BEYOND) == []
    assert tab.evaluate(FAINT) == []
    tab.screenshot(shots / f"{page}-{look}.png")
    assert (shots / f"{page}-{look}.png").stat().st_size > 50_000
    assert tab.said == []


def test_dark_is_dark_and_paper_is_white(bundles: dict[str, Bundle], tab: Browser) -> None:
    file = bundles["passing"].proof / "report.html"
    grounds = {}
    for name in ("light", "dark"):
        tab.open(file, LOOKS[name])
        grounds[name] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}
    tab.look(Look(scheme="dark", media="print"))
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(27, 29, 33)"


def test_what_is_folded_away_is_printed(bundles: dict[str, Bundle], tab: Browser, shots: Path) -> None:
    tab.open(bundles["mixed"].proof / "report.html", LOOKS["light"])
    folded = "document.querySelector('details table').getBoundingClientRect().height"
    assert tab.evaluate("document.querySelectorAll('details[open]').length") == 0
    tab.look(LOOKS["paper"])
    assert tab.evaluate(folded) > 0
    tab.look(LOOKS["light"])
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")  # for browsers that print what is folded only when opened
    assert tab.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    for page in PAGES:
        tab.open(bundles[page].proof / "report.html", LOOKS["light"])
        tab.pdf(shots / f"{page}.pdf")
        assert (shots / f"{page}.pdf").read_bytes().startswith(b"%PDF")
    assert tab.said == []


def test_a_hostile_name_runs_nothing(bundles: dict[str, Bundle], tab: Browser, tmp_path: Path) -> None:
    """A page that failed to escape would still run nothing: its policy forbids every script but its own."""
    html = (bundles["passing"].proof / "report.html").read_text(encoding="utf-8")
    page = tmp_path / "hostile.html"
    page.write_text(html.replace("<main>", "<main><script>document.title = 'run'</script>", 1), encoding="utf-8")
    tab.said.clear()
    tab.open(page, LOOKS["light"])
    assert tab.evaluate("document.title") != "run"
    assert any("Content Security Policy" in said for said in tab.said)
    tab.said.clear()
