"""Every way in which the JavaScript runner may fail is one error that names it; it leaves with its client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.hosts import gone, model, until
from support.node import NEEDS_NODE, library, node_place

from edgec.errors import HostError, ModelError
from edgec.runtimes import runner
from edgec.runtimes.base import ModelInMemory, SessionSettings
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.web import RUNNER

pytestmark = NEEDS_NODE
X = {"x": np.ones(2, np.float32)}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are not those of Windows")
SEE = "See its last words; `edgec runtime list` says what is installed."
# A worker that never comes back: no promise, no timer, only the engine can end it.
BUSY = "for (;;) {}"


def fails(folder: Path, **code: str) -> str:
    """The error of a run with that library."""
    with closing(node_place(library(folder, **code))) as place:
        session = place.open(model())
        with pytest.raises(HostError) as caught:
            session.run(X)
    assert caught.value.exit_code == 3
    return str(caught.value)


def refused(place: HostRuntime) -> str:
    with closing(place), pytest.raises(HostError) as caught:
        place.open(model())
    return str(caught.value)


# ---- at the start


def test_no_packages_there(tmp_path: Path) -> None:
    message = refused(node_place(tmp_path))
    assert message.startswith(
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: Error: Cannot find module "
    )
    assert message.endswith(". Install it anew: edgec runtime install place --force.")


def test_a_library_that_does_not_compile(tmp_path: Path) -> None:
    place = node_place(library(tmp_path, start="throw new Error('no available backend found');"))
    assert refused(place) == (
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: Error: no available backend found. "
        "Install it anew: edgec runtime install place --force."
    )


def test_a_library_that_hangs_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "2")
    assert refused(node_place(library(tmp_path, start=BUSY))) == (
        "runtime 'place': did not answer within 2 s (start). Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


def test_a_node_without_workers_says_its_last_words(tmp_path: Path) -> None:
    place = node_place(library(tmp_path, start="process.exit(7);"))
    assert refused(place) == (
        "runtime 'place': died (start): exit code 7. Its last words: the worker left with exit code 7. " + SEE
    )


# ---- in the middle of a run


@POSIX
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_it_is_killed(tmp_path: Path, name: str) -> None:
    message = fails(tmp_path, run=f"fs.writeSync(2, 'about to fail\\n'); process.kill(process.pid, '{name}'); {BUSY}")
    assert message == f"runtime 'place': died (run): killed by {name}. Its last words: about to fail. {SEE}"


def test_its_worker_ends(tmp_path: Path) -> None:
    message = fails(tmp_path, run="process.exit(9);")
    assert message == (
        "runtime 'place': died (run): exit code 9. Its last words: the worker left with exit code 9. " + SEE
    )


def test_its_worker_fails_outside_a_request(tmp_path: Path) -> None:
    message = fails(
        tmp_path, run="setTimeout(() => { throw new Error('out of memory'); }, 0); await new Promise(() => {});"
    )
    assert message.startswith("runtime 'place': died (run): exit code 1. Its last words: Error: out of memory | at ")


def test_it_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(node_place(library(tmp_path, run=BUSY))) as place:
        session = place.open(model())
        monkeypatch.setenv("EDGEC_HOST_SECONDS", "1.5")
        with pytest.raises(HostError) as caught:
            session.run(X)
    assert str(caught.value) == (
        "runtime 'place': did not answer within 1.5 s (run). Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


@pytest.mark.parametrize(
    "talk",
    [
        "fs.writeSync(1, 'a library speaks\\n');",
        "console.log('a library speaks');",
        "process.stdout.write('a library speaks\\n');",
        "console.error('a library speaks');",
    ],
)
def test_what_a_library_prints_is_log_and_no_garbage(tmp_path: Path, talk: str) -> None:
    with closing(node_place(library(tmp_path, load=talk, start=talk, create=talk, run=talk))) as place:
        session = place.open(model())
        for _ in range(3):
            np.testing.assert_array_equal(session.run(X)["y"], X["x"])
        host = place._running()
        until(lambda: "a library speaks" in host._child.log(), "what it printed is in the log")


def test_the_next_open_starts_a_fresh_one(tmp_path: Path) -> None:
    with closing(node_place(library(tmp_path, run="if (feeds.x.data.length === 2) process.exit(3);"))) as place:
        first = place.open(model())
        before = place._running().process_id
        with pytest.raises(HostError, match=r"^runtime 'place': died \(run\): exit code 3\."):
            first.run(X)
        one = np.ones(1, np.float32)
        np.testing.assert_array_equal(place.open(model()).run({"x": one})["y"], one)
        assert place._running().process_id != before


# ---- refusals, after which it goes on


def test_a_kernel_that_fails(tmp_path: Path) -> None:
    problem = 'throw new Error("failed to call OrtRun(). ERROR_CODE: 6, ERROR_MESSAGE: std::bad_alloc");'
    with closing(node_place(library(tmp_path, run=problem))) as place:
        session = place.open(model())
        for ask in (session.run, session.run_seconds, session.placement):
            with pytest.raises(ModelError) as caught:
                ask(X)
            assert str(caught.value) == (
                "model: ONNX Runtime 1.30.0 of runtime 'place' fails when running it: std::bad_alloc. "
                "Check the feeds against the model's inputs; if they are right, it cannot run there."
            )


def test_a_model_it_cannot_open(tmp_path: Path) -> None:
    problem = 'throw new Error("Can\'t create a session. ERROR_CODE: 10, ERROR_MESSAGE: not for me");'
    with closing(node_place(library(tmp_path, create=problem))) as place, pytest.raises(ModelError) as caught:
        place.open(model())
    assert str(caught.value) == (
        "model: ONNX Runtime 1.30.0 of runtime 'place' cannot open it: not for me. "
        "Compile it for a target of that runtime, which pins the opset it loads."
    )


def test_it_has_one_thread_and_no_weights_of_another(tmp_path: Path) -> None:
    weights = {"w": np.zeros(1, np.float32)}
    with closing(node_place(library(tmp_path))) as place:
        for source, settings, problem in (
            (model(), SessionSettings(threads=2), "it has one thread, 2 are asked for"),
            (ModelInMemory(graph=model(), weights=weights), SessionSettings(), "a model comes whole, or as files"),
        ):
            with pytest.raises(HostError) as caught:
                place.open(source, settings)
            assert str(caught.value) == (
                f"runtime 'place': refused a request (open model): {problem}. Report this defect."
            )


def test_a_profile_is_what_is_printed_while_it_is_waited_for(tmp_path: Path) -> None:
    event = (
        '{"cat" : "Node","name" :"r_kernel_time","args" : {"op_name" : "Relu","provider" : "CPUExecutionProvider",'
        '"input_type_shape" : [{"float":[2]}],"output_type_shape" : [{"float":[2]}]}}'
    )
    lines = ["[", '{"cat" : "Session","name" :"model_run","args" : {}},', f"{event},", "]", "no line of it"]
    printed = "".join(f"fs.writeSync(1, {line!r} + '\\n');" for line in lines)
    with closing(
        node_place(library(tmp_path, run="fs.writeSync(1, 'a library speaks\\n');", profile=printed))
    ) as place:
        session = place.open(model())
        session.run(X)
        found = session.placement(X)
        assert [(kernel.name, kernel.op_type, kernel.provider) for kernel in found.kernels] == [
            ("r", "Relu", "CPUExecutionProvider")
        ]
        assert found.evidence == "profile of one run"
        session.run(X)  # what it prints then is log again


# ---- the program, as any client sees it


@contextmanager
def program(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(shutil.which("node")), str(RUNNER), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            hello, _ = runner.read_message(process.stdout)  # type: ignore[arg-type,misc]
            assert hello["process"] == process.pid
            yield process
        finally:
            process.kill()


OPEN = {"do": "open", "providers": ["CPUExecutionProvider"], "settings": {}}


def test_requests_that_are_none_are_refused_and_the_next_is_answered(tmp_path: Path) -> None:
    with program(library(tmp_path)) as process:

        def ask(header: dict, arrays: dict | None = None) -> tuple[dict, dict]:
            runner.write_message(process.stdin, header, arrays or {})  # type: ignore[arg-type]
            return runner.read_message(process.stdout)  # type: ignore[arg-type,return-value]

        assert ask({"do": "dance"}) == ({"error": "request", "message": '"dance" is not a request'}, {})
        assert ask({}) == ({"error": "request", "message": "undefined is not a request"}, {})
        assert ask({"do": "run", "session": 7}) == ({"error": "request", "message": "KeyError: 7"}, {})
        assert ask({**OPEN, "providers": ["XnnpackExecutionProvider"]}) == (
            {"error": "provider", "message": "this ONNX Runtime has no XnnpackExecutionProvider"},
            {},
        )
        header, _ = ask(OPEN, {"model:": np.frombuffer(model(), np.uint8)})
        assert (header["session"], header["inputs"]) == (1, [["x", "tensor(float)", ["N"]]])
        _, found = ask({"do": "run", "session": 1}, X)
        np.testing.assert_array_equal(found["y"], 1)
        assert ask({"do": "run", "session": 1, "outputs": False}, X)[1] == {}
        assert ask({"do": "close", "session": 1}) == ({}, {})
        assert ask({"do": "run", "session": 1}, X)[0]["message"] == "KeyError: 1"


def test_it_leaves_when_its_input_closes(tmp_path: Path) -> None:
    with program(library(tmp_path)) as process:
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(60) == 0


def test_it_leaves_in_the_middle_of_a_run_too(tmp_path: Path) -> None:
    with program(library(tmp_path, run=BUSY)) as process:
        runner.write_message(process.stdin, OPEN, {"model:": np.frombuffer(model(), np.uint8)})  # type: ignore[arg-type]
        runner.read_message(process.stdout)  # type: ignore[arg-type]
        runner.write_message(process.stdin, {"do": "run", "session": 1}, X)  # type: ignore[arg-type]
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(60) == 0


@POSIX
def test_it_leaves_when_nobody_reads(tmp_path: Path) -> None:
    with program(library(tmp_path)) as process:
        process.stdout.close()  # type: ignore[union-attr]
        runner.write_message(process.stdin, OPEN, {"model:": np.frombuffer(model(), np.uint8)})  # type: ignore[arg-type]
        assert process.wait(60) == 0


@pytest.mark.parametrize("sent", [b"hello", b"EDGC" + bytes(12) + b"EDGCEDGCEDGCEDGC", b"GET / HTTP/1.1\r\n\r\n"])
def test_garbage_ends_it(tmp_path: Path, sent: bytes) -> None:
    with program(library(tmp_path)) as process:
        process.stdin.write(sent)  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(60) in (0, 1)


@POSIX
def test_ctrl_c_is_the_clients(tmp_path: Path) -> None:
    with closing(node_place(library(tmp_path))) as place:
        session = place.open(model())
        number = place._running().process_id
        os.kill(number, 2)
        np.testing.assert_array_equal(session.run(X)["y"], X["x"])
        assert place._running().process_id == number
    until(lambda: gone(number), "it ends")


def test_it_imports_nothing_but_node_and_its_core() -> None:
    """The core imports nothing at all: a page loads it as it is."""
    import re

    imports = {
        name: set(re.findall(r'from "([^"]+)"', RUNNER.with_name(name).read_text(encoding="utf-8")))
        for name in (file.name for file in RUNNER.parent.glob("*.mjs"))
    }
    ours = {name: {each for each in found if not each.startswith("node:")} for name, found in imports.items()}
    assert ours == {
        "messages.mjs": set(),
        "sessions.mjs": set(),
        "wasm.mjs": {"./sessions.mjs"},
        "native.mjs": {"./sessions.mjs"},
        "page.mjs": {"./messages.mjs", "./sessions.mjs", "./wasm.mjs"},
        "stdio.mjs": {"./messages.mjs"},
        "worker.mjs": {"./messages.mjs", "./stdio.mjs"},
        "runner.mjs": {"./sessions.mjs", "./stdio.mjs", "./wasm.mjs", "./worker.mjs"},
        "gpu.mjs": {"./native.mjs", "./sessions.mjs", "./stdio.mjs", "./worker.mjs"},
        "browser.mjs": {"./messages.mjs", "./stdio.mjs"},
    }
    assert all(imports[name] == ours[name] for name in ("messages.mjs", "sessions.mjs", "wasm.mjs", "page.mjs"))
    for name in ("messages.mjs", "sessions.mjs", "wasm.mjs"):
        assert not re.search(r"\b(process|require|window|document)\b", RUNNER.with_name(name).read_text())
