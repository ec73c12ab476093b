"""What this machine can do and what is missing: settings go in, findings with their mends come out.

Nothing is fetched, built or changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from live.examination import credentials, machine, media, models, networks, places
from live.examination.finding import Finding
from live.settings import Settings

__all__ = ["Finding", "examine"]


def examine(chosen: Settings) -> Iterator[Finding]:
    """Looks at everything that a call needs."""
    yield from machine.examine()
    yield from networks.examine(chosen.engines)
    yield from models.examine(chosen.models.folder)
    yield from media.examine(chosen.engines.renderer, chosen.voice)
    yield from places.examine(chosen)
    yield from credentials.examine(chosen.provenance)
