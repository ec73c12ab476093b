"""The peer's voice through a skin: in its time, and never as it was once a skin is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import UnknownPart
from engines.types import Floats
from engines.voice_skins.changes import NO_SKIN
from engines.voice_skins.skin import DELAY_NS, VoiceSkin
from live import opus
from live.clock import MILLISECOND, SECOND, VOICE_RATE, ns_from_ticks
from live.measures import Counts
from live.opus import AHEAD, AHEAD_NS, Piece
from live.voice_change import VoiceChange
from tests.loops import in_loop

START_NS = 7 * SECOND


def pieces(samples: opus.Samples) -> list[Piece]:
    encode = opus.Encoder()
    return [
        Piece(
            encode(samples[at : at + opus.SLOT]),
            40_000 + at,
            START_NS + ns_from_ticks(at, VOICE_RATE),
            START_NS,
        )
        for at in range(0, len(samples), opus.SLOT)
    ]


def bursts(seconds: float = 1.0) -> opus.Samples:
    """10 ms of a tone every 200 ms, in quiet; the first after 100 ms."""
    at = np.arange(int(seconds * VOICE_RATE)) % 9600
    tone = 12_000 * np.sin(at * 2 * np.pi * 2000 / VOICE_RATE)
    return np.where((at >= 4800) & (at < 5280), tone, 0).astype(np.int16)


class Listener:
    """What a voice change delivers and says."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.failures = 0
        self._told = asyncio.Event()

    def put(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self._told.set()

    def failed(self) -> None:
        self.failures += 1
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._told.clear()
                await self._told.wait()

    def passed(self, sent: Sequence[Piece]) -> bool:
        """Whether anything has come through as it was; silence has nothing to hide."""
        plain = {piece.data for piece in sent} & {piece.data for piece in self.pieces}
        return bool(plain - {opus.SILENCE})

    def sound(self) -> Floats:
        """All of it, decoded; packets of a stretch follow each other."""
        decoder = opus.Decoder(self.pieces[0].ticks)
        parts = [(decoder.silence_before(piece), decoder.decoded(piece)) for piece in self.pieces]
        return np.concatenate([sound for both in parts for sound in both])

    def centres(self) -> list[float]:
        """When the middle of each burst is heard, in ms."""
        power = np.square(self.sound().astype(np.float64))
        loud = np.flatnonzero(power > 0.05 * power.max())
        groups = np.split(loud, np.flatnonzero(np.diff(loud) > 4800) + 1)
        # a decoder gives a sound later than its packet says, by the encoder's look-ahead
        first_ns = self.pieces[0].pts_ns
        centres = [group @ power[group] / power[group].sum() for group in groups]
        return [(first_ns - START_NS) / MILLISECOND + centre / 48 for centre in centres]


@asynccontextmanager
async def change(
    counts: Counts | None = None,
) -> AsyncIterator[tuple[VoiceChange, Listener]]:
    listener = Listener()
    changing = VoiceChange(listener.put, listener.failed, counts or Counts())
    yield changing, listener
    changing.close()
    assert await asyncio.to_thread(changing.join, 2)


async def fed(changing: VoiceChange, listener: Listener, what: Sequence[Piece], more: int) -> None:
    """Feeds pieces and waits until so many more have come out."""
    wanted = len(listener.pieces) + more
    for start in range(0, len(what), 25):
        for piece in what[start : start + 25]:
            changing.put(piece)
        await asyncio.sleep(0.02)
    await listener.until(lambda: len(listener.pieces) >= wanted)


@in_loop
async def test_without_a_skin_packets_pass_as_they_came() -> None:
    async with change() as (changing, listener):
        sent = pieces(bursts(0.2))
        for piece in sent:
            changing.put(piece)
        assert all(one is other for one, other in zip(listener.pieces, sent, strict=True))
        assert changing.skin == NO_SKIN
        assert changing.delay_ns == 0


@in_loop
@pytest.mark.parametrize("skin", ["grey", "lower", "higher"])
async def test_the_changed_voice_is_heard_when_its_time_says(skin: str) -> None:
    async with change() as (changing, listener):
        changing.wear(skin)
        sent = pieces(bursts())
        await fed(changing, listener, sent, len(sent))
        for count, centre in enumerate(listener.centres()):
            # bursts as sent are heard later by their encoder's look-ahead, and so are ours
            assert centre - AHEAD / 48 == pytest.approx(105 + 200 * count, abs=2.5)
        assert len(listener.centres()) == 5
        for one, other in pairwise(listener.pieces):
            assert other.ticks - one.ticks == opus.SLOT
            assert other.pts_ns - one.pts_ns == pytest.approx(20 * MILLISECOND, abs=2)


@in_loop
async def test_what_has_to_be_waited_for_is_within_the_promise() -> None:
    async with change() as (changing, listener):
        changing.wear("grey")
        assert DELAY_NS + AHEAD_NS < changing.delay_ns <= 45 * MILLISECOND
        sent = pieces(bursts(0.2))
        await fed(changing, listener, sent, len(sent))
        for piece, changed in zip(sent, listener.pieces, strict=True):
            assert piece.pts_ns - changed.pts_ns <= 40 * MILLISECOND
            assert changed.captured_ns == piece.captured_ns


@in_loop
async def test_a_lost_packet_leaves_everything_else_in_its_time() -> None:
    async with change() as (changing, listener):
        changing.wear("lower")
        sent = pieces(bursts())
        kept = [piece for count, piece in enumerate(sent) if count not in {2, 8, 9, 33}]
        await fed(changing, listener, [*kept[:20], kept[3], *kept[20:]], len(sent))
        for count, centre in enumerate(listener.centres()):
            assert centre - AHEAD / 48 == pytest.approx(105 + 200 * count, abs=2.5)


@in_loop
async def test_a_long_gap_is_a_new_beginning() -> None:
    async with change() as (changing, listener):
        changing.wear("lower")
        sent = pieces(bursts())
        later = [
            piece._replace(ticks=piece.ticks + 480_000, pts_ns=piece.pts_ns + 10 * SECOND)
            for piece in sent
        ]
        await fed(changing, listener, sent, len(sent))
        del listener.pieces[:]
        await fed(changing, listener, later, len(later))
        assert len(listener.pieces) == len(sent)
        assert listener.centres()[0] - AHEAD / 48 == pytest.approx(10_105, abs=2.5)


def broken(*values: object) -> None:
    raise RuntimeError("out of order")


@in_loop
async def test_a_skin_that_fails_leaves_silence_never_the_plain_voice() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VoiceSkin, "__call__", broken)
        async with change() as (changing, listener):
            changing.wear("grey")
            sent = pieces(bursts())
            for piece in sent:
                changing.put(piece)
            await listener.until(lambda: listener.failures > 0)
            for piece in sent * 3:
                changing.put(piece)
            await asyncio.sleep(0.05)
            assert listener.failures == 1
            assert not listener.pieces
            patch.undo()
            changing.wear("grey")  # asked for again, it begins anew
            await fed(changing, listener, sent, len(sent))
            assert not listener.passed(sent)
            changing.wear(NO_SKIN)
            changing.put(sent[0])
            assert listener.pieces[-1] is sent[0]


@in_loop
async def test_an_encoder_that_cannot_be_opened_is_a_failure() -> None:
    sent = pieces(bursts(0.1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opus.Encoder, "__init__", broken)
        async with change() as (changing, listener):
            changing.wear("grey")
            changing.put(sent[0])
            await listener.until(lambda: listener.failures > 0)
            for piece in sent:
                changing.put(piece)
            await asyncio.sleep(0.02)
            assert not listener.pieces


@in_loop
async def test_an_unknown_skin_changes_nothing() -> None:
    async with change() as (changing, listener):
        changing.wear("deep")
        with pytest.raises(UnknownPart):
            changing.wear("shallow")
        assert changing.skin == "deep"
        sent = pieces(bursts(0.2))
        await fed(changing, listener, sent, len(sent))
        assert not listener.passed(sent)


@in_loop
async def test_changing_skins_lets_nothing_through() -> None:
    async with change() as (changing, listener):
        sent = pieces((6000 * np.sin(np.arange(48_000) / 17)).astype(np.int16))
        for count, skin in enumerate(("grey", "lower", "bright", "grey")):
            changing.wear(skin)
            for piece in sent[count * 10 : count * 10 + 10]:
                changing.put(piece)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert listener.pieces
        assert not listener.passed(sent)


@in_loop
async def test_after_the_end_nothing_passes() -> None:
    async with change() as (changing, listener):
        changing.wear("grey")
        changing.close()
        for piece in pieces(bursts(0.2)):
            changing.put(piece)
        assert await asyncio.to_thread(changing.join, 2)
        await asyncio.sleep(0.02)
        assert not listener.pieces


@settings(max_examples=20, deadline=None)
@given(junk=st.lists(st.binary(max_size=40), min_size=1, max_size=12))
def test_packets_that_are_none_are_dropped_and_the_voice_goes_on(junk: list[bytes]) -> None:
    @in_loop
    async def test() -> None:
        async with change() as (changing, listener):
            changing.wear("grey")
            sent = pieces(bursts(0.1))
            for count, data in enumerate(junk):
                changing.put(Piece(data, 30_000 + 960 * count, START_NS, START_NS))
            later = [piece._replace(ticks=piece.ticks + 10**7) for piece in sent]
            for piece in later:
                changing.put(piece)
            last = later[-1].ticks
            await listener.until(lambda: any(piece.ticks == last for piece in listener.pieces))
            assert not listener.passed(sent)
            assert not listener.failures

    test()


@in_loop
async def test_what_waits_is_bounded() -> None:
    counts = Counts()
    async with change(counts) as (changing, listener):
        changing.wear("grey")
        sent = pieces(bursts(0.1))
        for count in range(400):
            changing.put(sent[0]._replace(ticks=960 * count))
        assert counts["dropped.unchanged_sound"] >= 300
        await asyncio.sleep(0.1)
        assert listener.pieces
