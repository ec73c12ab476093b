"""`visavis models`: the networks, where they come from, and fetching them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from engines.errors import ModelUnavailable
from engines.weights import MODELS, ModelStore
from live import settings

if TYPE_CHECKING:
    from live.__main__ import Subparsers


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "models",
        help="show and fetch the networks",
        description="Shows the networks, where they come from, and fetches them.",
    )
    parts = parser.add_subparsers(title="parts", metavar="PART", required=True)
    listing = parts.add_parser("list", help="every network: origin, licence, hash, whether here")
    listing.add_argument("--json", action="store_true", help="one JSON document on stdout")
    listing.set_defaults(run=run_list)
    fetch = parts.add_parser("fetch", help="fetch the networks that are not here yet")
    fetch.add_argument(
        "names", nargs="*", type=_known, metavar="NAME", help=f"{' or '.join(MODELS)}; unset: all"
    )
    fetch.set_defaults(run=run_fetch)
    for part in (listing, fetch):
        part.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")


def run_list(args: argparse.Namespace) -> int:
    """Prints what is known of every network."""
    store = _store(args)
    found = [
        {
            "name": model.name,
            "here": store.has(model.name),
            "file": str(store.folder / model.file),
            "bytes": model.size,
            "sha256": model.sha256,
            "purpose": model.purpose,
            "licence": model.licence,
            "origin": model.origin,
            "sources": [*model.wheels, model.address],
        }
        for model in MODELS.values()
    ]
    if args.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for each in found:
        print(f"{each['name']}: {'here' if each['here'] else 'not here'}")
        for key in ("purpose", "origin", "licence", "file", "bytes", "sha256"):
            print(f"  {key:8} {each[key]}")
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Fetches what is missing; 1 where something could not be had."""
    store = _store(args)
    missing = None
    for name in args.names or MODELS:
        try:
            print(store.fetch(name))
        except ModelUnavailable as error:
            missing = error  # the others may still be had
    if missing is not None:
        raise missing
    return 0


def _known(name: str) -> str:
    if name not in MODELS:
        known = ", ".join(MODELS)
        raise argparse.ArgumentTypeError(f"no model is called {name!r}; known are: {known}")
    return name


def _store(args: argparse.Namespace) -> ModelStore:
    return ModelStore(settings.load(args.config).models.folder)
