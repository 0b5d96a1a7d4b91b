"""Dask's workers as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from ...errors import HostError, MissingExtraError

__all__ = ["dask_executor"]

_PATIENCE = "10s"


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler; what is under way is given up where the block ends by an error.

    Args:
        address: The scheduler's: `tcp://10.0.0.5:8786`.

    Raises:
        MissingExtraError: `distributed` is not installed.
        HostError: Nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("--dask", "distributed", "dask") from error
    try:
        client: Any = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise HostError(
            f"--dask {address}",
            f"no scheduler answers: {' '.join(str(error).split())}",
            remedy="Start one, `dask scheduler` and `dask worker ADDRESS --nthreads 1`, and give its address",
        ) from error
    with client:
        executor: Executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise
