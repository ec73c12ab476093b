"""Settings go in, the rooms with their real parts come out."""

from __future__ import annotations

import cv2

from engines import portraits
from engines.drivers.speech_network import speech_network
from engines.weights import ModelStore
from live import parts, rtc
from live.access.gate import Gate
from live.consent.permitted import Permitted
from live.consent.record import Purpose
from live.disclosure import Label, chosen_label
from live.easel import Reserve
from live.enrolment.desk import Tools
from live.errors import DeviceLost
from live.keys import OperatorKeys
from live.load.balance import Balance
from live.load.series import LoadSeries
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.provenance.credentials import Credentials
from live.provenance.statement import Statements
from live.recording.publisher import Publisher
from live.recording.recordings import Recordings, is_covered
from live.registers import Registers, open_registers
from live.renderers import DRIVER, RESERVE
from live.request import CallSettings, IceServer, Parts, SessionRequest, SpeechSettings
from live.rooms import Rooms
from live.session import Session
from live.settings import Settings
from live.shape import Shape
from live.voices import Voices


def assemble(settings: Settings, *, processes: int = 1) -> Rooms:
    """The rooms; nothing heavy is loaded before it is needed.

    `processes`: that share the machine, each with calls of its own.
    """
    rtc.adapt()
    # Every call has a thread of its own: OpenCV's, which share out one picture among themselves,
    # cost 8 % more CPU a picture and gained nothing, with one call or with two.
    cv2.setNumThreads(1)
    models = ModelStore(settings.models.folder)
    registers = open_registers(settings)
    store, audit = registers.avatars, registers.audit
    metrics = Metrics()
    renderers = parts.renderers(settings.engines, settings.models)
    prepared = PreparedAvatars(store, lambda: parts.workshop(models, renderers))
    voices = Voices(settings.voice.options(), settings.voice.default)
    audit.check()  # now, and not with the first call
    call_settings = _call_settings(settings, registers.keys, chosen_label(settings.label, audit))

    def parts_by(renderer: str) -> Parts:
        return Parts(
            lambda: parts.tracker(models),
            lambda name: renderers.driver(name, renderer),
            lambda: renderers.get(renderer),
            voices.open,
        )

    async def open_reserve(id: str) -> Reserve:
        avatar = await prepared.open(id, settings.video.size, RESERVE)
        by = renderers.get(RESERVE)
        return Reserve(by, avatar, lambda: renderers.driver(DRIVER, RESERVE))

    async def request_call(avatar: str, driver: str) -> SessionRequest:
        by = renderers.name

        async def open_avatar(id: str) -> Permitted:
            return await prepared.open(id, settings.video.size, by)

        try:
            first = await open_avatar(avatar)
        except DeviceLost:
            renderers.lose()
            by = RESERVE
            first = await open_avatar(avatar)
        is_recorded = recordings is not None and is_covered(first.permit)
        purposes = {Purpose.CALL, Purpose.RECORDING} if is_recorded else {Purpose.CALL}
        return SessionRequest(
            first,
            parts_by(by),
            call_settings,
            driver,
            open_avatar,
            open_reserve if by != RESERVE else None,
            renderers.lose,
            frozenset(purposes),
            recordings if is_recorded else None,
            balance.turns,
        )

    recordings = _recordings(settings, registers)
    balance = Balance(settings.sessions.places, processes=processes)
    metrics.register(LoadSeries(balance))
    pool = Pool(Session, places=balance.places, metrics=metrics, audit=audit)
    gate = Gate(settings, registers.keys, pool)
    tools = Tools(lambda: parts.tracker(models), speech_network, portraits.decode)
    return Rooms(
        settings,
        store,
        prepared,
        metrics,
        voices,
        gate,
        registers,
        tools,
        pool,
        balance,
        request_call,
        recordings,
    )


def _recordings(settings: Settings, registers: Registers) -> Recordings | None:
    if not settings.recording.enabled:
        return None
    publisher = Publisher(
        Credentials.load(settings.provenance, settings.keys),
        registers.audit,
        registers.keys.mark_id,
        settings.consent.operator,
    )
    return Recordings(settings.recording, publisher)


def _call_settings(settings: Settings, keys: OperatorKeys, label: Label) -> CallSettings:
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
        mark_key=keys.mark,
        statements=Statements(keys, settings.consent.operator, label),
        label=label,
        speech=SpeechSettings(
            settings.voice.default,
            settings.voice.language,
            settings.voice.pace,
            settings.voice.longest_text,
            settings.voice.liveliness,
            settings.voice.skin,
        ),
        shape=Shape(settings.video.shape),
        max_bitrate=settings.video.bitrate * 1000,
        connect_deadline_s=settings.sessions.connect_deadline_s,
        silence_deadline_s=settings.sessions.silence_deadline_s,
        camera_patience_s=settings.sessions.camera_patience_s,
    )
