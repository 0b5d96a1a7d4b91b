"""Which receipts are taken: by a key that is trusted, fresh, of this very bundle."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...bundle import Bundle
from ...errors import OptionError, ReceiptError
from ..signing.keys import public_key
from .envelope import AGAIN, open_envelope
from .receipt import Receipt, read_statement

__all__ = ["MAX_AGE", "Trust", "age", "check_subject", "trusted_receipt"]

MAX_AGE = "30d"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SKEW = datetime.timedelta(minutes=5)  # of two clocks that are both set


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What a receipt must show.

    Attributes:
        keys: Files of the public keys of devices; not empty.
        nonce: The word it must answer; "" where freshness goes by the date.
        max_age: How old it may be; None asks no date, which takes a nonce.
        now: The time that ages are counted from.
    """

    keys: tuple[Path, ...]
    nonce: str = ""
    max_age: datetime.timedelta | None = None
    now: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("keys: none is given, and a receipt by any key is worth nothing")
        if not self.nonce and self.max_age is None:
            raise ValueError("max_age: None needs a nonce, or a receipt of any day would do")


def age(text: str, *, where: str) -> datetime.timedelta:
    """A span of time such as `12h` or `30d`.

    Raises:
        OptionError: It is none.
    """
    match = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if match is None or not int(match[1]):
        raise OptionError(where, f"{text!r} is no span of time", remedy="Write it like 90m, 12h, 30d or 4w")
    return datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})


def trusted_receipt(file: Path, trust: Trust) -> Receipt:
    """A receipt that one of the keys signed, and that is fresh.

    Raises:
        ReceiptError: It is none, was changed, is by another key, too old, or answers another question.
        OptionError: A key is none.
        MissingExtraError: `cryptography` is not installed.
    """
    body, key = open_envelope(file, [public_key(each) for each in trust.keys])
    receipt = read_statement(str(file), key, body)
    if trust.nonce and receipt.nonce != trust.nonce:
        found = f"answers {receipt.nonce!r}" if receipt.nonce else "answers no nonce"
        raise ReceiptError(
            str(file),
            f"{found}, where {trust.nonce!r} was asked",
            remedy=f"Run it again on the device, with --nonce {trust.nonce}",
        )
    if trust.max_age is not None:
        _check_date(receipt, trust.max_age, trust.now)
    return receipt


def _check_date(receipt: Receipt, limit: datetime.timedelta, now: datetime.datetime) -> None:
    old = now - receipt.date
    if old > limit:
        raise ReceiptError(
            receipt.file,
            f"is stale: of {receipt.date:%Y-%m-%d %H:%M} UTC, {_span(old)} ago, where {_span(limit)} are allowed",
            remedy="Run it again on the device, or allow more with --max-age",
        )
    if old < -_SKEW:
        raise ReceiptError(
            receipt.file,
            f"is of {receipt.date:%Y-%m-%d %H:%M} UTC, {_span(-old)} from now",
            remedy="Set the device's clock, or ask it with --nonce, which needs none",
        )


def check_subject(receipt: Receipt, bundles: Mapping[str, Bundle]) -> str:
    """The name of the bundle that a receipt is of, run as that bundle's target runs it.

    Args:
        receipt: A receipt that is trusted.
        bundles: Bundles by name.

    Raises:
        ReceiptError: It is of another payload, or of other providers.
    """
    named = {bundle.digest: name for name, bundle in bundles.items()}
    if receipt.digest not in named:
        here = ", ".join(f"{name} is {digest[:12]}" for digest, name in named.items()) or "there is none"
        raise ReceiptError(
            receipt.file,
            f"is stale: of the payload {receipt.digest[:12]}, which no bundle here has: {here}",
            remedy="Copy the bundle to the device, and run it again",
        )
    name = named[receipt.digest]
    wanted = bundles[name].manifest["target"]["providers"]
    if list(receipt.device.providers[: len(wanted)]) != wanted:
        raise ReceiptError(
            receipt.file,
            f"was run on {_listed(receipt.device.providers)}, where {name} is for {_listed(wanted)}",
            remedy=AGAIN,
        )
    return name


def _listed(providers: Sequence[str]) -> str:
    return ", ".join(providers) or "no provider"


def _span(span: datetime.timedelta) -> str:
    minutes = span.total_seconds() / 60
    for size, unit in ((2 * 1440, "days"), (2 * 60, "hours")):
        if minutes >= size:
            return f"{minutes / (1440 if unit == 'days' else 60):.4g} {unit}"
    return f"{minutes:.4g} minutes"
