"""Settings go in, the rooms with their real parts come out."""

from __future__ import annotations

import cv2

from engines.types import Avatar
from engines.weights import ModelStore
from live import parts, rtc
from live.avatars import AvatarStore
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.request import CallSettings, IceServer, Parts, SessionRequest, SpeechSettings
from live.server import Rooms
from live.session import Session
from live.settings import Settings
from live.voices import Voices


def assemble(settings: Settings) -> Rooms:
    """The rooms; nothing heavy is loaded before it is needed."""
    rtc.adapt()
    # Every call has a thread of its own: OpenCV's, which share out one picture among themselves,
    # cost 8 % more CPU a picture and gained nothing, with one call or with two.
    cv2.setNumThreads(1)
    models = ModelStore(settings.models.folder)
    store = AvatarStore(settings.avatars.folder)
    metrics = Metrics()
    prepared = PreparedAvatars(store, lambda: parts.workshop(models))
    voices = Voices(settings.voice.options(), settings.voice.default)
    of_each_call = Parts(lambda: parts.tracker(models), parts.driver, parts.renderer, voices.open)
    call_settings = _call_settings(settings)

    async def open_avatar(id: str) -> Avatar:
        return await prepared.open(id, settings.video.size)

    async def request_call(avatar: str, driver: str) -> SessionRequest:
        return SessionRequest(
            await open_avatar(avatar), of_each_call, call_settings, driver, open_avatar
        )

    pool = Pool(Session, places=settings.sessions.capacity(), metrics=metrics)
    return Rooms(settings, store, prepared, pool, metrics, voices, request_call)


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
        speech=SpeechSettings(
            settings.voice.default,
            settings.voice.language,
            settings.voice.pace,
            settings.voice.longest_text,
            settings.voice.liveliness,
            settings.voice.skin,
        ),
        max_bitrate=settings.video.bitrate * 1000,
        connect_deadline_s=settings.sessions.connect_deadline_s,
        silence_deadline_s=settings.sessions.silence_deadline_s,
    )
