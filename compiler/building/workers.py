"""Processes that compile: they prove one after the other, and none outlives who started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import wait
from typing import Any

__all__ = ["proving_alone", "workers"]

# Of this process, where it is a worker.
_turn: AbstractContextManager[Any] | None = None


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """`count` processes; whatever ends the block ends them, and they clean up."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(context.Lock(),))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def proving_alone() -> AbstractContextManager[Any]:
    """What a worker holds while it proves: two that time at once would time each other."""
    return nullcontext() if _turn is None else _turn


def _begin(turn: AbstractContextManager[Any]) -> None:
    """Make this process a worker."""
    global _turn  # noqa: PLW0603 - an initializer has no other place to leave something for the tasks
    _turn = turn
    # Ctrl-C reaches every process of a terminal: the one that started this one decides, and ends it by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _unwind(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def _follow(sentinel: int) -> None:
    """Die with the parent, killed however it was."""
    wait([sentinel])
    os._exit(1)
