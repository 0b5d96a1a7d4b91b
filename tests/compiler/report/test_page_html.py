"""The HTML of a page: well-formed, self-contained, escaped, legible; written whole, and the same each time."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import planted
from support.pages import kernel, metric, result, sources

import edgec
from edgec.bundle import Bundle
from edgec.compiler.building.job import Job
from edgec.compiler.building.outcome import Outcome
from edgec.compiler.diagnose import diagnose
from edgec.compiler.report.page.index import index_rows, write_index
from edgec.compiler.report.page.sources import Sources, sources_of
from edgec.compiler.report.page.write import page_html, style, write_page
from edgec.errors import OutputError

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """Checks that elements nest; collects ids, what refers elsewhere, scripts and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labelled: list[str] = []
        self.scripts = 0
        self.elements: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"<{tag}> has an attribute twice"
        assert not [name for name in values if name.startswith("on")], f"<{tag}> carries a script"
        self.elements.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [
            str(values[name]) for name in ("href", "src", "xlink:href", "srcset", "action") if name in values
        ]
        for name in ("aria-labelledby", "aria-describedby"):
            self.labelled += (values.get(name) or "").split()
        self.links += re.findall(r"url\(([^)]*)\)", values.get("style") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
DEPTH = {"sample": "eval.npz[0]", "values": [[0, "x", "input", None], [3, "r", "Relu", 30.0], [5, "y", "Conv", 20.0]]}
HISTOGRAM = {
    "name": "r", "reader": "conv", "step": 0.02, "clip": [-1.0, 1.0], "span": [-1.5, 1.5],
    "counts": {"calibration": [1, 2, 3, 2], "evaluation": [0, 2, 3, 3]}, "sqnr_db": 33.3,
}  # fmt: skip
DIAGNOSIS = {
    "cause": "outlier", "sqnr_db": 5.0, "unseen_sqnr_db": None, "error_by_depth": [], "guilty": [], "notes": ["half"],
    "findings": [{
        "cause": "outlier", "meaning": "one channel sets the scale", "recovered": 0.9,
        "sites": [{"name": "r1", "evidence": "60 times"}],
    }],
    "births": [{"node": None, "value": "x", "op": "input", "share": 0.5}],
    "repairs": [{"title": "gptq", "failed": "", "gain_db": 4.2, "sqnr_db": 9.2, "integer_share": 1.0}],
    "best": {"title": "gptq", "lines": ['rounding = "gptq"']},
}  # fmt: skip


def everything(name: str = "r") -> Sources:
    """Records of every kind, in which whatever the model names has this name."""
    off = {"op": name, "nodes": [name], "provider": "CPUExecutionProvider", "reason": name, "mend": name}
    broken = result(
        "sqnr", "broken", limit="60dB", measured=35.65, unit="dB", interval=[30.0, 40.0], n=500, reason=name
    )
    found = sources(
        "broken",
        [broken, result("accuracy", "inconclusive", limit="90%", measured=90.0, unit="%", interval=[88.0, 92.0])],
        scored=metric(name=name),
        placement={"off_wanted": [off], "uncounted": [name]},
        manifest={
            "source": {"origin": name, "digest": "a"}, "notes": [name], "files": {name: {"bytes": 1, "sha256": "f"}},
        },
        depth={**DEPTH, "sample": name, "values": [[0, name, name, 10.0]]},
        coverage={"mismatched": [name], "histograms": [{**HISTOGRAM, "name": name, "reader": name}]},
        diagnosis={**DIAGNOSIS, "notes": [name], "best": {"title": name, "lines": [name]}},
        compiled={
            "reason": name, "seconds": {name: 1.0}, "passes": [],
            "float_nodes": [{"name": name, "op": "Conv", "inputs": [], "outputs": [name], "reason": name}],
        },
        recipe={"passes": [{"kind": name, "option": name}], "measured": {name: name}},
    )  # fmt: skip
    found.proof["placement"]["kernels"].append(kernel(name, name, 50))
    found.proof["evaluation"]["outputs"][name] = found.proof["evaluation"]["outputs"]["logits"]
    return found


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0, "a", "Conv", None]], "<p>Every value that was compared is identical.</p>"),
        ([[0, "a", "Conv", 9.0]], "<summary>The lowest value</summary>"),
        ([[0, "a", "Conv", 9.0], [1, "b", "Relu", 8.0]], "<summary>The lowest 2 values</summary>"),
    ],
)
def test_how_many_values_are_lowest(values: list[list[object]], said: str) -> None:
    html = page_html(sources("proved", depth={**DEPTH, "values": values}))
    assert said in html
    assert html.count('aria-label="Lowest values"') == ("The lowest" in said)


@pytest.mark.parametrize(
    "found",
    [
        sources("proved", [result("finite", "met", measured=0.0, n=1)]),
        everything(),
        sources("checked", proof={"unexecuted": "no", "placement": None, "golden": None, "evaluation": None}),
        sources("inconclusive", [result("p95", "unknown", limit="10ms", unit="ms", reason="not timed")]),
    ],
    ids=["proved", "broken", "checked", "inconclusive"],
)
def test_a_page_is_one_sound_document_that_refers_to_nothing_else(found: Sources) -> None:
    html = page_html(found)
    read = Reader(html)
    assert len(read.ids) == len(set(read.ids))
    assert set(read.labelled) <= set(read.ids)
    assert all(link.startswith("#") and link[1:] in read.ids for link in read.links), read.links
    assert read.scripts == 1
    assert not {"img", "link", "iframe", "object", "embed"} & set(read.elements)
    assert "http://" not in html.replace("http-equiv", "")
    assert "https://" not in html
    assert "@import" not in html
    assert read.elements.count("h1") == 1
    assert html.startswith('<!doctype html>\n<html lang="en">')


def test_a_hostile_name_is_words_wherever_it_stands() -> None:
    read = Reader(page_html(everything(HOSTILE)))
    assert (read.scripts, read.elements.count("img")) == (1, 0)
    assert sum(HOSTILE in words for words in read.words) > 15
    assert "49" not in "".join(read.words)  # nor is it a template
    same = Reader(page_html(everything()))
    assert read.elements == same.elements


def test_only_the_script_that_unfolds_for_print_may_run() -> None:
    html = page_html(sources())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_the_same_records_are_the_same_page() -> None:
    assert page_html(everything()) == page_html(everything())


def test_what_nobody_looked_at_says_which_command_does() -> None:
    words = " ".join("".join(Reader(page_html(sources())).words).split())
    assert "Not looked at. edgec diagnose BUNDLE --model MODEL --calibration SAMPLES does it" in words
    assert "None: no ranges were compared" in words


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible_on_what_lies_behind_it(scheme: str) -> None:
    """At least 4.5 (WCAG 2.2, 1.4.3), on paper and on every tint."""
    light, dark = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)[:2]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))
    pairs = [(text, ground) for text in ("ink", "soft", "main", "warm") for ground in ("paper", "wash")]
    pairs += [(tone, ground) for tone in ("good", "bad", "doubt") for ground in ("paper", f"{tone}-wash")]
    pairs += [(text, f"{tone}-wash") for text in ("ink", "soft") for tone in ("good", "bad", "doubt")]
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert min(found.values()) >= 4.5, found


@pytest.fixture(scope="module")
def compiled(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return edgec.compile(
        digits / "digits.onnx",
        calibration=digits / "calibration.npz",
        evaluation=digits / "evaluation.npz",
        contract={"accuracy_drop": "1pt"},
        output=tmp_path_factory.mktemp("page") / "out",
        scheme="a8w8",
        search=False,
        cache=False,
    )


def test_a_compile_writes_its_page_beside_its_proof(compiled: Bundle) -> None:
    html = (compiled.proof / "report.html").read_text(encoding="utf-8")
    found = sources_of(compiled)
    assert found is not None
    assert html == page_html(found)
    read = Reader(html)
    assert len(read.ids) == len(set(read.ids))
    words = "".join(read.words)
    assert all(
        part in words for part in ("Proved", "digits.onnx for host", "stem.relu", "Evidence: profile of one run")
    )
    compiled.verify()  # the page is no payload


def test_no_report_writes_none(digits: Path, compiled: Bundle, tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(compiled.path, tmp_path / "out", ignore=shutil.ignore_patterns("proof")))
    bundle.prove(report=False, latency_runs=10)
    assert sorted(file.name for file in bundle.proof.iterdir()) == ["proof.json", "verdict.json"]
    bundle.prove(latency_runs=10)
    assert (bundle.proof / "report.html").is_file()


def test_a_proof_of_another_payload_has_no_page(compiled: Bundle, tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(compiled.path, tmp_path / "out"))
    file = bundle.proof / "verdict.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "bundle": "0" * 64}), encoding="utf-8")
    assert write_page(bundle) is None


def test_a_page_that_cannot_be_written_is_an_error_in_words(compiled: Bundle, tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(compiled.path, tmp_path / "out"))
    (bundle.proof / "report.html").unlink()
    (bundle.proof / "report.html").mkdir()
    with pytest.raises(OutputError) as caught:
        write_page(bundle)
    assert str(caught.value) == (
        f"{bundle.proof / 'report.html'}: cannot be written: Is a directory. The proof stands, its page does not. "
        "Make its folder writable, or give --no-report."
    )
    assert not [file for file in bundle.proof.iterdir() if file.name.startswith(".")]


def outcomes(compiled: Bundle) -> list[Outcome]:
    verdict = json.loads((compiled.proof / "verdict.json").read_text(encoding="utf-8"))
    jobs = [
        Job(project=Path("edgec.toml"), target=target, output=compiled.path, name=name)
        for name, target in (("digits/host", "host"), ("<b>digits</b>/pi", "raspberry-pi-5"))
    ]
    return [
        Outcome(job=jobs[0], bundle=compiled.path, verdict=verdict, exit_code=0, seconds=1.0),
        Outcome(job=jobs[1], error="it is <i>wrong</i>", exit_code=2, seconds=1.0),
    ]


def test_the_index_of_a_build_links_to_every_page(compiled: Bundle) -> None:
    folder = compiled.path.parent
    html = write_index(folder, outcomes(compiled)).read_text(encoding="utf-8")
    read = Reader(html)
    assert read.links == ["out/proof/report.html"]
    assert (folder / read.links[0]).is_file()
    assert (read.elements.count("b"), read.elements.count("i")) == (0, 0)
    assert "2 bundles: 1 failed, 1 proved" in read.words
    failed, proved = index_rows(folder, outcomes(compiled))
    assert (failed.word, failed.link, failed.missed, failed.size) == ("failed", "", "it is <i>wrong</i>", "–")
    assert (proved.word, proved.drop[-3:], proved.integers) == ("proved", "\N{NO-BREAK SPACE}pt", "100%")


def test_a_diagnosis_is_told_on_the_page_it_was_asked_for_by(tmp_path: Path) -> None:
    case = planted.clashing_concat(3)
    settings = {"scheme": "a8w8", "search": False, "cache": False, "diagnose": False, "evaluation": case.evaluation}
    bundle = edgec.compile(case.model, calibration=case.calibration, output=tmp_path / "out", **settings)
    page = bundle.proof / "report.html"
    assert 'id="diagnosis"' not in page.read_text(encoding="utf-8")
    diagnose(bundle, model=case.model, calibration=case.calibration)
    words = " ".join("".join(Reader(page.read_text(encoding="utf-8")).words).split())
    assert "Shared-scale clash: operands of very different range share one scale" in words
    assert "First what the named cause, shared-scale clash, is about" in words
