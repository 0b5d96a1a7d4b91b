"""Every way in which a host may fail is one error that names it, and nothing is left running."""

from __future__ import annotations

import errno
import os
import select
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.hosts import gone, model, place, spoiled, until

from edgec.errors import HostError, OptionError
from edgec.runtimes.host import process
from edgec.runtimes.host.runtime import HostRuntime

X = {"x": np.ones(2, np.float32)}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are not those of Windows")
SEE = "See its last words; `edgec runtime list` says what is installed."
LEAVE_OUTPUT = "Check the command that starts it: it must leave its standard output to the runner."


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """Processes that guests noted are gone, and what was written to temporary folders with them."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    yield
    notes = tmp_path / "processes"
    for number in notes.read_text().split() if notes.exists() else ():
        until(lambda number=int(number): gone(number), f"process {number} ends")
    until(lambda: not list(scratch.iterdir()), "temporary folders are deleted")


def refused(place: HostRuntime) -> str:
    with pytest.raises(HostError) as caught:
        place.open(model())
    assert caught.value.exit_code == 3
    return str(caught.value)


def fails(place: HostRuntime) -> str:
    session = place.open(model())
    with pytest.raises(HostError) as caught:
        session.run(X)
    assert caught.value.exit_code == 3
    return str(caught.value)


# ---- at the start


def test_a_missing_interpreter():
    assert refused(place(["/no/such/python"])) == (
        f"runtime 'place': cannot be started: /no/such/python: {os.strerror(errno.ENOENT)}. See `edgec runtime list`."
    )


@POSIX
def test_an_interpreter_that_may_not_be_executed(tmp_path):
    file = tmp_path / "python"
    file.write_text("#!/bin/sh\n")
    assert refused(place([str(file)])) == (
        f"runtime 'place': cannot be started: {file}: {os.strerror(errno.EACCES)}. See `edgec runtime list`."
    )


@POSIX
def test_a_file_that_is_no_program(tmp_path):
    file = tmp_path / "python"
    file.write_bytes(b"\x00\x01\x02")
    file.chmod(0o755)
    assert refused(place([str(file)])) == (
        f"runtime 'place': cannot be started: {file}: {os.strerror(errno.ENOEXEC)}. See `edgec runtime list`."
    )


def test_a_program_that_is_no_python(tmp_path):
    message = refused(place([sys.executable, "-c", "import sys; sys.exit('what is this file?')"]))
    assert message == f"runtime 'place': died (start): exit code 1. Its last words: what is this file? {SEE}"


def test_a_program_that_is_silent():
    assert refused(place([sys.executable, "-S", "-c", "pass"])) == (
        "runtime 'place': died (start): exit code 0. Check that machine's memory and its system's log; "
        "it left no words itself."
    )


def test_no_onnxruntime_there():
    assert refused(place([sys.executable, "-S"])) == (
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: "
        "ModuleNotFoundError: No module named 'numpy'. Install it anew: edgec runtime install place --force."
    )


def test_an_onnxruntime_that_cannot_be_loaded(tmp_path):
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libonnxruntime.so.1: wrong ELF class')")
    assert refused(place(site=(tmp_path,))) == (
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: OSError: libonnxruntime.so.1: "
        "wrong ELF class. Install it anew: edgec runtime install place --force."
    )


@POSIX
def test_an_onnxruntime_for_another_processor(tmp_path):
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert refused(place(site=(tmp_path,))) == (
        "runtime 'place': died (start): killed by SIGILL. Check that machine's memory and its system's log; "
        "it left no words itself."
    )


@pytest.mark.parametrize(
    ("printed", "found"), [("hi\\n", rb"hi\n"), ("Loading the accelerator\\n", rb"Loading the acce"), ("EDGY", b"EDGY")]
)
def test_garbage_before_the_first_word(tmp_path, printed, found):
    guest = spoiled(tmp_path, at_start=f"os.write(1, b'{printed}'); time.sleep(1000)")
    assert refused(guest) == (
        f"runtime 'place': answered something else than its runner does (start): b'{found.decode()}'. {LEAVE_OUTPUT}"
    )


def test_another_server_that_speaks_our_messages(tmp_path):
    guest = spoiled(tmp_path, at_start="runner.hello = lambda: {'version': 3}")
    found = b'{"version": 3}'
    assert refused(guest) == (
        f"runtime 'place': answered something else than its runner does (start): {found!r}. {LEAVE_OUTPUT}"
    )


def test_a_host_that_hangs_at_its_start(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "1.5")
    assert refused(spoiled(tmp_path, at_start="time.sleep(1000)")) == (
        "runtime 'place': did not answer within 1.5 s (start). Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


def test_without_a_wish_it_has_two_minutes_to_start(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START_SECONDS", 1.5)
    assert "did not answer within 1.5 s (start)" in refused(spoiled(tmp_path, at_start="time.sleep(1000)"))


def test_a_host_that_takes_no_request(tmp_path, monkeypatch):
    """Its pipe is full in the middle of a large request."""
    guest = spoiled(tmp_path, at_start="runner.read_message = lambda stream: time.sleep(1000)")
    guest.facts()
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "1.5")
    with pytest.raises(HostError) as caught:
        guest.open(bytes(4_000_000))
    assert str(caught.value) == (
        "runtime 'place': did not answer within 1.5 s (open model). "
        "Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


@pytest.mark.parametrize("given", ["soon", "-1", "0", "nan", "inf", "1e300"])
def test_a_deadline_that_is_no_number_of_seconds(monkeypatch, given):
    monkeypatch.setenv("EDGEC_HOST_SECONDS", given)
    with pytest.raises(OptionError) as caught:
        place().open(model())
    assert str(caught.value) == (
        f"EDGEC_HOST_SECONDS: is {given!r}, which is no number of seconds. Set it to one, or unset it."
    )


# ---- in the middle of a run


@POSIX
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_host_that_is_killed(tmp_path, name):
    message = fails(spoiled(tmp_path, at_run=f"os.kill(os.getpid(), signal.{name})"))
    assert message == f"runtime 'place': died (run): killed by {name}. Its last words: about to fail. {SEE}"


def test_a_host_that_leaves(tmp_path):
    message = fails(spoiled(tmp_path, at_run="os._exit(7)"))
    assert message == f"runtime 'place': died (run): exit code 7. Its last words: about to fail. {SEE}"


@POSIX
def test_an_emulator_reports_a_signal_as_an_exit_status(tmp_path):
    message = fails(spoiled(tmp_path, at_run="os._exit(128 + signal.SIGSEGV)"))
    assert message == f"runtime 'place': died (run): killed by SIGSEGV. Its last words: about to fail. {SEE}"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("b'hello, I am a library\\n'", "hello, I am a li"),
        ("runner._HEAD.pack(b'EDGC', 8, 0) + b'no JSON!'", "no JSON!"),
        ("runner._HEAD.pack(b'EDGC', 4, 0) + b'[{}]'", "[{}]"),
        ("runner._HEAD.pack(b'EDGC', 2, 0) + b'{}'", "{}"),
        ("runner._HEAD.pack(b'EDGC', 16, 1) + b'{\"tensors\": [1]}'", '{"tensors": [1]}'),
        ("runner._HEAD.pack(b'EDGC', 14, 9) + b'{\"tensors\":[]}'", '{"tensors":[]}'),
    ],
    ids=["text", "no JSON", "no mapping", "no tensors", "no tensor", "more than announced"],
)
def test_garbage_for_an_answer(tmp_path, sent, shown):
    message = fails(spoiled(tmp_path, at_run=f"stream.write({sent})\nstream.flush()\ntime.sleep(1000)"))
    assert message.startswith(
        f"runtime 'place': answered something else than its runner does (run): {shown.encode()!r}. "
    )
    assert message.endswith(LEAVE_OUTPUT)


def test_what_a_library_prints_is_log_and_no_garbage(tmp_path):
    guest = spoiled(tmp_path, at_run="os.write(1, b'a library speaks\\n')\nsend(stream, header, {'y': 2})")
    session = guest.open(model())
    np.testing.assert_array_equal(session.run(X)["y"], 2)
    guest.close()


def test_a_torn_answer(tmp_path):
    torn = """
import io
whole = io.BytesIO()
send(whole, {}, {"y": bytearray(1000)})
stream.write(whole.getvalue()[:-10])
stream.flush()
os._exit(0)
"""
    message = fails(spoiled(tmp_path, at_run=torn))
    assert message == f"runtime 'place': died (run): exit code 0. Its last words: about to fail. {SEE}"


def test_a_host_that_hangs(tmp_path, monkeypatch):
    session = spoiled(tmp_path, at_run="time.sleep(1000)").open(model())
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "1.5")
    with pytest.raises(HostError) as caught:
        session.run(X)
    assert str(caught.value) == (
        "runtime 'place': did not answer within 1.5 s (run). Its last words: about to fail. "
        "Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


def test_a_host_that_closes_its_output_and_lives_on(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_DYING_SECONDS", 0.5)
    # The child of the guest holds the pipe too: it must go first, or nothing were closed.
    closing = "child.kill(); child.wait()\nos.close(stream.fileno())\ntime.sleep(1000)"
    assert fails(spoiled(tmp_path, at_run=closing)) == (
        "runtime 'place': closed its output without an answer, and ran on (run). Its last words: about to fail. " + SEE
    )


# ---- after it


def test_the_next_open_starts_a_fresh_host(tmp_path):
    guest = spoiled(tmp_path, at_run="os._exit(3)")
    first = guest.open(model())
    for _ in range(2):  # the second run meets a host that has ended
        with pytest.raises(HostError, match=r"^runtime 'place': died \(run\): exit code 3\."):
            first.run(X)
    first.close()
    second = guest.open(model())
    assert second.inputs == first.inputs
    assert len((tmp_path / "processes").read_text().split()) == 4  # two hosts, a child each
    guest.close()


@POSIX
def test_a_host_killed_while_idle_is_noticed_and_replaced():
    here = place()
    session = here.open(model())
    host = here._host
    assert host is not None
    os.kill(host.process_id, 9)
    until(lambda: not host.alive, "the end of the host is noticed")
    with pytest.raises(HostError, match=r"died \(run\): killed by SIGKILL"):
        session.run(X)
    np.testing.assert_array_equal(here.open(model()).run(X)["y"], X["x"])
    here.close()


def test_a_place_that_says_why_it_is_missing_is_not_started():
    here = HostRuntime(name="far", launch=lambda: pytest.fail("it was started"), missing=lambda: "no disk")
    assert here.available() == "no disk"
    assert refused(here) == "runtime 'far': is not available here: no disk. See `edgec runtime list`."


def test_an_interrupt_in_the_middle_ends_the_host(tmp_path, monkeypatch):
    """Its streams would be out of step: the answer to this request would be taken for the next one's."""
    here = place()
    session = here.open(model())
    host = here._host
    assert host is not None

    def interrupted(stream):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process.runner, "read_message", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.run(X)
    assert not host.alive
    until(lambda: gone(host.process_id), "the host ends")
    np.testing.assert_array_equal(here.open(model()).run(X)["y"], X["x"])
    here.close()


def test_logs_are_cut_to_their_last_lines(tmp_path):
    talk = "for n in range(2000): print('line', n, file=sys.stderr, flush=True)\nsys.exit(4)"
    message = refused(spoiled(tmp_path, at_start=talk))
    words = " | ".join(f"line {n}" for n in range(1988, 2000))
    assert message == f"runtime 'place': died (start): exit code 4. Its last words: {words}. {SEE}"


def test_scratch_of_a_host_lies_in_one_folder(tmp_path):
    here = place()
    session = here.open(model())
    session.placement(X)
    (folder,) = [each for each in Path(tmp_path / "scratch").iterdir() if each.is_dir()]
    assert {each.name for each in folder.iterdir()} <= {".ses"}  # ONNX Runtime's own, from 1.31 on
    here.close()


@POSIX
def test_closing_does_not_wait_for_a_request_under_way(tmp_path, monkeypatch):
    """Another thread is blocked in the middle of writing it, and holds the lock of the stream."""
    guest = spoiled(tmp_path, at_start="runner.read_message = lambda stream: time.sleep(1000)")
    guest.facts()
    host = guest._host
    assert host is not None
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "20")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(guest.open, bytes(4_000_000))
        until(lambda: not select.select([], [host._child.stdin], [], 0)[1], "the pipe is full")
        guest.close()
        with pytest.raises(HostError) as caught:
            asked.result(60)
    assert "did not answer" not in str(caught.value)
    assert not host.alive
