"""`edgec sign` and `edgec verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions

__all__ = ["SIGN_EXAMPLES", "VERIFY_EXAMPLES", "sign", "verify"]

SIGN_EXAMPLES = """
edgec sign --new-key release.pem              # writes release.pem and release.pem.pub
edgec sign out/ --key release.pem
EDGEC_SIGNING_KEY="$(cat release.pem)" edgec sign out/
"""
VERIFY_EXAMPLES = """
edgec verify out/ --key release.pem.pub
edgec verify out/ --format json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignOptions:
    """What is signed, and with which key."""

    bundle: Annotated[
        str | None, Argument(metavar="[BUNDLE]", help="Folder that `edgec compile` wrote.", show_default=False)
    ] = None
    key: Annotated[
        Path | None, Option("--key", metavar="FILE", help="Private Ed25519 key, PEM; else $EDGEC_SIGNING_KEY.")
    ] = None
    new_key: Annotated[
        Path | None, Option("--new-key", metavar="FILE", help="Write a new key here, and its public half to FILE.pub.")
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions:
    """What is verified, and whom to trust."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    key: Annotated[
        Path | None, Option("--key", metavar="FILE", help="The public key that must have signed payload and proof.")
    ] = None


@takes_groups
def sign(options: SignOptions, talk: TalkOptions) -> int:
    """Sign a bundle's payload and proof with Ed25519."""
    from ...errors import OptionError
    from ..sign import sign as sign_bundle
    from ..signing.keys import new_key
    from .console import print_json, print_text

    if options.bundle is None and options.new_key is None:
        raise OptionError("BUNDLE", "is missing", remedy="Name the bundle, or make a key with --new-key")
    public = None if options.new_key is None else new_key(options.new_key)
    signed = None if options.bundle is None else sign_bundle(options.bundle, options.key or options.new_key)
    if talk.json:
        print_json(
            {"public_key": None if public is None else str(public), **({} if signed is None else signed.to_json())}
        )
        return 0
    if public is not None:
        print_text(f"wrote {options.new_key} and {public}")
    if signed is not None:
        what = "payload" if signed.proof_key is None else "payload and proof"
        print_text(f"signed {what} of {signed.bundle.path} by key {signed.payload_key}")
    return 0


@takes_groups
def verify(options: VerifyOptions, talk: TalkOptions) -> int:
    """Check every byte of a bundle, and who signed it; an altered one ends in exit code 2."""
    from ..report.layout import facts
    from ..sign import verify as verify_bundle
    from .console import print_json, print_text

    found = verify_bundle(options.bundle, options.key)
    if talk.json:
        print_json(found.to_json())
        return 0
    trust = "" if found.trusted else ", not compared with a key of yours: give --key"
    words = {
        name: f"whole, signed by key {key}{trust}" if key else "whole, not signed"
        for name, key in (("payload", found.payload_key), ("proof", found.proof_key))
    }
    print_text(facts([("bundle", str(found.bundle.path)), ("digest", found.bundle.digest), *words.items()]))
    return 0
