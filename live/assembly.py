"""Settings go in, the rooms with their real parts come out: where names become things."""

from __future__ import annotations

from engines import registry
from engines.types import Picture, Portrait, Rgb
from engines.weights import ModelStore
from live.avatars import AvatarStore
from live.metrics import Metrics
from live.pool import Call, Pool
from live.prepared import PreparedAvatars, Workshop
from live.server import Rooms
from live.settings import Settings

TRACKER = "litert"
RENDERER = "warp"


def assemble(settings: Settings) -> Rooms:
    """Nothing heavy is loaded yet."""
    models = ModelStore(settings.models.folder)
    store = AvatarStore(settings.avatars.folder)
    metrics = Metrics()

    def furnish() -> Workshop:
        tracker = registry.tracker(TRACKER, models)

        def decode(data: bytes) -> Rgb:
            raise NotImplementedError

        def find(rgb: Rgb) -> Portrait:
            return Portrait(rgb, tuple(tracker.find(Picture(rgb))))

        return Workshop(registry.renderer(RENDERER), decode, find)

    def start(*_: object) -> Call:
        raise NotImplementedError

    return Rooms(
        settings,
        store,
        PreparedAvatars(store, furnish),
        Pool(start, places=settings.sessions.capacity(), metrics=metrics),
        metrics,
    )
