"""What is said, when, and what is told of it: with a clock and an egress of the test's own."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from engines.types import Sound, Speech
from engines.voices.stream import Stretches
from live.errors import TooManyRequests
from live.measures import Counts
from live.speaking import MOST_CHARACTERS, MOST_UTTERANCES, Speaker
from live.speech_feed import LONGEST_WAITING_S, SpeechFeed
from live.utterance import Caption, Event, Finished, Reason, Started, Utterance
from tests.loops import in_loop
from tests.voices import MS, ToneVoice, tone

pytestmark = pytest.mark.alone

SLOT_NS = 20 * MS
LOUD = 2000


class Desk:
    """A speaker with a clock, pulled as egress pulls."""

    def __init__(self, delay_ns: int = 30 * MS) -> None:
        self.now_ns = 1_000_000 * MS
        self.events: list[Event] = []
        self.counts = Counts()
        self.speaker = Speaker(self.events.append, self.counts, lambda: self.now_ns)
        self.delay_ns = delay_ns
        self.sounds: list[Sound] = []
        self.voice = ToneVoice()
        self._ids = itertools.count(1)

    def say(self, text: str, voice: ToneVoice | None = None) -> Utterance:
        of = voice or self.voice
        utterance = Utterance(f"u{next(self._ids)}", of.speak(text), length=len(text))
        self.speaker.say(utterance)
        return utterance

    def made(self, *utterances: Utterance) -> None:
        until(lambda: all(one.complete for one in utterances))

    def pull(self, slots: int = 1) -> list[np.ndarray | None]:
        """Pulls so many slots, and lets the worker take its sounds at the same pace."""
        taken: list[np.ndarray | None] = []
        for _ in range(slots):
            self.now_ns += SLOT_NS
            taken.append(self.speaker.sound(self.now_ns - self.delay_ns))
            self.sounds += self.speaker.sounds()
        return taken

    def ended(self) -> list[tuple[str, Reason, int, float]]:
        return [(e.utterance, e.reason, e.characters, round(e.seconds, 2)) for e in self.ends()]

    def ends(self) -> list[Finished]:
        return [one for one in self.events if isinstance(one, Finished)]


def until(condition: Callable[[], bool]) -> None:
    """Waits for other threads."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def joined(slots: list[np.ndarray | None]) -> np.ndarray:
    return np.concatenate([np.zeros(960, np.int16) if one is None else one for one in slots])


def own(pieces: Iterable[np.ndarray], rate: int) -> Stretches:
    """Sound in pieces."""
    return Stretches(Speech(piece, rate, None, "") for piece in pieces)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.voice.hold.set()
    made.speaker.close()
    assert made.speaker.join(5)


def test_nothing_to_say(desk: Desk) -> None:
    assert desk.pull(3) == [None] * 3
    assert desk.sounds == []
    assert not desk.speaker.speaking
    assert desk.speaker.interrupt() == []
    assert desk.events == []


def test_an_utterance_is_heard_whole_once_and_without_a_gap(desk: Desk) -> None:
    utterance = desk.say("one two three four five")
    desk.made(utterance)
    slots = desk.pull(40)
    sound = joined(slots).astype(int)
    first, last = np.flatnonzero(sound)[[0, -1]]
    assert abs((last - first) / 48_000 - 0.5) < 0.002
    inside = sound[first + 300 : last - 100]
    wave = 16384 * np.sin(2 * np.pi * 300 / 48_000 * (np.arange(len(inside)) + 300))
    best = max(np.corrcoef(np.roll(inside, shift)[5:-5], wave[5:-5])[0, 1] for shift in (-1, 0, 1))
    assert best > 0.999  # no sample is lost, none is there twice
    assert slots[0] is None
    assert slots[-1] is None
    assert desk.events[0] == Started("u1")
    assert desk.ended() == [("u1", Reason.DONE, 23, 0.5)]
    assert desk.counts["utterances.done"] == 1
    assert desk.counts["spoken_ms"] == 500
    assert not desk.speaker.speaking


def test_the_driver_hears_the_same_sound_at_the_same_time_and_ahead_of_it(desk: Desk) -> None:
    desk.made(desk.say("one two three. Four five six"))
    heard: list[tuple[int, np.ndarray]] = []
    for _ in range(60):
        slot = desk.pull()[0]
        if slot is not None:
            heard.append((desk.now_ns - desk.delay_ns, slot))
        for sound in desk.sounds:
            assert sound.pts_ns + len(sound.samples) * 62_500 <= desk.now_ns + 161 * MS
    assert desk.sounds[0].pts_ns > desk.now_ns - 60 * SLOT_NS  # not of the past
    begin = heard[0][0]
    ear = np.concatenate([slot for _, slot in heard])[::3] / 32767
    mouth = np.zeros(len(ear))
    for sound in desk.sounds:
        at = round((sound.pts_ns - begin) * 16 / MS)
        assert at >= 0
        mouth[at : at + len(sound.samples)] += sound.samples
    assert np.abs(ear - mouth).mean() < 0.01
    assert all(sound.phones is not None for sound in desk.sounds)
    first = desk.sounds[0]
    assert first.phones is not None
    assert first.phones[0].start_ns == first.pts_ns
    order = [sound.pts_ns for sound in desk.sounds]
    assert order == sorted(order)


def test_the_mouth_knows_before_the_sound_leaves(desk: Desk) -> None:
    desk.made(desk.say("one two"))
    while not desk.sounds:
        assert desk.pull() == [None]
    assert desk.speaker.speaking
    ahead_ns = desk.sounds[0].pts_ns - desk.now_ns
    assert 20 * MS <= ahead_ns <= 40 * MS


def test_captions_follow_what_has_been_said(desk: Desk) -> None:
    desk.made(desk.say("one two three. Four five"))
    said_at: dict[str, float] = {}
    begin = None
    for _ in range(70):
        slot = desk.pull()[0]
        begin = desk.now_ns if begin is None and slot is not None else begin
        for event in desk.events:
            if isinstance(event, Caption) and begin is not None:
                said_at.setdefault(event.text, (desk.now_ns - begin) / 1e9)
        # nothing is told that is not out yet
    captions = [one for one in desk.events if isinstance(one, Caption)]
    assert [(one.start, one.text, one.final) for one in captions] == [
        (0, "one", False),
        (0, "one two", False),
        (0, "one two three. ", True),
        (15, "Four", False),
        (15, "Four five", True),
    ]
    assert said_at["one"] == pytest.approx(0.09, abs=0.04)  # letters share the time of the words
    assert said_at["one two"] == pytest.approx(0.16, abs=0.05)
    assert said_at["Four five"] == pytest.approx(0.5, abs=0.04)


def test_utterances_wait_their_turn(desk: Desk) -> None:
    utterances = [desk.say(text) for text in ("one two.", "three.", "four.")]
    assert desk.speaker.waiting == 3
    desk.made(*utterances)
    desk.pull(80)
    assert [one.utterance for one in desk.ends()] == ["u1", "u2", "u3"]
    assert [one.utterance for one in desk.events if isinstance(one, Started)] == ["u1", "u2", "u3"]
    assert len(desk.speaker.first_sound) == 1  # of the one that had nothing before it


def test_the_queue_has_an_end(desk: Desk) -> None:
    for _ in range(MOST_UTTERANCES):
        desk.say("one")
    with pytest.raises(TooManyRequests, match="interrupt"):
        desk.say("one")
    desk.speaker.interrupt()
    desk.say("x" * MOST_CHARACTERS)
    with pytest.raises(TooManyRequests):
        desk.say("x")


def test_an_interruption_is_silence_within_one_slot_and_does_not_click(desk: Desk) -> None:
    desk.made(desk.say("one two three four five six seven. Eight"), desk.say("nine"))
    desk.pull(20)
    ends = desk.speaker.interrupt()
    told = len(desk.sounds)
    slots = desk.pull(10)
    assert slots[0] is not None
    assert slots[1:] == [None] * 9
    tail = slots[0].astype(int)
    assert np.abs(tail[:96]).max() > LOUD
    assert not tail[400:].any()  # 8 ms
    steps = np.abs(np.diff(tail))
    assert steps.max() < 700  # a 300 Hz tone of this level steps by 640
    assert ends == desk.ends()
    assert [(one.utterance, one.reason) for one in ends] == [
        ("u1", Reason.INTERRUPTED),
        ("u2", Reason.INTERRUPTED),
    ]
    first, second = ends
    assert "one two three four five six seven. Eight"[: first.characters].endswith("three")
    assert first.seconds == pytest.approx(0.33, abs=0.005)
    assert (second.characters, second.seconds) == (0, 0)
    assert not desk.speaker.speaking
    # the driver is told that the rest is silence, from where the sound ends
    (silence,) = desk.sounds[told:]
    assert not silence.samples.any()
    assert silence.phones is not None
    assert [phone.name for phone in silence.phones] == ["SIL"]
    assert abs(silence.pts_ns - (desk.now_ns - 9 * SLOT_NS - desk.delay_ns)) < 2 * MS
    assert desk.counts["interrupts"] == 1


def test_an_interrupted_call_speaks_again(desk: Desk) -> None:
    desk.made(desk.say("one two three four five"))
    desk.pull(15)
    desk.speaker.interrupt()
    desk.made(desk.say("six"))
    desk.pull(20)
    assert [one.reason for one in desk.ends()] == [Reason.INTERRUPTED, Reason.DONE]


def test_a_slow_voice_is_silence_and_not_the_end(desk: Desk) -> None:
    desk.voice.hold.clear()
    desk.say("one two. Three")
    assert desk.pull(20) == [None] * 20  # meanwhile the microphone may be heard, and drive
    assert desk.sounds == []
    desk.speaker.interrupt()
    desk.voice.slow_from = 1
    utterance = desk.say("one two. Three")
    until(lambda: bool(utterance.ready))
    late = desk.pull(50)
    assert late[-1] is not None
    assert not late[-1].any()
    assert desk.speaker.speaking
    desk.voice.hold.set()
    desk.made(utterance)
    desk.pull(40)
    assert desk.ended()[1:] == [("u2", Reason.DONE, 14, 0.3)]


def test_voices_that_hang_do_not_hold_up_what_comes_next(desk: Desk) -> None:
    desk.voice.hold.clear()
    before = threading.active_count()
    other = ToneVoice()
    for _ in range(2):
        desk.say("one two")
        until(lambda: threading.active_count() > before)
        desk.speaker.interrupt()
    desk.made(desk.say("three", other))
    desk.pull(20)
    assert [one.reason for one in desk.ends()][-1] is Reason.DONE
    for _ in range(5):  # no more threads than three, however often
        desk.say("four")
        desk.speaker.interrupt()
    assert threading.active_count() <= before + 3
    desk.voice.hold.set()
    desk.made(desk.say("five", other))
    until(lambda: threading.active_count() == before)


def test_a_dropped_voice_is_closed(desk: Desk) -> None:
    long = " ".join(["word word word word word word word word word."] * 40)
    desk.say(long)
    until(lambda: desk.speaker.sound(0) is None and bool(desk.speaker._utterances[0].ready))
    time.sleep(0.05)
    made = len(desk.speaker._utterances[0].ready)
    assert 3 <= made <= 5  # three seconds ahead, and no more
    desk.speaker.interrupt()
    until(lambda: desk.voice.closed_early == 1)


@pytest.mark.parametrize("at", [0, 1])
def test_a_voice_that_fails_ends_its_utterance_and_no_other(
    desk: Desk, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk.voice.fail_at = at
    failing = desk.say("Zaphod one. Two")
    fine = desk.say("three", ToneVoice())
    desk.made(failing, fine)
    desk.pull(60)
    first, second = desk.ends()
    assert (first.reason, second.reason) == (Reason.FAILED, Reason.DONE)
    assert first.characters == (0, 12)[at]
    assert "log" in first.message
    assert "Zaphod" not in caplog.text + first.message
    assert "ValueError" in caplog.text


def test_what_egress_was_late_for_is_said_later(desk: Desk) -> None:
    desk.made(desk.say("one two three four five six seven eight nine ten"))
    desk.pull(20)
    desk.now_ns += 500 * MS  # the loop stood still
    desk.sounds.clear()
    sound = joined(desk.pull(60)).astype(int)
    assert desk.ends()[0].reason is Reason.DONE
    assert np.flatnonzero(sound)[0] < 10  # goes on at once, where it was
    assert np.flatnonzero(sound)[-1] / 48_000 == pytest.approx(1.0 - 0.33, abs=0.005)
    # and the mouth with it: the driver is told anew
    assert abs(desk.sounds[0].pts_ns - (desk.now_ns - 59 * SLOT_NS - desk.delay_ns)) < 21 * MS


def test_a_delay_that_changes_costs_no_sample(desk: Desk) -> None:
    desk.made(desk.say("one two three four five six seven eight nine ten"))
    slots = []
    for step in range(80):
        desk.delay_ns += 2 * MS if step < 20 else 0
        slots += desk.pull()
    sound = joined(slots).astype(int)
    first, last = np.flatnonzero(sound)[[0, -1]]
    assert abs((last - first) / 48_000 - 1) < 0.002
    assert np.abs(np.diff(sound[: last - 100])).max() < 700


def test_while_nobody_pulls_the_mouth_waits_too(desk: Desk) -> None:
    desk.made(desk.say("one two"))
    desk.now_ns += 10_000 * MS
    assert desk.speaker.sounds() == []
    desk.pull(4)
    assert desk.sounds
    desk.sounds.clear()
    for _ in range(20):
        desk.now_ns += SLOT_NS
        desk.sounds += desk.speaker.sounds()
    assert sum(len(one.samples) for one in desk.sounds) < 0.2 * 16_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_sound_of_any_rate_is_heard_whole(desk: Desk, rate: int) -> None:
    sound = tone(1.0, rate)
    utterance = Utterance("own", own(np.array_split(sound, 17), rate))
    desk.speaker.say(utterance)
    desk.made(utterance)
    heard = joined(desk.pull(70)).astype(int)
    first, last = np.flatnonzero(heard)[[0, -1]]
    assert (last - first) / 48_000 == pytest.approx(1, abs=0.003)
    assert np.abs(np.diff(heard[: last - 2])).max() < 700  # the pieces have no seams
    assert desk.ends()[0].seconds == pytest.approx(1, abs=0.001)
    assert all(one.phones is None for one in desk.sounds)
    assert sum(len(one.samples) for one in desk.sounds) == pytest.approx(16_000, abs=20)


def test_sound_that_is_none(desk: Desk) -> None:
    bad = np.array([np.nan, np.inf, -np.inf, 9, -9] * 2000, np.float32)
    for count, samples in enumerate((bad, np.zeros(0, np.float32), np.zeros(9600, np.float32))):
        utterance = Utterance(f"s{count}", own([samples], 48_000))
        desk.speaker.say(utterance)
        desk.made(utterance)
        desk.pull(60)
    assert [one.reason for one in desk.ends()] == [Reason.DONE] * 3
    assert all(np.isfinite(one.samples).all() for one in desk.sounds)


@in_loop
async def test_a_feed_is_heard_as_it_comes() -> None:
    desk = Desk()
    feed = SpeechFeed(16_000)
    desk.speaker.say(Utterance("f", feed))
    sound = tone(2.0, 16_000)
    slots = []
    for chunk in np.array_split(sound, 100):
        await feed.put(chunk)
        await asyncio.sleep(0.001)
        slots += desk.pull()
    feed.end()
    await asyncio.to_thread(until, lambda: desk.speaker._utterances[0].complete)
    slots += desk.pull(40)
    heard = np.flatnonzero(joined(slots))
    assert (heard[-1] - heard[0]) / 48_000 == pytest.approx(2.0, abs=0.2)
    assert [one.reason for one in desk.ends()] == [Reason.DONE]
    assert desk.ends()[0].seconds == pytest.approx(2.0, abs=0.01)
    desk.speaker.close()
    assert desk.speaker.join(5)


@in_loop
async def test_a_feed_has_an_end_and_lets_go() -> None:
    desk = Desk()
    feed = SpeechFeed(8_000)
    second = np.zeros(8_000, np.float32)
    for _ in range(LONGEST_WAITING_S):
        await asyncio.wait_for(feed.put(second), 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(feed.put(second), 0.05)
    desk.speaker.say(Utterance("f", feed))
    waiting = asyncio.create_task(feed.put(second))
    await asyncio.wait_for(waiting, 2)  # three seconds of it were taken
    full = asyncio.create_task(feed.put(np.zeros(32_000, np.float32)))
    await asyncio.sleep(0.05)
    assert not full.done()
    desk.speaker.interrupt()
    await asyncio.wait_for(full, 2)
    assert feed.over
    await feed.put(second)  # dropped
    desk.speaker.close()
    assert desk.speaker.join(5)


@pytest.mark.parametrize("way", ["broken", "silent"])
@in_loop
async def test_a_feed_that_breaks_off_fails(way: str) -> None:
    desk = Desk()
    feed = SpeechFeed(16_000, patience_s=0.1)
    utterance = Utterance("f", feed)
    desk.speaker.say(utterance)
    await feed.put(tone(0.3, 16_000))
    if way == "broken":
        feed.end(broken=True)
    await asyncio.to_thread(desk.made, utterance)
    desk.pull(40)
    (end,) = desk.ends()
    assert end.reason is Reason.FAILED
    assert end.seconds == pytest.approx(0.3, abs=0.01)
    assert "broke off" in end.message
    desk.speaker.close()
    assert desk.speaker.join(5)
