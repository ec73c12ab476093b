"""What callers do, one step after another, each drawn by lot from a seed.

A step says what the server must have done; what it did not do is a `Broken`, and ends the soak.
"""

from __future__ import annotations

import asyncio
import io
import random
import wave
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import ClientSession

from benchmarks.soaking.call import SDP, SoakCall

AVATARS = ("mira", "ada")
_BAD_OFFERS = ("", "v=0", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "\x00" * 400, "a=" * 9000)
_SETTINGS: tuple[dict[str, object], ...] = (
    {"driver": "face"},
    {"driver": "speech"},
    {"driver": "auto"},
    {"background": "blur"},
    {"background": "#204060"},
    {"background": "keep"},
    {"mirror": True},
    {"mirror": False},
    {"liveliness": 0.2},
    {"calibrate": True},
    {"sound": False},
    {"sound": True},
    {"skin": "lower"},
    {"skin": "none"},
)
_WORDS = "One and two and three. Four comes after that, and five is the last one."
_WAYS_TO_SPEAK = 3
_FREED_WITHIN_S = 20.0
"""After a client that vanished: the server's deadline of silence, 6 s, and what a busy machine with
other calls on it, adds."""
_BACK_WITHIN_S = 10.0


class Broken(Exception):
    """Something that must not happen has happened."""


class Callers:
    """The calls that are held, and what they may do."""

    def __init__(
        self, http: ClientSession, address: str, coded: Sequence[bytes], seed: int, most: int
    ) -> None:
        """`most`: calls at once."""
        self._http, self._address, self._coded, self._most = http, address, coded, most
        self._lot = random.Random(seed)  # noqa: S311  (steps that can be repeated)
        self._calls: list[SoakCall] = []
        self.done: dict[str, int] = {}
        """How often each step has been made."""

    async def warm_up(self, processes: int) -> None:
        """Everything that a server sets up when it is first asked for; raises `Broken`.

        With a call in each of its processes: a server gives calls to the one that has fewest.
        """
        for number in range(processes):
            await self._open_with(AVATARS[number % len(AVATARS)])
        changes: list[Mapping[str, object]] = [*_SETTINGS, *({"avatar": one} for one in AVATARS)]
        for call in self._calls:
            for settings in changes:
                await self._change_to(call, settings)
            for way in range(_WAYS_TO_SPEAK):
                await self._say(call, way)
            await call.more_pictures(_BACK_WITHIN_S)
            await call.ask("POST", "/interrupt")
        await self.end_all()

    async def step(self) -> str:
        """Makes the next step and gives its name; raises `Broken`."""
        lot = self._lot
        if not self._calls or (len(self._calls) < self._most and lot.random() < 0.3):
            action = lot.choices(self._opening(), (8, 1, 1))[0]
        else:
            action = lot.choices(self._during(), (2, 1, 2, 6, 3, 2, 1, 1, 1))[0]
        name = action.__name__.strip("_")
        try:
            await action()
        except TimeoutError as error:
            told = "; ".join([await call.told() for call in self._calls]) or "no call is held"
            raise Broken(f"{name}: not done in time. The server says: {told}") from error
        self.done[name] = self.done.get(name, 0) + 1
        await asyncio.sleep(lot.uniform(0.05, 0.6))
        return name

    async def end_all(self) -> None:
        """Hangs up everywhere; raises `Broken` where that takes too long."""
        while self._calls:
            await self._hang_up()

    async def abandon(self) -> None:
        """Frees our ends, whatever the server does."""
        for call in self._calls:
            await call.close()
        self._calls.clear()

    def _opening(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._open, self._bad_offer, self._never_connect

    def _during(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (
            self._hang_up,
            self._vanish,
            self._leave,
            self._change,
            self._speak,
            self._interrupt,
            self._outage,
            self._half_close,
            self._nonsense,
        )

    def _drawn(self) -> SoakCall:
        return self._lot.choice(self._calls)

    def _taken(self) -> SoakCall:
        return self._calls.pop(self._lot.randrange(len(self._calls)))

    async def _open(self) -> None:
        await self._open_with(self._lot.choice(AVATARS))

    async def _open_with(self, avatar: str) -> None:
        call = SoakCall(self._http, self._address, self._coded)
        self._calls.append(call)
        status = await call.open(avatar)
        if status != 201:
            self._calls.remove(call)
            await call.close()
        if status not in (201, 503):  # measured capacity may be less than was asked for
            raise Broken(f"a good offer was answered with {status}")

    async def _bad_offer(self) -> None:
        offer = self._lot.choice(_BAD_OFFERS)
        url = f"{self._address}/sessions?avatar=mira"
        async with self._http.post(url, data=offer, headers=SDP) as answer:
            await answer.read()
            if not 400 <= answer.status < 500 and answer.status != 503:
                raise Broken(f"an offer that is none was answered with {answer.status}")

    async def _never_connect(self) -> None:
        """An offer whose sender never comes: the server's own deadline ends the call."""
        call = SoakCall(self._http, self._address, self._coded)
        url = f"{self._address}/sessions?avatar=mira"
        async with self._http.post(url, data=await call.offer(), headers=SDP) as answer:
            await answer.read()
            if answer.status not in (201, 503):
                raise Broken(f"a good offer was answered with {answer.status}")
        await call.close()

    async def _hang_up(self) -> None:
        call = self._taken()
        answer = await call.ask("DELETE")
        await call.close()
        if answer.status not in (200, 404):
            raise Broken(f"DELETE was answered with {answer.status}")

    async def _leave(self) -> None:
        """Closes the connection and says nothing by HTTP."""
        call = self._taken()
        await call.close()
        await self._until_freed(call)

    async def _vanish(self) -> None:
        call = self._taken()
        call.vanish()
        await self._until_freed(call)
        await call.close()

    async def _until_freed(self, call: SoakCall) -> None:
        async with asyncio.timeout(_FREED_WITHIN_S):
            while (await call.ask("GET")).status != 404:  # noqa: ASYNC110  (of another process)
                await asyncio.sleep(0.1)

    async def _change(self) -> None:
        call = self._drawn()
        settings = dict(self._lot.choice(_SETTINGS))
        if self._lot.random() < 0.2:
            settings = {"avatar": self._lot.choice(AVATARS)}
        await self._change_to(call, settings)

    async def _change_to(self, call: SoakCall, settings: Mapping[str, object]) -> None:
        answer = await call.ask("PATCH", "/settings", json=dict(settings))
        if answer.status != 204:
            raise Broken(f"the settings {settings} were answered with {answer.status}")
        await call.more_pictures(_BACK_WITHIN_S)

    async def _speak(self) -> None:
        await self._say(self._drawn(), self._lot.randrange(_WAYS_TO_SPEAK))

    async def _say(self, call: SoakCall, way: int) -> None:
        if way == 0:
            call.send("say", text=_WORDS)
            return
        if way == 1:
            answer = await call.ask("POST", "/say", json={"text": _WORDS})
        else:
            headers = {"Content-Type": "audio/wav"}
            answer = await call.ask("POST", "/say", data=_tone(), headers=headers)
        # 503: the voice is not installed; 409: as much is waiting to be said as may
        if answer.status not in (202, 409, 429, 503):
            raise Broken(f"a thing to say was answered with {answer.status}")

    async def _interrupt(self) -> None:
        answer = await self._drawn().ask("POST", "/interrupt")
        if answer.status != 200:
            raise Broken(f"an interruption was answered with {answer.status}")

    async def _outage(self) -> None:
        call, seconds = self._drawn(), self._lot.uniform(0.3, 3)
        call.lose(seconds)
        await asyncio.sleep(seconds)
        await call.more_pictures(_BACK_WITHIN_S)

    async def _half_close(self) -> None:
        call = self._drawn()
        call.close_channel()
        await call.more_pictures(_BACK_WITHIN_S)

    async def _nonsense(self) -> None:
        call = self._drawn()
        call.send("settings", avatar=7, driver="nobody", background={})
        call.send("unknown", text="x" * 1000)
        answer = await call.ask("PATCH", "/settings", json={"driver": "nobody"})
        if not 400 <= answer.status < 500:
            raise Broken(f"a driver that is none was answered with {answer.status}")
        await call.more_pictures(_BACK_WITHIN_S)


def _tone() -> bytes:
    """Half a second of sound, as a WAV file."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(range(0, 200, 2)) * 160)
    return data.getvalue()
