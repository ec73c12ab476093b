"""`visavis models list`: every network with origin, licence, hash, and what runs it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines import shipped_models
from engines.backends import choice
from engines.errors import EngineError
from engines.portrait_models import PortraitModels
from engines.trackers import networks
from engines.weights import MODELS, ModelStore
from live import settings
from live.commands.models import sets

Entry = dict[str, Any]

_PURPOSES = {"speech": "hears speech: which phone is said, and how the mouth moves with it"}
"""Of networks whose cards do not say."""


def run(args: argparse.Namespace) -> int:
    """Prints what is known of every network."""
    chosen = settings.load(args.config)
    store = ModelStore(chosen.models.folder)
    runs_on = _runs_on(chosen.engines.backend)
    entries = [
        *_fetched(store),
        *_shipped(),
        *_portraits(store.folder, runs_on),
    ]
    if args.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
        return 0
    for entry in entries:
        _show(entry)
    return 0


def _fetched(store: ModelStore) -> Iterator[Entry]:
    for model in MODELS.values():
        yield {
            "name": model.name,
            "here": store.has(model.name),
            "file": str(store.folder / model.file),
            "bytes": model.size,
            "sha256": model.sha256,
            "purpose": model.purpose,
            "licence": model.licence,
            "origin": model.origin,
            "sources": [*model.wheels, model.address],
            "backend": _fetched_runs_on(store, model.name),
        }


def _fetched_runs_on(store: ModelStore, name: str) -> Entry:
    if name != networks.MODEL or not store.has(name):
        return {"name": "litert", "passed_over": []}
    found = networks.examine(store)
    if found.usable:
        return {"name": "llvm (landmarks), litert", "passed_over": []}
    passed_over = {"name": "llvm", "reason": found.trouble, "mend": found.mend}
    return {"name": "litert", "passed_over": [passed_over]}


def _shipped() -> Iterator[Entry]:
    for name in shipped_models.names():
        found = shipped_models.shipped(name)
        yield {
            "name": name,
            "here": found.whole(),
            "file": str(found.spec.path),
            "bytes": found.card["bytes"],
            "sha256": found.spec.sha256,
            "purpose": found.card.get("purpose", _PURPOSES.get(name, "")),
            "licence": found.card.get("licence", "Apache-2.0"),
            "origin": f"this project, version {found.card['version']}; in the package",
            "backend": {"name": "onnxruntime", "passed_over": []},
        }


def _runs_on(backend: str) -> Entry:
    """What would run a portrait's networks, and why others would not."""
    try:
        foreseen = choice.foresee(backend=backend)
    except EngineError as error:
        return {"name": "", "passed_over": [{"name": backend, "reason": str(error), "mend": ""}]}
    return {
        "name": foreseen.backend,
        "passed_over": [
            {"name": each.backend, "reason": each.reason, "mend": each.mend}
            for each in foreseen.passed_over
        ],
    }


def _portraits(folder: Path, runs_on: Entry) -> Iterator[Entry]:
    for each in sets.folders(folder):
        common = {"name": each.name, "folder": str(each), "purpose": "neural portrait"}
        try:
            models = PortraitModels(each, untrained=True)
        except EngineError as error:
            yield {**common, "here": False, "trouble": str(error)}
            continue
        card = models.card
        yield {
            **common,
            "here": True,
            "licence": card.licence,
            "origin": card.origin,
            **(
                {"trouble": "random weights, which draw no face: not served"}
                if card.seed is not None
                else {}
            ),
            "source": card.source,
            "artefacts": card.model_dump(mode="json")["artefacts"],
            "backend": runs_on,
        }


def _show(entry: Entry) -> None:
    print(f"{entry['name']}: {'here' if entry['here'] else 'not here'}")
    for key in ("trouble", "purpose", "origin", "licence", "folder", "file", "bytes", "sha256"):
        if key in entry:
            print(f"  {key:8} {entry[key]}")
    for name, sha256 in entry.get("source", {}).items():
        print(f"  made of  {name} {sha256}")
    for name, files in entry.get("artefacts", {}).items():
        for precision, file in files.items():
            error = file["error"]
            print(
                f"  {name:10} {precision} {file['bytes'] / 1e6:7.1f} MB {file['sha256']} off"
                f" {error['against']} by {error['mean']:.2g} of {error['spread']:.2g}"
            )
    if "backend" in entry:
        print(f"  {'runs on':8} {entry['backend']['name'] or 'nothing here'}")
        for other in entry["backend"]["passed_over"]:
            mend = f"; {other['mend']}" if other["mend"] else ""
            print(f"  {'not on':8} {other['name']}: {other['reason']}{mend}")
