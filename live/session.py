"""One call: the peer's offer in, our answer out, and from then on camera in, avatar out.

A session owns what it starts: one connection, one worker thread and one task that lives as long as
the call. Whatever ends the call (a request, the peer, the network, silence), that task ends it and
frees everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engines.mark import Mark
from live import memory, messages, public_id, watches, wire
from live.channel import Channel
from live.clock import SessionClock, now_ns
from live.connection import Connection
from live.consent.authority import Flaw
from live.consent.permitted import Permitted
from live.consent.uses import SAID
from live.disclosure import Disclosure, Stamped
from live.ears import Ears
from live.easel import Easel, Fall
from live.egress import AvatarTrack, VoiceTrack
from live.errors import Conflict, DeviceLost, TooSlow, Unprocessable, VisavisError
from live.ingest import Camera, Microphone
from live.load.effort import Effort
from live.load.steps import FULL, Step
from live.load.turns import Turn
from live.measures import Counts, Durations, Tally
from live.peer_clock import PeerClock
from live.pipeline import ROOMS, Pipeline
from live.recording.call import CallRecording
from live.request import CallSettings, IceServer, Parts, SessionRequest
from live.speech_feed import SpeechFeed
from live.stages import STAGES
from live.talk import Listener, Talk
from live.voice_change import VoiceChange
from live.worker import Worker

__all__ = ["CallSettings", "IceServer", "Parts", "Session", "SessionRequest"]

logger = logging.getLogger(__name__)

_FREE_WITHIN_S = 2.0
_STATS_EVERY_S = 1.0
_DEGRADED = (
    "the graphics device or its networks failed, so a simpler renderer draws the avatar now; a new"
    " call may be drawn as before"
)
_SKIN_FAILED = (
    "the voice skin has failed, so nobody hears your voice now; choose a skin anew, or none"
)


class Session:
    """A call. Made and used on the event loop."""

    def __init__(
        self, request: SessionRequest, on_ended: Callable[[str], None] = lambda reason: None
    ) -> None:
        """Begins to wait for an offer; `on_ended` is called once, with the reason.

        Reasons of its own: `hung_up`, `connection_failed`, `connect_timeout`, `silent`, `refused`,
        `failed` (a part of ours), and those of `consent.authority.Reason`.
        """
        self.public_id = public_id.new()
        """Names the call to everybody: its mark carries it."""
        self._request = request
        self._settings = request.settings
        self._on_ended = on_ended
        self._shown = request.avatar
        self._started_at = datetime.now(UTC)
        self.statement = self._stated()
        """What is said of the call now, signed (`live.provenance.statement`)."""
        self._driver = request.driver
        self._loop = asyncio.get_running_loop()
        self._counts = Counts()
        clock, peer_clock = SessionClock(), PeerClock()
        self._talk = Talk(request.parts.voice, self._settings.speech, self._counts, self._on_speech)
        speaker = self._talk.speaker
        ears = Ears(speaker, self._counts)
        self._camera = Camera(self._counts, peer_clock)
        self._video = AvatarTrack(self._counts, clock)
        self._voice = VoiceTrack(
            self._video.delay.recent_ns, self._counts, clock=clock, source=speaker
        )
        self._disguise = VoiceChange(self._voice.put, self._on_skin_failure, self._counts)
        self._wear(self._settings.speech.skin)
        self._offer: wire.Offer | None = None
        self._answering, self._changing = asyncio.Lock(), asyncio.Lock()
        self._pipeline: Pipeline | None = None
        self._channel = Channel(
            self.change,
            self.say,
            self.interrupt,
            self._hello,
            lambda: self.statement,
            may_speak=request.may_speak,
        )
        self._connection = Connection(
            self._settings,
            camera=self._camera,
            video=self._video,
            voice=self._voice,
            microphone=Microphone(peer_clock, [self._disguise, ears]),
            on_state=self._on_state,
            on_channel=self._channel.open,
        )
        self._worker = Worker(
            self._build,
            self._camera.frames,
            ears,
            self._show,
            self._counts,
            self._on_failure,
            turn=Turn(request.turns),
            camera_patience_s=self._settings.camera_patience_s,
        )
        self._recording = CallRecording(
            request.recordings,
            self.public_id,
            self._settings.label,
            clock=clock,
            counts=self._counts,
            send=self._channel.send,
        )
        self._recording.note(request.avatar.permit, request.driver)
        self._voice.on_sent = self._recording.hear
        self._step = FULL
        self._told_state = "", ""
        self._untold_fall = False
        self._connected = asyncio.Event()
        self._end: asyncio.Future[str] = self._loop.create_future()
        self.closed = asyncio.Event()
        """Set when everything is free."""
        self._life = asyncio.create_task(self._live(), name="session")

    @property
    def avatar(self) -> str:
        """The id of the avatar that is shown now."""
        return self._shown.id

    async def answer(self, sdp: str) -> str:
        """Takes the peer's offer and gives our answer, with all of our candidates.

        Raises `Conflict` for a second offer; `BadSdp`, `Unprocessable`, `TooSlow` (past the
        deadline for connecting) or an engine's error where no call can be made, and ends the
        session then.
        """
        if self._offer is not None:
            raise Conflict("this call has had its offer; end it and open a new one")
        if self._end.done():
            raise self._too_early()
        try:
            self._offer = wire.parse_offer(sdp)
            await asyncio.to_thread(self._shown.permit.check)
            if self._end.done():
                raise self._too_early()
            self._worker.start()  # loads its networks while the addresses are gathered
            async with self._answering:
                answer = await self._connection.answer(self._offer)
            self._pipeline = await self._built()
        except BaseException:
            await asyncio.shield(self.close("refused"))
            raise
        return answer

    async def trickle(self, fragment: str) -> None:
        """Takes more of the peer's candidates; raises `BadRequest`, `Unprocessable`, `Conflict`."""
        if self._offer is None or self._end.done():
            raise Conflict("this call has no offer yet, or has ended")
        await self._connection.add(wire.parse_fragment(fragment, ufrag=self._offer.ufrag))

    async def change(self, settings: Mapping[str, Any]) -> None:
        """Changes the running call from its next picture on; raises `Unprocessable` and others.

        Keys: `avatar` and `driver` (names), `background` (keep, blur, colour, green or #rrggbb),
        `mirror`, `calibrate` (true or false), `voice` (a name), `liveliness` (0…1),
        `skin` (a name of `engines.voice_skins.changes.SKINS`, for the peer's own voice),
        `sound` (true or false: whether the peer is sent any).
        """
        wanted = messages.parse_settings(settings)
        pipeline = self._running()
        if wanted.skin is not None:  # first: whoever hides must not wait for the rest
            self._wear(wanted.skin)
        avatar = driver = None
        if wanted.avatar is not None and wanted.avatar != self.avatar:
            avatar = await self._opened(wanted.avatar, fallen=pipeline.easel.fallen is not None)
        if wanted.driver is not None and wanted.driver != self._driver:
            driver = await asyncio.to_thread(self._request.parts.driver, wanted.driver)
        if wanted.voice is not None:
            await self._talk.choose(wanted.voice)
        async with self._changing:  # one after the other, as they came
            self._request.check_covered(avatar or self._shown, wanted.driver or self._driver)
            if avatar is not None:
                await self._request.on_shown(self.public_id, avatar)
            await asyncio.to_thread(
                pipeline.request,
                avatar=avatar,
                driver=driver,
                backdrop=wanted.backdrop,
                mirror=wanted.mirror,
                liveliness=wanted.liveliness,
            )
        if avatar is not None:
            self._shown = avatar
            self.statement = self._stated()
            self._channel.state_anew()
            if SAID - avatar.permit.record.modes:  # what the one before was saying
                self.interrupt()
        if driver is not None and wanted.driver is not None:
            self._driver = wanted.driver
        self._recording.note(self._shown.permit, self._driver)
        if wanted.sound is not None:
            self._connection.send_sound(wanted.sound)
        if wanted.calibrate:
            pipeline.calibrate()

    async def say(self, values: Mapping[str, Any], ref: str | None = None) -> str:
        """Lets the avatar say a text; the utterance's id. See `Talk.say`; raises `Conflict`, too.

        Keys: `text`, and `voice`, `language`, `pace` where they are not the call's.
        """
        self._check_heard()
        return await self._talk.say(values, ref)

    async def say_sound(self, data: bytes) -> str:
        """Lets the avatar speak with the sound of a WAV file; the utterance's id."""
        self._check_heard()
        return await self._talk.say_sound(data)

    def say_feed(self, rate: int, named: Callable[[str], None]) -> SpeechFeed:
        """Lets the avatar speak with sound that is still to come; `named` gets the id."""
        self._check_heard()
        return self._talk.say_feed(rate, named)

    def interrupt(self) -> list[dict[str, Any]]:
        """Makes silence; what each utterance had reached, as in `finished`."""
        self._running()
        ends = self._talk.interrupt()
        if ends:
            self._tell_state("interrupted")
        return ends

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tells `listener` of every utterance; the function returned ends that."""
        return self._talk.listen(listener)

    def report(self) -> dict[str, Any]:
        """How the call goes, in plain values; times in milliseconds.

        `latency_ms` is from a camera frame's first packet to the avatar's last, `stages_ms` what it
        consists of (`live.stages`); a positive skew means that the picture leaves after its sound.
        """
        now = now_ns()
        picture, voice = self._video.latency.report(), self._voice.latency.report()
        stages = {stage: durations.report() for stage, durations in self._stages().items()}
        return {
            "state": self._state(),
            "mode": self._driver,
            "skin": self._disguise.skin,
            "avatar": self.avatar,
            "renderer": self._renderer(),
            "codec": self._connection.codec,
            "frames": {
                "in": self._counts["in"],
                "out": self._counts["out"],
                "dropped": self._counts.with_prefix("dropped."),
            },
            "fps": {
                "in": self._camera.rate.per_second(now),
                "out": self._video.rate.per_second(now),
            },
            "rooms_ms": {room: stages[room] for room in ROOMS if room in stages},
            "stages_ms": stages,
            "latency_ms": picture,
            "voice_latency_ms": voice,
            "av_skew_ms": round(picture["p50"] - voice["p50"], 1) if picture and voice else None,
            "speech": self._talk.report(),
            "recording": self._recording.state,
            "quality": {"step": self._step.name, "fps": self._step.fps},
        }

    def tally(self) -> Tally:
        """What was counted since the beginning."""
        histograms = {stage: durations.histogram for stage, durations in self._stages().items()}
        histograms["latency"] = self._video.latency.histogram
        histograms["first_sound"] = self._talk.speaker.first_sound.histogram
        return Tally(self._counts.with_prefix(""), histograms)

    def _stages(self) -> dict[str, Durations]:
        """Of `live.stages`, in their order; the rooms are there once they are built."""
        rooms = self._pipeline.times if self._pipeline is not None else {}
        times = {**self._camera.times, **self._worker.times, **rooms, **self._video.times}
        return {stage: times[stage] for stage in STAGES if stage in times}

    def effort(self) -> Effort:
        """What drawing it has taken so far."""
        return Effort(self._counts["in"], self._worker.drawn, self._worker.work_ns)

    def ease(self, step: Step) -> None:
        """Draws it at this step from its next picture on; the peer is told soon."""
        self._step = step
        self._worker.pace.fps = step.fps

    async def close(self, reason: str = "closed") -> None:
        """Ends the call and frees what it holds; calling it again waits for the same end."""
        self._finish(reason)
        await self.closed.wait()

    async def _built(self) -> Pipeline:
        """The worker's pipeline; raises what it could not be built with, or `Conflict`."""
        ready = asyncio.wrap_future(self._worker.ready)
        await asyncio.wait((ready, self._end), return_when=asyncio.FIRST_COMPLETED)
        if self._end.done():
            ready.cancel()
            raise self._too_early()
        return ready.result()

    def _too_early(self) -> VisavisError:
        """Why there is no answer to an offer whose call has ended."""
        if self._end.result() == watches.CONNECT_TIMEOUT:
            within = self._settings.connect_deadline_s
            return TooSlow(f"the call could not be made ready within {within:g} s; try again soon")
        return Conflict("this call was ended before it had begun")

    def _running(self) -> Pipeline:
        if self._pipeline is None or self._end.done():
            raise Conflict("this call has not begun, or has ended")
        return self._pipeline

    def _check_heard(self) -> None:
        self._running()
        if self._offer is None or not self._offer.hears_voice:
            raise Conflict("this call takes no sound; offer audio that is sendrecv or recvonly")
        self._shown.permit.check_covers(modes=SAID)

    async def _opened(self, id: str, *, fallen: bool) -> Permitted:
        """Another avatar, made by the renderer that draws now."""
        if fallen and self._request.open_reserve is not None:
            return (await self._request.open_reserve(id)).avatar
        if self._request.open_avatar is None:
            raise Unprocessable("the avatar of this call cannot be changed")
        return await self._request.open_avatar(id)

    def _renderer(self) -> str:
        made_by = self._request.avatar.avatar.made_by
        return made_by if self._pipeline is None else self._pipeline.easel.renderer.name

    def _state(self) -> str:
        if self._end.done():
            return "closed"
        if not self._connected.is_set() or self._pipeline is None:
            return "connecting"
        return "speaking" if self._talk.speaker.speaking else str(self._pipeline.state)

    def _hello(self) -> dict[str, Any]:
        label = self._settings.label
        return {
            "session": self.public_id,
            "disclosure": label.text,
            "language": label.language,
            "marked": True,
            "recorded": self._recording.is_wanted,
            "avatar": self.avatar,
        }

    def _stated(self) -> str:
        statements = self._settings.statements
        return statements.of(self.public_id, self._shown.permit, self._started_at)

    def _build(self) -> Pipeline:
        parts, settings = self._request.parts, self._settings
        try:
            pipeline = Pipeline(
                parts.tracker(),
                parts.driver(self._request.driver),
                parts.renderer(),
                self._request.avatar,
                Disclosure(settings.label, self._mark()),
                shape=settings.shape,
                liveliness=settings.speech.liveliness,
                on_fall=self._on_fall,
            )
        except DeviceLost:  # who tries again opens on what works
            self._request.on_device_lost()
            raise
        pipeline.easel.reserve_comes = self._request.open_reserve is not None
        return pipeline

    def _show(self, stamped: Stamped) -> None:
        """Called on the worker's thread."""
        self._video.show(stamped)
        self._recording.show(stamped)

    def _mark(self) -> Mark:
        return Mark(self._settings.mark_key, public_id.to_payload(self.public_id))

    def _on_fall(self, fall: Fall) -> None:
        """Called on the worker's thread."""
        self._counts.add(f"fallbacks.{fall}")
        if fall is Fall.DEVICE_LOST:
            self._request.on_device_lost()
        self._untold_fall = True

    def _on_speech(self, type: str, values: Mapping[str, Any]) -> None:
        if type == "started":
            self._tell_state("speaking")
        self._channel.send(type, **values)

    def _on_state(self, state: str) -> None:
        match state:
            case "connected":
                self._connected.set()
                self._worker.live.set()
            case "failed":
                self._finish("connection_failed")
            case "closed":
                self._finish("hung_up")

    def _on_failure(self) -> None:
        """Called on the worker's thread."""
        self._loop.call_soon_threadsafe(self._finish, "failed")

    def _wear(self, skin: str) -> None:
        self._untold_failure = False
        self._disguise.wear(skin)
        self._voice.min_delay_ns = self._disguise.delay_ns

    def _on_skin_failure(self) -> None:
        self._untold_failure = True
        self._tell_failure()

    def _tell_fall(self) -> None:
        """Tells the peer, once and as soon as it can be told, that another renderer draws."""
        if self._untold_fall and self._pipeline is not None:
            easel = self._pipeline.easel
            told = self._channel.send(
                "state",
                state="degraded",
                reason=easel.fallen,
                renderer=easel.renderer.name,
                message=_DEGRADED,
            )
            if told:
                self._untold_fall, self._told_state = False, ("degraded", "")

    def _tell_failure(self) -> None:
        """Tells the peer, as soon as it can be told, that its voice is not heard."""
        if self._untold_failure:
            self._untold_failure = not self._channel.send("error", message=_SKIN_FAILED)

    def _finish(self, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(reason)

    async def _live(self) -> None:
        tasks = [asyncio.create_task(watch, name="session-watch") for watch in self._watches()]
        reason = await self._end
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tell_end(reason)
        await self._free()
        self.closed.set()
        self._on_ended(reason)
        memory.give_back_soon()

    def _watches(self) -> Iterator[Coroutine[Any, Any, None]]:
        settings, open_reserve = self._settings, self._request.open_reserve
        yield watches.connecting(self._connected, settings.connect_deadline_s, self._finish)
        received = self._connection.packets_received
        yield watches.silence(self._connected, received, settings.silence_deadline_s, self._finish)
        yield watches.consent(lambda: self._shown.permit, self._tell_flaw, self._finish)
        yield watches.removal(lambda: self.avatar, self._request.is_kept, self._finish)
        if open_reserve is not None:
            yield watches.reserve(self._connected, open_reserve, lambda: self.avatar, self._easel)
        yield self._connection.resolve_hidden()
        yield self._tell()

    def _easel(self) -> Easel | None:
        return None if self._pipeline is None else self._pipeline.easel

    def _tell_flaw(self, flaw: Flaw) -> bool:
        values = {"state": "ended", "reason": flaw.reason, "message": flaw.message}
        return self._channel.send("state", **values)

    async def _tell_end(self, reason: str) -> None:
        """Tells the peer why the call ends, where we end it; nothing is drawn from then on."""
        self._worker.stop()
        message = messages.FAREWELLS.get(reason)
        if message and self._channel.send("state", state="ended", reason=reason, message=message):
            await asyncio.sleep(watches.TOLD_WITHIN_S)

    async def _tell(self) -> None:
        """Tells the peer of every change of state soon, and how the call goes every second."""
        await self._connected.wait()
        next_stats = self._loop.time()
        while True:
            self._tell_fall()
            self._recording.tell()
            self._tell_state(self._state())
            self._tell_failure()
            if self._loop.time() >= next_stats:
                next_stats += _STATS_EVERY_S
                self._channel.send("stats", **self.report())
            await asyncio.sleep(watches.LOOK_EVERY_S)

    def _tell_state(self, state: str) -> None:
        telling = state, self._step.name
        if telling != self._told_state and self._channel.send(
            "state", state=state, quality=self._step.name
        ):
            self._told_state = telling

    async def _free(self) -> None:
        self._talk.speaker.close()
        self._disguise.close()
        self._recording.stop()
        self._video.stop()
        self._voice.stop()
        async with self._answering:  # sockets that are being opened now would stay open
            pass
        try:
            async with asyncio.timeout(_FREE_WITHIN_S):
                await self._connection.close()
        except TimeoutError:
            logger.error("a peer connection did not close within %s s", _FREE_WITHIN_S)
        threads = {
            "a worker": self._worker.join,
            "a voice skin": self._disguise.join,
            "a voice": self._talk.speaker.join,
        }
        joins = (asyncio.to_thread(join, _FREE_WITHIN_S) for join in threads.values())
        for thread, ended in zip(threads, await asyncio.gather(*joins), strict=True):
            if not ended:
                logger.error("%s did not end within %s s", thread, _FREE_WITHIN_S)
