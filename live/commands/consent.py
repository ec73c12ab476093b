"""`visavis consent`: who agreed to what with their face, granted, shown, checked and revoked."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines import portraits
from engines.atomic_file import write
from engines.types import Rgb
from live import settings
from live.consent.authority import Consents
from live.consent.fingerprint import fingerprint
from live.consent.granting import Wish
from live.consent.record import ID_PATTERN, Basis, Mode, Purpose, choices
from live.consent.verdict import Standing, Verdict, examined
from live.errors import BadRequest
from live.registers import Registers, open_registers

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_GRANTED_HERE = [basis.value for basis in Basis if basis is not Basis.LIVE_ENROLMENT]
_DONE, _REFUSED = 0, 1


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "consent",
        help="grant, show, check and revoke consents to show a face",
        description="Grants, shows, checks and revokes consents to show a face.",
    )
    deeds = parser.add_subparsers(title="deeds", metavar="DEED", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    _add_grant(deeds.add_parser("grant", parents=[common], help="sign a record for a portrait"))
    show = deeds.add_parser("show", parents=[common], help="what a record says")
    show.add_argument("record", metavar="FILE|ID", help="a file, or the id of one granted here")
    show.set_defaults(run=run_show)
    verify = deeds.add_parser(
        "verify",
        parents=[common],
        help="say whether a record holds now",
        description="Says whether a record holds now. 0: it does; 1: it does not; 2: there is no"
        " such file, or the picture cannot be read.",
    )
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("--image", type=Path, metavar="IMAGE", help="that it has to be for")
    verify.set_defaults(run=run_verify)
    revoke = deeds.add_parser("revoke", parents=[common], help="take a record back, for good")
    revoke.add_argument(
        "record", metavar="ID|FILE", help="of one granted here; another operator's, as a file"
    )
    revoke.add_argument("--reason", default="", metavar="TEXT", help="kept with the revocation")
    revoke.set_defaults(run=run_revoke)
    every = deeds.add_parser("list", parents=[common], help="every record that was granted here")
    every.set_defaults(run=run_list)


def _add_grant(grant: argparse.ArgumentParser) -> None:
    grant.description = (
        "Signs a record that a portrait may be shown. Somebody's own consent before the camera is"
        " given with `visavis avatar enrol` or in the page; never here."
    )
    portrait = grant.add_mutually_exclusive_group(required=True)
    portrait.add_argument("image", nargs="?", type=Path, metavar="IMAGE", help="the portrait")
    portrait.add_argument("--avatar", metavar="ID", help="an added avatar, which gets the record")
    grant.add_argument("--basis", required=True, choices=_GRANTED_HERE, help="how it was granted")
    grant.add_argument(
        "--statement", required=True, metavar="TEXT", help="what it rests on, in a sentence"
    )
    grant.add_argument("--subject", default="", metavar="ID", help="a pseudonym; random if missing")
    grant.add_argument(
        "--document", type=Path, metavar="FILE", help="the signed paper; its hash is kept"
    )
    grant.add_argument(
        "--purposes",
        default="call,render",
        metavar="LIST",
        help=f"some of {','.join(Purpose)} (call,render)",
    )
    grant.add_argument(
        "--modes",
        default="face,speech",
        metavar="LIST",
        help=f"some of {','.join(Mode)} (face,speech)",
    )
    grant.add_argument(
        "--from", dest="since", type=_day, metavar="DATE", help="such as 2026-08-02, UTC (now)"
    )
    until = grant.add_mutually_exclusive_group()
    until.add_argument(
        "--to", dest="until", type=_day, metavar="DATE", help="not on this day any more"
    )
    until.add_argument("--days", type=int, metavar="N", help="that it is valid for")
    grant.add_argument("-o", "--output", type=Path, metavar="FILE.jws", help="where it is written")
    grant.set_defaults(run=run_grant)


def run_grant(args: argparse.Namespace) -> int:
    """Signs a record."""
    registers = open_registers(settings.load(args.config))
    wish = Wish(
        args.statement,
        args.subject,
        choices(args.purposes.replace(",", " ").split(), "purposes", Purpose),
        choices(args.modes.replace(",", " ").split(), "modes", Mode),
        args.days,
        args.since,
        args.until,
    )
    evidence = {}
    if args.document is not None:
        evidence["document_sha256"] = sha256(_read(args.document)).hexdigest()
    granted = registers.consents.grant(
        _portrait(args, registers), wish, Basis(args.basis), evidence
    )
    if args.avatar:
        registers.avatars.renew(args.avatar, granted.document)
    if args.output is not None:
        write(args.output, f"{granted.document}\n".encode())
    claims = granted.record.claims()
    if args.json:
        print(json.dumps({"id": granted.record.id, "record": granted.document, "claims": claims}))
        return _DONE
    print(f"granted {granted.record.id}, valid until {claims['not_after']}", file=sys.stderr)
    if args.output is None:
        print(granted.document)
    return _DONE


def run_show(args: argparse.Namespace) -> int:
    """Prints what a record says, if its signature is believed."""
    consents = _consents(args)
    is_id = _is_id(args.record)
    document = consents.document(args.record) if is_id else _document(Path(args.record))
    consents.record(document)  # raises where it cannot be believed
    _print(examined(consents, document), as_json=args.json)
    return _DONE


def run_verify(args: argparse.Namespace) -> int:
    """Says whether a record holds now, and for a picture."""
    consents = _consents(args)
    document = _document(args.file)
    portrait = None if args.image is None else fingerprint(portraits.decode(_read(args.image)))
    verdict = examined(consents, document, portrait)
    _print(verdict, as_json=args.json)
    return _DONE if verdict.standing is Standing.VALID else _REFUSED


def run_revoke(args: argparse.Namespace) -> int:
    """Takes a record back."""
    consents, reason = _consents(args), " ".join(args.reason.split())
    revoked = args.record
    if _is_id(revoked):
        consents.revoke(revoked, reason)
    else:
        revoked = consents.revoke_foreign(_document(Path(args.record)), reason)
    print(json.dumps({"revoked": revoked}) if args.json else f"revoked {revoked}")
    return _DONE


def run_list(args: argparse.Namespace) -> int:
    """Prints every record that was granted here."""
    consents = _consents(args)
    found = [(each, examined(consents, consents.document(each))) for each in consents.ids()]
    if args.json:
        print(json.dumps([{"id": each, **_plain(verdict)} for each, verdict in found], indent=2))
        return _DONE
    for each, verdict in found:
        record = verdict.record
        said = f"{record.basis:14}  {record.subject}" if record else verdict.message
        print(f"{each:16}  {verdict.standing:14}  {said}")
    return _DONE


def _consents(args: argparse.Namespace) -> Consents:
    return open_registers(settings.load(args.config)).consents


def _is_id(text: str) -> bool:
    return re.fullmatch(ID_PATTERN, text) is not None and not Path(text).exists()


def _portrait(args: argparse.Namespace, registers: Registers) -> Rgb:
    if args.avatar:
        return registers.avatars.pixels(args.avatar)
    return portraits.decode(_read(args.image))


def _document(file: Path) -> str:
    return _read(file).decode("utf-8", "replace")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {file}: {error.strerror}") from error


def _day(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("is no date such as 2026-08-02") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "standing": verdict.standing.value,
        "message": verdict.message,
        "claims": verdict.record.claims() if verdict.record else None,
    }


def _print(verdict: Verdict, *, as_json: bool) -> None:
    plain = _plain(verdict)
    if as_json:
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    print(f"{verdict.standing}" + (f": {verdict.message}" if verdict.message else ""))
    for key, value in (plain["claims"] or {}).items():
        shown = value
        if isinstance(value, list):
            shown = ", ".join(value)
        elif isinstance(value, dict):
            shown = ", ".join(f"{name} {fact}" for name, fact in value.items())
        if shown != "":
            print(f"{key:12} {shown}")
