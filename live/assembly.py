"""Settings go in, the rooms with their real parts come out: where names become things."""

from __future__ import annotations

from functools import cache

from engines import registry
from engines.types import Avatar, Driver, Portrait, Renderer
from engines.weights import ModelStore
from live import rtc
from live.avatars import AvatarStore
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.server import Rooms
from live.session import CallSettings, IceServer, Parts, Session, SessionRequest
from live.settings import Settings
from live.workshop import Workshop

TRACKER = "litert"
RENDERER = "warp"
AUTO_DRIVER = "face"
"""What `driver=auto` means while there is a camera and no voice to drive by."""


def assemble(settings: Settings) -> Rooms:
    """The rooms; nothing heavy is loaded before it is needed."""
    rtc.adapt()
    models = ModelStore(settings.models.folder)
    store = AvatarStore(settings.avatars.folder)
    metrics = Metrics()
    renderer = cache(lambda: registry.renderer(RENDERER))
    prepared = PreparedAvatars(store, lambda: workshop(models, renderer()))
    parts = Parts(lambda: registry.tracker(TRACKER, models), _driver, renderer)
    call_settings = _call_settings(settings)

    async def open_avatar(id: str) -> Avatar:
        return await prepared.open(id, settings.video.size)

    async def request_call(avatar: str, driver: str) -> SessionRequest:
        return SessionRequest(await open_avatar(avatar), parts, call_settings, driver, open_avatar)

    pool = Pool(Session, places=settings.sessions.capacity(), metrics=metrics)
    return Rooms(settings, store, prepared, pool, metrics, request_call)


def _driver(name: str) -> Driver:
    return registry.driver(AUTO_DRIVER if name == "auto" else name)


def workshop(models: ModelStore, renderer: Renderer) -> Workshop:
    """The parts that make avatars, loaded; raises `ModelUnavailable`, `UnknownPart`."""
    tracker = registry.tracker(TRACKER, models)

    def read(image: bytes) -> Portrait:
        raise NotImplementedError

    return Workshop(tracker, renderer, read)


def _call_settings(settings: Settings) -> CallSettings:
    servers = tuple(
        IceServer(
            (server.urls,),
            server.username,
            server.credential.get_secret_value() if server.credential else None,
        )
        for server in settings.ice.servers
    )
    return CallSettings(
        ice_servers=servers,
        label_text=settings.label.text,
        label_visible=settings.label.visible,
        max_bitrate=settings.video.bitrate * 1000,
        connect_deadline_s=settings.sessions.connect_deadline_s,
        silence_deadline_s=settings.sessions.silence_deadline_s,
    )
