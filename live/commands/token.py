"""`visavis token`: access tokens made, revoked and read.

A token is printed once, when it is made, and kept nowhere.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from live import keys, settings
from live.access.revocations import Revocations, check_id
from live.access.scopes import Scope
from live.access.tokens import LONGEST_LIFETIME_S, Grant, issue, read
from live.audit import AuditLog, Event
from live.errors import BadRequest, VisavisError

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_GOOD, _NOT_GOOD = 0, 1


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "token",
        help="make, revoke and read access tokens",
        description="Makes, revokes and reads access tokens: who may ask what of a server.",
    )
    deeds = parser.add_subparsers(title="deeds", metavar="DEED", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    _add_grant(deeds, common)
    revoke = deeds.add_parser(
        "revoke",
        parents=[common],
        help="make a token good no more",
        description="Makes a token good no more. A running server knows within two seconds, and"
        " ends the calls that were opened with it.",
    )
    revoke.add_argument("id", nargs="?", metavar="ID", help="the token's id, or the token itself")
    revoke.add_argument("--all", action="store_true", help="every token that there is now")
    revoke.set_defaults(run=run_revoke)
    show = deeds.add_parser(
        "show",
        parents=[common],
        help="what a token is good for",
        description="Says what a token is good for. 0: it is good; 1: it is not.",
    )
    show.add_argument("token", metavar="TOKEN", help="the token; -: read it from stdin")
    show.set_defaults(run=run_show)


def _add_grant(deeds: Subparsers, common: argparse.ArgumentParser) -> None:
    grant = deeds.add_parser(
        "grant",
        parents=[common],
        help="make a token",
        description="Makes a token and prints it, this once. Whoever has it may use the server as"
        " its scopes say, until it expires or is revoked.",
    )
    grant.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[str(scope) for scope in Scope],
        help="what it is good for; may be given several times. session: open calls; speak: have"
        " avatars say things; avatars: add and remove them; admin: everything",
    )
    grant.add_argument(
        "--expires",
        default="12h",
        metavar="TIME",
        help=f"how long: 30m, 12h, 7d; at most {LONGEST_LIFETIME_S // 86_400}d (12h)",
    )
    grant.add_argument("--label", default="", help="what you call it; it is part of the token")
    grant.set_defaults(run=run_grant)


def run_grant(args: argparse.Namespace) -> int:
    """Prints a new token on stdout, and what it is on stderr."""
    chosen = settings.load(args.config)
    ours = keys.load(chosen.keys)
    token = issue(ours, map(Scope, args.scope), _seconds(args.expires), label=args.label)
    grant = read(token, ours)
    AuditLog(chosen.audit.file, ours).write(
        Event.TOKEN_GRANTED,
        token=grant.id,
        scopes=",".join(sorted(args.scope)),
        expires=grant.expires_at,
    )
    print(f"id {grant.id}, until {_date(grant.expires_at)}", file=sys.stderr)
    print(token)
    return _GOOD


def run_revoke(args: argparse.Namespace) -> int:
    """Puts a token, or all of them, on the list."""
    if bool(args.id) == args.all:
        raise BadRequest("say which token: visavis token revoke ID, or --all")
    chosen = settings.load(args.config)
    ours = keys.load(chosen.keys)
    revocations = Revocations(chosen.keys.folder, ours)
    log = AuditLog(chosen.audit.file, ours)
    if args.all:
        which = "all"
        revocations.revoke_all()
        # A token of this very second would be taken for one of before.
        time.sleep(1 - time.time() % 1)
    else:
        which = check_id(read(args.id, ours).id if "." in args.id else args.id)
        revocations.revoke(which)
    # Afterwards: a log that cannot be written must not keep a token good.
    log.write(Event.TOKEN_REVOKED, token=which)
    print(f"revoked {which}")
    return _GOOD


def run_show(args: argparse.Namespace) -> int:
    """Prints what a token says, and whether it is good, as JSON; never the token."""
    chosen = settings.load(args.config)
    ours = keys.load(chosen.keys)
    from_stdin = args.token == "-"  # noqa: S105  # no password, but where it comes from
    token = sys.stdin.readline().strip() if from_stdin else args.token
    try:
        grant = read(token, ours)
        described = _described(grant)
        Revocations(chosen.keys.folder, ours).check(grant)
    except VisavisError as error:
        described = {"good": False, "why": str(error)}
    print(json.dumps(described, indent=2, ensure_ascii=False))
    return _GOOD if described["good"] else _NOT_GOOD


def _described(grant: Grant) -> dict[str, object]:
    return {
        "good": True,
        "id": grant.id,
        "scopes": sorted(grant.scopes),
        "label": grant.label,
        "issued_at": _date(grant.issued_at),
        "expires_at": _date(grant.expires_at),
    }


def _seconds(text: str) -> int:
    parts = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if parts is None:
        raise BadRequest("say how long as 30m, 12h or 7d")
    return int(parts[1]) * _UNITS[parts[2]]


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
