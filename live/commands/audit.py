"""`visavis audit`: the log of what was done with whose face, shown and checked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from live import keys, settings
from live.audit.inspection import (
    Finding,
    Inspection,
    check_there,
    compare_revocations,
    entries,
    inspect,
)
from live.consent.revocations import Revocations
from live.errors import BadRequest, NoConsent
from live.settings import Settings

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_DONE, _FOUND = 0, 1


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "audit",
        help="show and check the log of what was done with whose face",
        description="Shows and checks the log of what was done with whose face.",
    )
    deeds = parser.add_subparsers(title="deeds", metavar="DEED", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    common.add_argument("--file", type=Path, metavar="FILE", help="another log than the settings'")
    common.add_argument(
        "--key", type=Path, metavar="FILE.pem", help="who signed it (public key); ours"
    )
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    verify = deeds.add_parser(
        "verify",
        parents=[common],
        help="find any edit, deletion, insertion or reorder",
        description="Finds any edit, deletion, insertion or reorder. 0: the log is as it was"
        " written; 1: it is not; 2: there is none, or it cannot be read.",
    )
    verify.add_argument(
        "--head",
        default="",
        metavar="HASH",
        help="of a line that has to be there, as noted elsewhere earlier",
    )
    verify.set_defaults(run=run_verify)
    show = deeds.add_parser("show", parents=[common], help="its lines, without those not signed")
    show.set_defaults(run=run_show)


def run_verify(args: argparse.Namespace) -> int:
    """Says whether the log is as it was written."""
    chosen = settings.load(args.config)
    file, key = _log(args, chosen)
    found = inspect(file, key, args.head.lower())
    if args.key is None:
        _compare_revocations(found, chosen)
    if args.json:
        print(json.dumps(_plain(file, found), indent=2))
    else:
        _tell(file, found)
    return _DONE if found.intact else _FOUND


def run_show(args: argparse.Namespace) -> int:
    """Prints the lines, as they come: a log may be large."""
    file, key = _log(args, settings.load(args.config))
    if args.json:
        separator = "[\n"
        for one in entries(file, key):
            print(separator + json.dumps(dict(one.fields)), end="")
            separator = ",\n"
        print("\n]" if separator[0] == "," else "[]")
        return _DONE
    for one in entries(file, key):
        facts = " ".join(f"{name}={value}" for name, value in one.facts.items())
        print(f"{one.place.seq:6}  {one.fields['at']}  {one.event:18} {facts}".rstrip())
    return _DONE


def _compare_revocations(found: Inspection, chosen: Settings) -> None:
    """Holds our own log against our own list."""
    revocations = Revocations(chosen.consent.folder, keys.load(chosen.keys))
    try:
        listed = revocations.current().revoked
    except NoConsent as error:
        found.find(0, f"cannot be compared: {error}", "the revocation list")
    else:
        compare_revocations(found, listed)


def _log(args: argparse.Namespace, chosen: Settings) -> tuple[Path, Ed25519PublicKey]:
    """The log, and the key that has to have signed it."""
    file = args.file or chosen.audit.file
    if args.key is None:
        check_there(file)  # first: keys that are missing would be made
        return file, keys.load(chosen.keys).signing.public_key()
    try:
        key = load_pem_public_key(args.key.read_bytes())
    except OSError as error:
        raise BadRequest(f"cannot read {args.key}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadRequest(f"{args.key} is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadRequest(f"{args.key} is no Ed25519 key, and no other signs audit logs")
    return file, key


def _plain(file: Path, found: Inspection) -> dict[str, object]:
    return {
        "file": str(file),
        "intact": found.intact,
        "lines": found.lines,
        "head": found.last.hash,
        "findings": [_plain_finding(one) for one in found.findings],
        "notes": [_plain_finding(one) for one in found.notes],
    }


def _plain_finding(one: Finding) -> dict[str, object]:
    return {"line": one.line or None, "what": str(one)}


def _tell(file: Path, found: Inspection) -> None:
    for one in found.notes:
        print(f"note: {one}")
    for one in found.findings:
        print(f"FOUND: {one}")
    if found.intact:
        print(f"{file}: {found.lines} lines, each as it was written; head {found.last.hash}")
    else:
        print(f"{file} is not as it was written")
