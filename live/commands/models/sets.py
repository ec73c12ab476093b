"""Which sets of a portrait's networks there are, and which one is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engines.model_card import CARD
from engines.portrait_models import FOLDER


def folders(models: Path) -> Iterator[Path]:
    """The folders of sets in the folder of models."""
    yield from sorted(path.parent for path in models.glob(f"*/{CARD}"))


def meant(word: str, models: Path) -> Path:
    """The set that a word of the command line means: `portrait`, or a folder."""
    return models / FOLDER if word == FOLDER else Path(word)
