"""`visavis avatar`: the avatars that calls can show, and what they may be used for."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.weights import ModelStore
from live import parts, settings
from live.avatars import AvatarStore, Entry
from live.commands import enrol
from live.consent.built_in import ENDLESS
from live.consent.record import time_text
from live.errors import BadRequest, VisavisError
from live.registers import open_registers

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
        "--consent",
        required=True,
        type=Path,
        metavar="FILE",
        help="the signed record for this picture; see: visavis consent grant",
    )
    add.set_defaults(run=run_add)
    enrol.add_to(deeds, common)
    remove = deeds.add_parser("remove", parents=[common], help="delete an added avatar")
    remove.add_argument("id", metavar="ID")
    remove.set_defaults(run=run_remove)


def run_list(args: argparse.Namespace) -> int:
    """Prints every avatar; of those that cannot be opened, why, on stderr."""
    store = _store(args)
    entries, refused = [], []
    for each in store.ids():
        try:
            entries.append(store.entry(each))
        except VisavisError as error:
            refused.append((each, str(error)))
    if args.json:
        listed = [_plain(entry) | {"usable": True} for entry in entries]
        listed += [{"id": each, "usable": False, "trouble": why} for each, why in refused]
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return 0
    width = max(len(entry.id) for entry in entries)
    for entry in entries:
        print(f"{entry.id:{width}}  {entry.consent.basis:14}  {_until(entry)}  {entry.description}")
    for _, why in refused:
        print(f"visavis: {why}", file=sys.stderr)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Prints one avatar, once its files were found to be as they were sealed."""
    _print(_store(args).opened(args.id).entry, as_json=args.json)
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Makes an avatar of an image file."""
    chosen = settings.load(args.config)
    document, image = _read(args.consent).decode("utf-8", "replace"), _read(args.image)
    store = open_registers(chosen).avatars
    store.check_document(document)  # before the networks are loaded
    workshop = parts.workshop(
        ModelStore(chosen.models.folder), parts.renderers(chosen.engines, chosen.models)
    )
    entry = workshop.add(store, image, document, id=args.id, name=args.name, copies=True)
    workshop.close()
    _print(entry, as_json=args.json)
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Deletes one avatar."""
    _store(args).remove(args.id)
    print(json.dumps({"removed": args.id}) if args.json else f"removed {args.id}")
    return 0


def _store(args: argparse.Namespace) -> AvatarStore:
    return open_registers(settings.load(args.config)).avatars


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {file}: {error.strerror}") from error


def _until(entry: Entry) -> str:
    endless = entry.consent.not_after == ENDLESS
    return " " * 10 if endless else time_text(entry.consent.not_after)[:10]


def _plain(entry: Entry) -> dict[str, Any]:
    consent = entry.consent
    return {
        "id": entry.id,
        "name": entry.name,
        "description": entry.description,
        "built_in": entry.built_in,
        "consent": consent.id,
        "basis": consent.basis.value,
        "statement": consent.statement,
        "purposes": sorted(consent.purposes),
        "modes": sorted(consent.modes),
        "not_before": time_text(consent.not_before),
        "not_after": None if consent.not_after == ENDLESS else time_text(consent.not_after),
        "operator": consent.operator,
        "portrait": consent.portrait.sha256,
    }


def _print(entry: Entry, *, as_json: bool) -> None:
    plain = _plain(entry)
    if as_json:
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    for key, value in plain.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in ("", None):
            print(f"{key:12} {shown}")
