"""Settings go in, the rooms with their real parts come out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2

from engines import portraits
from engines.drivers.speech_network import speech_network
from engines.weights import ModelStore
from live import parts, rtc
from live.access.gate import Gate
from live.consent.permitted import Permitted
from live.consent.record import Purpose
from live.disclosure import Label, chosen_label, label_of
from live.easel import Reserve
from live.enrolment.desk import Tools
from live.errors import DeviceLost
from live.keys import OperatorKeys
from live.load.balance import Balance
from live.load.series import LoadSeries
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.processes.choice import Machine
from live.processes.crew import Crew
from live.processes.front import CrewSeries, Front
from live.processes.supervisor import Supervisor
from live.provenance.credentials import Credentials
from live.provenance.statement import Statements
from live.recording.publisher import Publisher
from live.recording.recordings import Recordings, is_covered
from live.registers import Registers, open_registers
from live.renderers import DRIVER, RESERVE, Renderers
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
    stock = _stock(settings)
    models, registers, renderers = stock.models, stock.registers, stock.renderers
    prepared, voices, audit = stock.prepared, stock.voices, stock.registers.audit
    metrics = Metrics()
    # of several processes the front has written it down, once for all
    label = chosen_label(settings.label, audit) if processes == 1 else label_of(settings.label)
    call_settings = _call_settings(settings, registers.keys, label)

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
            registers.avatars.has,
        )

    recordings = _recordings(settings, registers)
    balance = Balance(settings.sessions.places, processes=processes)
    metrics.register(LoadSeries(balance))
    pool = Pool(Session, places=balance.places, metrics=metrics, audit=audit)
    return Rooms(
        settings,
        registers.avatars,
        prepared,
        metrics,
        voices,
        Gate(settings, registers.keys, pool),
        registers,
        stock.tools,
        pool,
        balance,
        request_call,
        recordings,
    )


def assemble_front(settings: Settings, processes: int) -> Front:
    """A server whose calls are held by so many workers; they run once it is opened."""
    stock = _stock(settings)
    registers = stock.registers
    chosen_label(settings.label, registers.audit)
    if settings.recording.enabled:  # what it lacks is said here, and its test certificate made once
        Credentials.load(settings.provenance, settings.keys)
    machine = Machine(settings.sessions.places)
    crew = Crew(partial(Supervisor, settings, processes), machine)
    metrics = Metrics()
    metrics.watch_places(crew.calls, lambda: crew.calls() + crew.free())
    metrics.register(LoadSeries(machine))
    metrics.register(CrewSeries(crew))
    return Front(
        settings,
        registers.avatars,
        stock.prepared,
        metrics,
        stock.voices,
        Gate(settings, registers.keys, crew),
        registers,
        stock.tools,
        crew,
    )


@dataclass(frozen=True, slots=True)
class _Stock:
    """What every process of a server is made of."""

    models: ModelStore
    registers: Registers
    renderers: Renderers
    prepared: PreparedAvatars
    voices: Voices
    tools: Tools


def _stock(settings: Settings) -> _Stock:
    # Every call has a thread of its own: OpenCV's, which share out one picture among themselves,
    # cost 8 % more CPU a picture and gained nothing, with one call or with two.
    cv2.setNumThreads(1)
    models = ModelStore(settings.models.folder)
    registers = open_registers(settings)
    renderers = parts.renderers(settings.engines, settings.models)
    registers.audit.check()  # now, and not with the first call
    return _Stock(
        models,
        registers,
        renderers,
        PreparedAvatars(registers.avatars, lambda: parts.workshop(models, renderers)),
        Voices(settings.voice.options(), settings.voice.default),
        Tools(lambda: parts.tracker(models), speech_network, portraits.decode),
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
