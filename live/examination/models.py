"""Which networks' files are here, whether they are what they should be, under which licence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from engines.errors import ModelUnavailable
from engines.portrait_models import FOLDER, PortraitModels
from engines.trackers import networks
from engines.weights import MODELS, ModelStore
from live.examination.finding import Finding

_LICENCE = "Apache-2.0"
"""Of the networks that come with Visavis, as its own."""


def examine(folder: Path) -> Iterator[Finding]:
    """Reads every file that is in `folder` or was installed with Visavis; fetches nothing."""
    store = ModelStore(folder)
    yield from (_fetched(store, name) for name in MODELS)
    if store.has(networks.MODEL):
        yield _landmarks(store)
    for card in sorted(_shipped().iterdir(), key=lambda each: each.name):
        if card.name.endswith(".json"):
            yield _ours(card)
    yield from _portrait(folder / FOLDER)


def _fetched(store: ModelStore, name: str) -> Finding:
    if store.has(name):
        found = f"{MODELS[name].licence}, hash as known, in {store.folder}"
        return Finding(name, True, found)
    file = store.folder / MODELS[name].file
    trouble = "is damaged" if file.exists() else "not there"
    mend = f"it is fetched at the first start; or now: visavis models fetch {name}"
    return Finding(name, False, f"{file} {trouble}", mend)


def _landmarks(store: ModelStore) -> Finding:
    what = "landmarks run on"
    found = networks.examine(store)
    if found.usable:
        return Finding(what, True, f"machine code of their own, by llvmlite {found.version}")
    return Finding(what, True, f"litert, in twice the time: {found.trouble}", found.mend)


def _shipped() -> Traversable:
    return files("engines") / "models"


def _ours(card: Traversable) -> Finding:
    what = f"{card.name.removesuffix('.json')} network"
    mend = "pip install --force-reinstall visavis"
    try:
        known = json.loads(card.read_text("utf-8"))
        content = (_shipped() / known["file"]).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        return Finding(what, False, f"not to be read ({type(error).__name__})", mend)
    if hashlib.sha256(content).hexdigest() != known["sha256"]:
        return Finding(what, False, f"{known['file']} is damaged", mend)
    return Finding(what, True, f"{known.get('licence', _LICENCE)}, hash as known, installed")


def _portrait(folder: Path) -> Iterator[Finding]:
    """The user's own set of a neural portrait's networks; without one, the warp renderer draws."""
    what = "portrait networks"
    if not folder.is_dir():
        mend = "with weights of your own: visavis models export portrait --checkpoint DIR"
        yield Finding(what, True, "none, and not needed", mend)
        return
    try:
        models = PortraitModels(folder, untrained=True)
        for artefact in models.card.artefacts:
            for precision in models.precisions(artefact):
                models.spec(artefact, precision)  # reads the file and compares its hash
    except ModelUnavailable as error:
        yield Finding(what, False, str(error), "visavis models export portrait --checkpoint DIR")
        return
    card = models.card
    held = ", ".join(
        f"{artefact} {'/'.join(models.precisions(artefact))}" for artefact in card.artefacts
    )
    found = f"{card.name}, {card.licence}, hashes as known: {held}; in {folder}"
    if card.seed is not None:
        yield Finding(what, True, f"random weights, which draw no face: {found}")
    else:
        yield Finding(what, True, found)
