"""Check a bundle by what devices answer, and nothing else: nothing is executed here."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from ...bundle import Bundle
from ...errors import BundleError
from ..building.job import Job
from ..building.outcome import Outcome
from ..contract import Contract
from .judge import judge_receipts
from .receipt import Receipt
from .trust import check_subject

__all__ = ["check_bundle_by_receipts"]


def check_bundle_by_receipts(folder: Path, receipts: Sequence[Receipt]) -> Outcome:
    """How a bundle ends by the contract it was last proved against, as far as receipts answer it.

    Args:
        folder: The bundle; every file is compared with its manifest.
        receipts: Trusted; all of them are of it.

    Raises:
        BundleError: It was altered, or what was proved of it cannot be read.
        ReceiptError: One is of another payload.
        ContractError: The contract it was proved against has a limit that this edgec does not read.
    """
    started = time.perf_counter()
    bundle = Bundle.open(folder)
    bundle.verify()
    for receipt in receipts:
        check_subject(receipt, {bundle.path.name: bundle})
    verdict = judge_receipts(_contract(bundle), bundle, receipts)
    target = str(bundle.manifest["target"]["name"])
    return Outcome(
        job=Job(project=bundle.path, target=target, output=bundle.path, name=bundle.path.name),
        bundle=bundle.path,
        verdict=verdict.to_json(),
        exit_code=verdict.exit_code,
        seconds=time.perf_counter() - started,
    )


def _contract(bundle: Bundle) -> Contract:
    """The contract of the bundle's last proof; without one, what is always asked."""
    file = bundle.proof / "verdict.json"
    if not file.is_file():
        return Contract()
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        table, digest = dict(values["contract"]), values["bundle"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(str(file), f"is no verdict ({error})", remedy="Prove the bundle again") from error
    return Contract.from_table(table, where=str(file)) if digest == bundle.digest else Contract()
