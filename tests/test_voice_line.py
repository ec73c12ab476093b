"""Two voices on one timeline: what leaves when, with which time, and who is heard."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live.clock import MILLISECOND, SECOND, VOICE_RATE, SessionClock, now_ns
from live.measures import Counts
from live.opus import AHEAD_NS, SILENCE, SLOT, Piece, Samples
from live.voice_line import SLOT_NS, Outgoing, VoiceLine

PEERS = b"\xf8peer"
DELAY_NS = 30 * MILLISECOND
TONE: Samples = (8000 * np.sin(np.arange(SLOT) * np.pi / 40)).astype(np.int16)


class Voice:
    """Says something between some times."""

    def __init__(self, *spans: tuple[int, int]) -> None:
        """`spans`: from when to when, in ms from the start."""
        self.spans = spans
        self.start = 0
        self.asked: list[int] = []

    def sound(self, pts_ns: int) -> Samples | None:
        self.asked.append(pts_ns)
        ms = (pts_ns - self.start) / MILLISECOND
        if not any(first <= ms < last for first, last in self.spans):
            return None
        return TONE


class Line:
    """A line on a clock that moves a millisecond at a time."""

    def __init__(
        self, voice: Voice | None = None, *, peer: Callable[[int], bool] | None = None
    ) -> None:
        """`peer`: whether piece number `i` of the peer's voice comes."""
        self.clock = SessionClock()
        self.start = self.now = now_ns()
        self.line = VoiceLine(self.clock, lambda: DELAY_NS, Counts())
        if voice is not None:
            voice.start = self.start
            self.line.source = voice
        self.peer = peer
        self.sent: list[tuple[int, Outgoing]] = []
        self._count = 0

    def run(self, ms: int) -> list[tuple[int, Outgoing]]:
        for _ in range(ms):
            self.now += MILLISECOND
            pts_ns = self.start + self._count * SLOT_NS
            if self.peer is not None and pts_ns <= self.now:
                if self.peer(self._count):
                    self.line.put(Piece(PEERS, 960 * self._count + 77, pts_ns, self.now))
                self._count += 1
            while (sent := self.line.turn(self.now)) is not None:
                self.sent.append((self.now, sent))
        return self.sent


def ours(sent: Outgoing) -> bool:
    return sent.data not in (PEERS, SILENCE)


def test_a_thousand_slots_do_not_drift() -> None:
    line = Line(Voice((0, 10**9)))
    sent = line.run(20_500)
    first = sent[0][1]
    assert len(sent) >= 1000
    for i, (now, one) in enumerate(sent):
        assert one.pts_ns == first.pts_ns + i * SLOT_NS
        assert one.ticks == first.ticks + 960 * i
        assert one.ticks == line.clock.ticks(one.pts_ns, VOICE_RATE)
        if i > 50:
            assert DELAY_NS <= now - one.pts_ns <= DELAY_NS + MILLISECOND
    assert [one.begins for _, one in sent] == [True] + [False] * (len(sent) - 1)


def test_what_is_asked_for_is_heard_at_its_time() -> None:
    voice = Voice((0, 10**9))
    sent = Line(voice).run(500)
    # an encoder's look-ahead makes all of it later
    assert voice.asked == [one.pts_ns + AHEAD_NS for _, one in sent]
    assert all(
        now - pts <= DELAY_NS + MILLISECOND for (now, _), pts in zip(sent, voice.asked, strict=True)
    )


def test_one_voice_follows_the_other_without_a_gap() -> None:
    line = Line(Voice((1000, 2000)), peer=lambda count: True)
    sent = line.run(3000)
    kinds = [ours(one) for _, one in sent]
    assert kinds[:40] == [False] * 40
    assert sum(kinds) in (50, 51, 52)
    assert {b.ticks - a.ticks for (_, a), (_, b) in pairwise(sent)} == {960}
    begins = [i for i, (_, one) in enumerate(sent) if one.begins]
    first, last = kinds.index(True), len(kinds) - kinds[::-1].index(True)
    assert begins == [0, first, last]
    assert kinds[first:last] == [True] * (last - first)


@pytest.mark.parametrize("peer", [None, lambda count: True])
def test_silence_comes_within_40_ms(peer: Callable[[int], bool] | None) -> None:
    voice = Voice((0, 10**9))
    line = Line(voice, peer=peer)
    line.run(1000)
    stopped = line.now
    voice.spans = ()
    line.run(500)
    assert max(now for now, one in line.sent if ours(one)) - stopped <= 40 * MILLISECOND


def test_who_has_a_voice_is_heard_without_a_microphone_from_the_first_word_on() -> None:
    line = Line(Voice((1000, 1500), (2000, 2500)))
    sent = line.run(3000)
    assert {b.ticks - a.ticks for (_, a), (_, b) in pairwise(sent)} == {960}
    said = [(one.pts_ns - line.start) // MILLISECOND for _, one in sent if ours(one)]
    assert all(975 <= ms < 1515 or 1975 <= ms < 2515 for ms in said)
    assert len(said) in (52, 53)  # with what the encoder still held, each time
    assert sum(one.begins for _, one in sent) == 2


def test_without_a_voice_of_ours_silence_is_silent() -> None:
    line = Line(peer=lambda count: count < 10 or count >= 60)
    sent = line.run(2000)
    steps = [b.ticks - a.ticks for (_, a), (_, b) in pairwise(sent)]
    assert steps.count(51 * 960) == 1
    assert steps.count(960) == len(steps) - 1
    line.line.clear()
    assert line.line.wake_ns(line.now) is None


def test_a_report_names_the_tick_of_the_moment() -> None:
    line = Line(peer=lambda count: True)
    assert line.line.ticks_at(line.start) == line.clock.ticks(line.start, VOICE_RATE)
    now, sent = line.run(500)[-1]
    assert line.line.ticks_at(sent.pts_ns) == sent.ticks
    assert line.line.ticks_at(sent.pts_ns + SECOND) == sent.ticks + 48_000
    assert now - sent.pts_ns >= DELAY_NS


def test_a_stall_of_ours_loses_no_word_and_stays_on_time() -> None:
    voice = Voice((0, 10**9))
    line = Line(voice)
    line.run(500)
    line.now += 700 * MILLISECOND
    before = len(line.sent)
    line.run(500)
    assert len(line.sent) - before <= 35  # no burst of what is late
    now, last = line.sent[-1]
    assert now - last.pts_ns <= DELAY_NS + SLOT_NS
    assert last.ticks == line.clock.ticks(last.pts_ns, VOICE_RATE)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 900)), max_size=4),
    st.lists(st.integers(0, 150), max_size=40),
    st.floats(-200e-6, 200e-6),
)
def test_times_only_go_up_and_never_overlap(
    spans: list[tuple[int, int]], lost: list[int], wrong: float
) -> None:
    """Whoever speaks when, whatever was lost, and with the peer's clock running wrong."""
    line = Line(Voice(*((first, first + length) for first, length in spans)))
    for i in range(150):
        pts_ns = line.start + round(i * SLOT_NS * (1 + wrong))
        if i not in lost:
            line.line.put(Piece(PEERS, 960 * i, pts_ns, pts_ns))
        line.run(20)
    assert line.sent
    for (_, a), (_, b) in pairwise(line.sent):
        assert b.ticks - a.ticks >= 960
        assert b.pts_ns > a.pts_ns
    for now, one in line.sent:
        assert abs(one.ticks - line.clock.ticks(one.pts_ns, VOICE_RATE)) <= 960
        assert now - one.pts_ns <= DELAY_NS + 150 * MILLISECOND + SLOT_NS
