"""Hosts beside each other, in long use, with large tensors."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from support.hosts import gone, model, place, until

from edgec.runtimes.base import SessionSettings

RELU = """<ir_version: 8, opset_import: ["": 17]>
g (float[N] x) => (float[N] y) { y = Relu(x) }"""


def process_of(place_) -> psutil.Process:
    return psutil.Process(place_._running().process_id)


def test_two_hosts_work_side_by_side():
    """Each request of one is answered while one of the other is under way: neither waits for the other."""
    places = [place(name=name) for name in ("left", "right")]
    meeting = threading.Barrier(2)

    def work(which: int) -> int:
        meeting.wait(60)
        session = places[which].open(model(RELU))
        for round_ in range(50):
            x = np.full(1000, 1000 * which + round_, np.float32)
            np.testing.assert_array_equal(session.run({"x": x})["y"], x)
        return process_of(places[which]).pid

    with ThreadPoolExecutor(2) as pool:
        numbers = list(pool.map(work, range(2)))
    assert len(set(numbers)) == 2
    for each, number in zip(places, numbers, strict=True):
        each.close()
        until(lambda number=number: gone(number), "the host ends")


def test_threads_share_one_host_and_get_their_own_answers():
    here = place()

    def work(which: int) -> set[int]:
        session = here.open(model(RELU))
        for round_ in range(25):
            x = np.full(which + 1, 100 * which + round_, np.float32)
            np.testing.assert_array_equal(session.run({"x": x})["y"], x)
        return {process_of(here).pid}

    with ThreadPoolExecutor(4) as pool:
        assert len(set.union(*pool.map(work, range(4)))) == 1
    here.close()


def test_a_host_outlives_500_requests_and_does_not_grow():
    here = place()
    session = here.open(model(RELU))
    x = np.arange(-25_000, 25_000, dtype=np.float32)  # 200 kB there and back: held, 400 of them were 80 MB
    sizes = []
    for round_ in range(500):
        if round_ % 50 == 0:
            sizes.append(process_of(here).memory_info().rss)
        y = session.run({"x": x})["y"]
        assert y[-1] == 24_999
    sizes.append(process_of(here).memory_info().rss)
    assert max(sizes[2:]) - min(sizes[2:]) < 30e6
    here.close()


def test_many_sessions_are_open_at_once_and_leave_nothing(tmp_path):
    here = place(shares_files=False)  # each has a file in the host's folder
    file = tmp_path / "model.onnx"
    file.write_bytes(model(RELU))
    sessions = [here.open(file, SessionSettings(threads=1)) for _ in range(40)]
    for number, session in enumerate(sessions):
        x = np.full(3, number, np.float32)
        np.testing.assert_array_equal(session.run({"x": x})["y"], x)
    folders = here._running()._child._folder
    assert len(list(folders.glob("model-*"))) == 40
    for session in sessions[::2]:
        session.close()
    assert len(list(folders.glob("model-*"))) == 20
    del session, sessions
    here.open(model(RELU))
    assert not list(folders.glob("model-*"))
    here.close()
    assert not folders.exists()


def test_a_forgotten_place_ends_its_host():
    here = place()
    session = here.open(model(RELU))
    number = process_of(here).pid
    del here, session
    until(lambda: gone(number), "the host ends")


@pytest.mark.slow
def test_200_megabytes_pass_both_ways():
    here = place()
    session = here.open(model(RELU))
    x = np.arange(50_000_000, dtype=np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["y"], x)
    here.close()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 5_000_000])
def test_sizes_around_what_a_pipe_holds_pass(size):
    here = place()
    x = np.arange(size, dtype=np.float32)
    np.testing.assert_array_equal(here.open(model(RELU)).run({"x": x})["y"], x)
    here.close()
