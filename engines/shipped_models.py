"""The networks that lie in the package: names go in, files and what their cards say come out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.types import ModelSpec

FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A network of our own, and its card."""

    spec: ModelSpec
    card: Mapping[str, Any]

    def whole(self) -> bool:
        """Whether the file is the one that the card speaks of."""
        with self.spec.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.spec.sha256


def names() -> list[str]:
    """Every network with a card."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def shipped(name: str) -> Shipped:
    """One of `names`."""
    card = json.loads((FOLDER / f"{name}.json").read_bytes())
    return Shipped(ModelSpec(name, FOLDER / card["file"], card["sha256"]), card)
