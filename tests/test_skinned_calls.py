"""Calls in which the presenter's voice is changed on its way back, over a real stack."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from engines.voice_skins.skin import VoiceSkin
from live import rtc
from live.errors import Unprocessable
from live.request import SpeechSettings
from live.session import Session
from tests import fakes
from tests.loops import in_loop
from tests.peer import Heard, Peer

pytestmark = pytest.mark.alone

TONE = 440.0
LOUD = 1000


@pytest.fixture(autouse=True)
def _adapted() -> Any:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


class Tuner(Peer):
    """Sends a tone of 440 Hz, and knows the frequency of what comes back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tones: deque[float] = deque(maxlen=4000)
        """Of each loud piece, in Hz."""

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)]
            rms = float(np.sqrt(np.square(samples.astype(np.float64)).mean()))
            self.heard.append(Heard(0.0, frame.pts or 0, rms))
            if rms > LOUD:
                power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 16_384))
                self.tones.append(float(np.argmax(power)) * 48_000 / 16_384)
            self._changed.set()

    async def loud(self, count: int) -> list[float]:
        """The tones of so many loud pieces from now on."""
        self.tones.clear()
        await self.until(lambda: len(self.tones) >= count)
        return list(self.tones)


@asynccontextmanager
async def call(skin: str) -> AsyncIterator[tuple[Session, Tuner]]:
    settings = fakes.call_settings(speech=SpeechSettings(skin=skin))
    session, peer = Session(fakes.request(settings=settings)), Tuner()
    try:
        await peer.call(session.answer)
        await peer.until(lambda: bool(peer.said("hello")))
        yield session, peer
    finally:
        await session.close()
        await peer.close()


@in_loop
async def test_the_voice_is_changed_from_its_first_sound_on() -> None:
    async with call("lower") as (session, peer):
        await peer.until(lambda: len(peer.tones) > 60)
        tones = np.array(peer.tones)
        assert session.report()["skin"] == "lower"
        assert np.median(tones) == pytest.approx(TONE * 2 ** (-4 / 12), rel=0.02)
        # before a pitch is known only the formants are moved
        assert np.mean(np.abs(tones / TONE - 1) < 0.05) < 0.05


@in_loop
async def test_a_skin_is_put_on_and_taken_off_in_a_running_call() -> None:
    async with call("none") as (session, peer):
        assert np.median(await peer.loud(30)) == pytest.approx(TONE, rel=0.01)
        peer.send("settings", skin="higher")
        await peer.until(lambda: session.report()["skin"] == "higher")
        await peer.loud(30)  # what was spoken before is on its way
        assert np.median(await peer.loud(30)) == pytest.approx(TONE * 2 ** (4 / 12), rel=0.02)
        await session.change({"skin": "none"})
        await peer.loud(30)
        assert np.median(await peer.loud(30)) == pytest.approx(TONE, rel=0.01)
        with pytest.raises(Unprocessable, match="none, grey, lower"):
            await session.change({"skin": "darth"})
        assert session.report()["skin"] == "none"


@in_loop
async def test_a_skin_that_fails_is_silence_and_the_peer_is_told() -> None:
    def broken(*values: object) -> None:
        raise RuntimeError("out of order")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VoiceSkin, "__call__", broken)
        async with call("grey") as (session, peer):
            await peer.until(lambda: bool(peer.said("error")))
            assert "nobody hears your voice" in peer.said("error")[0]["message"]
            heard = len(peer.seen)
            await peer.until(lambda: len(peer.seen) > heard + 30)  # the picture goes on
            assert not peer.tones
            patch.undo()
            await session.change({"skin": "lower"})
            assert np.median(await peer.loud(40)) == pytest.approx(TONE * 2 ** (-4 / 12), rel=0.02)
