"""`visavis avatar`: the avatars that calls can show, and whose faces they are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from engines.weights import ModelStore
from live import parts, settings
from live.avatars import AvatarStore, Entry
from live.consent import Statement, Whose
from live.errors import BadRequest

if TYPE_CHECKING:
    from live.__main__ import Subparsers


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "avatar",
        help="list, add, show and remove avatars",
        description="Lists, adds, shows and removes avatars.",
    )
    deeds = parser.add_subparsers(title="deeds", metavar="DEED", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    every = deeds.add_parser("list", parents=[common], help="every avatar")
    every.set_defaults(run=run_list)
    one = deeds.add_parser("show", parents=[common], help="what is known of one avatar")
    one.add_argument("id", metavar="ID")
    one.set_defaults(run=run_show)
    add = deeds.add_parser("add", parents=[common], help="make an avatar of a portrait")
    add.add_argument("image", type=Path, metavar="IMAGE", help="one face, from the front")
    add.add_argument("--id", default="", help="made of the name where missing")
    add.add_argument("--name", default="", help="what people see")
    add.add_argument(
        "--statement", required=True, choices=list(Whose), help="whose face it is", type=str
    )
    add.add_argument(
        "--statement-text", required=True, metavar="TEXT", help="what that rests on, in a sentence"
    )
    add.set_defaults(run=run_add)
    remove = deeds.add_parser("remove", parents=[common], help="delete an added avatar")
    remove.add_argument("id", metavar="ID")
    remove.set_defaults(run=run_remove)


def run_list(args: argparse.Namespace) -> int:
    """Prints every avatar."""
    entries = _store(args).entries()
    if args.json:
        print(json.dumps([_plain(entry) for entry in entries], indent=2, ensure_ascii=False))
        return 0
    width = max(len(entry.id) for entry in entries)
    for entry in entries:
        print(f"{entry.id:{width}}  {entry.statement.whose:13}  {entry.description}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Prints one avatar."""
    _print(_store(args).entry(args.id), as_json=args.json)
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Makes an avatar of an image file."""
    chosen = settings.load(args.config)
    statement = Statement.made(args.statement, args.statement_text)
    try:
        image = args.image.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {args.image}: {error.strerror}") from error
    workshop = parts.workshop(
        ModelStore(chosen.models.folder), parts.renderers(chosen.engines, chosen.models)
    )
    store = AvatarStore(chosen.avatars.folder)
    entry = workshop.add(store, image, statement, id=args.id, name=args.name)
    workshop.close()
    _print(entry, as_json=args.json)
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Deletes one avatar."""
    _store(args).remove(args.id)
    print(json.dumps({"removed": args.id}) if args.json else f"removed {args.id}")
    return 0


def _store(args: argparse.Namespace) -> AvatarStore:
    return AvatarStore(settings.load(args.config).avatars.folder)


def _plain(entry: Entry) -> dict[str, str | bool]:
    return {
        "id": entry.id,
        "name": entry.name,
        "description": entry.description,
        "built_in": entry.built_in,
        "statement": entry.statement.whose.value,
        "statement_text": entry.statement.text,
        "stated_at": entry.statement.stated_at,
        "portrait": str(entry.portrait),
    }


def _print(entry: Entry, *, as_json: bool) -> None:
    plain = _plain(entry)
    if as_json:
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    for key, value in plain.items():
        if value != "":
            print(f"{key:15} {value}")
