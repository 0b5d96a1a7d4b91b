"""The script as a program: on the device by hand, or behind the pipe of `edgec runner --on`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runner import RefusedError, main, write_files
from .ed25519 import new_key, seed_of
from .measured import Asked
from .receipt import signed, statement, summary

__all__ = ["by_hand", "serve_receipts"]

SIGNING_KEY = "EDGEC_SIGNING_KEY"


def serve_receipts(site: list[str]) -> None:
    """Answer the requests of runner.py and `receipt` over the standard streams."""
    main(site, {"receipt": _answer})


def _answer(request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The receipt of the bundle whose files came with the request."""
    seed = _seed(request["key"])
    folder = Path(tempfile.mkdtemp(prefix="bundle-")) / request["name"]
    try:
        write_files(folder, request["files"], arrays)
        return {"receipt": signed(statement(folder, Asked(**request["asked"])), seed)}, {}
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def by_hand(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code: 0 where a receipt was written, 2 where it was refused, 130 interrupted."""
    parser = argparse.ArgumentParser(
        description="Replay and time a bundle on this device, and sign for it. `edgec check --receipt` judges."
    )
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", help="the folder that edgec wrote")
    parser.add_argument("--key", metavar="FILE", help=f"this device's private key, PEM; else ${SIGNING_KEY}")
    parser.add_argument("--new-key", metavar="FILE", help="make a key first; its public half goes to FILE.pub")
    parser.add_argument("-o", "--output", metavar="FILE", default="receipt.json", help="the receipt (receipt.json)")
    parser.add_argument("--nonce", metavar="TEXT", default="", help="a word of whoever asks")
    parser.add_argument("--device", metavar="NAME", default="", help="what this device is called; else its host name")
    parser.add_argument("--threads", metavar="N", type=_count, default=1, help="intra-op threads; 0: as many as fit")
    parser.add_argument("--warmup", metavar="N", type=_count, default=5, help="runs before those that are timed (5)")
    parser.add_argument("--runs", metavar="N", type=_runs, default=100, help="timed runs, at most (100)")
    parser.add_argument("--seconds", metavar="S", type=float, default=10.0, help="for the timed runs together (10)")
    given = parser.parse_args(arguments)
    if given.bundle is None and given.new_key is None:
        parser.error("name a bundle, or make a key with --new-key")
    try:
        if given.new_key is not None:
            _say(f"wrote {given.new_key} and {new_key(Path(given.new_key))}")
        if given.bundle is None:
            return 0
        seed = _seed(given.key or given.new_key or "")
        names = ("device", "nonce", "threads", "warmup", "runs", "seconds")
        said = statement(Path(given.bundle).absolute(), Asked(**{name: getattr(given, name) for name in names}))
        _write_whole(Path(given.output), signed(said, seed))
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except RefusedError as refused:
        return _refuse(str(refused))
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}")
    for line in (*summary(said), f"wrote {given.output}"):
        _say(line)
    return 0


def _seed(file: str) -> bytes:
    """The key in a file, else in the environment.

    Raises:
        RefusedError: There is none.
    """
    if not file and not os.environ.get(SIGNING_KEY):
        raise RefusedError("key", f"no --key is given, and ${SIGNING_KEY} is not set: make one with --new-key")
    try:
        return seed_of(Path(file).read_text(encoding="ascii", errors="replace") if file else os.environ[SIGNING_KEY])
    except OSError as error:
        raise RefusedError("key", f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RefusedError("key", f"{file or '$' + SIGNING_KEY} {error}") from error


def _count(text: str) -> int:
    return _at_least(0, text)


def _runs(text: str) -> int:
    return _at_least(1, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no whole number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is below {least}")
    return number


def _write_whole(file: Path, text: str) -> None:
    """Write a file; one that is there stays as it is until the new one is whole."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="ascii")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from error


def _say(text: str) -> None:
    sys.stderr.write(f"edgec runner: {text}\n")


def _refuse(text: str) -> int:
    _say(f"error: {text}")
    return 2


if __name__ == "__main__":
    sys.exit(by_hand(sys.argv[1:]))
