"""Bad links: what a call lives through with our adaptations of aiortc, and not without them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest
from aiortc.codecs import CODECS, depayload
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add
from hypothesis import given
from hypothesis import strategies as st

from live import rtc
from live.clock import MILLISECOND, SECOND
from live.rtc import lost, outgoing
from live.rtc.estimate import StandingQueueEstimator
from live.rtc.keyframes import begins_keyframe, is_keyframe
from live.rtc.lost import LostPackets
from live.rtc.path import Path
from live.rtc.presence import Presence
from live.rtc.rate import SendingRate
from tests.links import Faults, Seen, as_browsers_receive, as_browsers_send, call
from tests.loops import in_loop

VP8, H264 = CODECS["video"][0], CODECS["video"][4]
LOSSY = Faults(loss=0.05)


def without(*names: str) -> list[str]:
    return [name for name in rtc.ADAPTATIONS if name not in names]


@pytest.fixture(autouse=True)
def stock() -> Iterator[None]:
    with rtc.adapted([]):
        yield


# Whole calls, by a clock of their own


def test_a_clean_link_costs_nothing() -> None:
    seen = call(packets=3, seconds=5)
    assert seen.age_ms(0.99) < 20.1  # the link's own
    assert seen.age_ms(1.0) < 23  # the first frame is large, and paced
    assert seen.packets < 3 * len(seen.sent) + 40  # nothing is sent twice; reports, a keyframe
    assert seen.rtcp < 25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_percent_of_loss_are_hardly_seen(seed: int) -> None:
    seen = call(down=LOSSY, up=LOSSY, seed=seed)
    assert len(seen.frames) >= 0.98 * len(seen.sent)
    assert seen.age_ms(0.95) < 45
    assert seen.age_ms(0.99) < 110
    assert seen.longest_gap_ms < 200


def test_without_us_five_percent_of_loss_are_seen() -> None:
    once = call(without("resilient_sending"), down=LOSSY, up=LOSSY)
    assert once.age_ms(0.95) > 60  # every lost packet is waited for
    stuck = call(without("resilient_sending", "recovery"), down=LOSSY, up=LOSSY)
    assert stuck.longest_gap_ms > 500  # a request or an answer was lost, and nobody asks again


@pytest.mark.parametrize(
    ("peer", "middle_ms", "longest_ms"),
    [(as_browsers_send, 172, 225), (as_browsers_receive, 110, 140)],
)
def test_no_picture_stands_for_a_quarter_of_a_second(
    peer: Callable[[pytest.MonkeyPatch], None], middle_ms: float, longest_ms: float
) -> None:
    seen = [call(down=LOSSY, up=LOSSY, seed=n, seconds=8, packets=6, peer=peer) for n in range(5)]
    gaps = sorted(one.longest_gap_ms for one in seen)
    assert gaps[2] < middle_ms
    assert gaps[-1] < longest_ms
    assert max(one.age_ms(0.99) for one in seen) < 145


def test_losses_where_numbers_begin_anew_are_as_any_others() -> None:
    bursts = Faults(loss=0.3, burst=8)
    for first in range(65_510, 65_540, 3):
        seen = call(down=bursts, seconds=1.2, first=first)
        assert max(seen.frames.values()) > 1  # it goes on


def test_ten_percent_of_loss_and_bursts_are_borne() -> None:
    heavy = call(down=Faults(loss=0.1), up=Faults(loss=0.1))
    assert heavy.age_ms(0.99) < 200
    assert heavy.longest_gap_ms < 400
    bursts = call(down=Faults(loss=0.05, burst=5), up=Faults(loss=0.05))
    assert bursts.age_ms(0.99) < 250
    assert bursts.longest_gap_ms < 350


@pytest.mark.parametrize("both", [True, False])
def test_after_an_outage_there_is_a_picture_at_once(both: bool) -> None:
    outage = Faults(outages=((4.0, 5.5),))
    seen = call(down=outage, up=outage if both else Faults())
    assert seen.back_after_ms(5.5) < 250
    assert len(seen.keyframes) == 2
    assert seen.age_ms(1.0) < 60  # nothing old is shown, and no delay stays


def test_without_us_an_outage_lasts_for_seconds_more() -> None:
    seen = call(without("recovery"), down=Faults(outages=((4.0, 5.5),)))
    assert seen.back_after_ms(5.5) > 1000


def test_a_late_packet_is_not_taken_for_a_lost_one_for_long() -> None:
    seen = call(down=Faults(jitter=0.012, overtaking=True), packets=2)
    assert seen.age_ms(0.99) < 45
    assert len(seen.keyframes) == 1
    naive = call(without("recovery"), down=Faults(jitter=0.012, overtaking=True), packets=2)
    assert seen.rtcp < 0.5 * naive.rtcp


def test_what_comes_twice_is_shown_once() -> None:
    seen = call(down=Faults(duplicates=0.3), seconds=4)
    assert len(seen.frames) >= len(seen.sent) - 1  # the screen asserts that each comes once
    assert seen.longest_gap_ms < 40


def test_a_large_frame_is_spread() -> None:
    def passed(adaptations: list[str]) -> Seen:
        return call(adaptations, down=Faults(rate=30e6, queue=0.004), packets=16, seconds=3)

    paced, burst = passed(without()), passed(without("resilient_sending"))
    assert paced.age_ms(0.9) < 40
    assert len(paced.frames) > 0.95 * len(paced.sent)
    assert paced.rtcp < 0.5 * burst.rtcp


# What is missing


class Packets:
    """Packets that come when a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = SECOND
        self.lost = LostPackets()
        monkeypatch.setattr(lost, "now_ns", lambda: self.now)

    def come(self, *numbers: int, after_ms: float = 1, marker: int = 1) -> None:
        for number in numbers:
            self.now += round(after_ms * MILLISECOND)
            self.lost.add(RtpPacket(sequence_number=number % 65_536, marker=marker))

    def asked(self, after_ms: float) -> list[int]:
        self.now += round(after_ms * MILLISECOND)
        return self.lost.due(self.now)


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> Packets:
    return Packets(monkeypatch)


def test_requests_follow_the_round_trip(packets: Packets) -> None:
    packets.come(65_534, 65_535, 2)
    assert packets.asked(0) == [0, 1]
    assert packets.asked(11) == []
    assert packets.asked(1) == [0, 1]  # once more, as a request may be lost
    packets.come(0, after_ms=28)
    assert packets.lost.round_trip_ns < 60 * MILLISECOND
    assert packets.lost.missing == {1}
    packets.lost.forget_before(2)
    assert packets.lost.next_ns() is None


def test_an_answer_that_does_not_come_is_asked_for_until_the_peer_listens(packets: Packets) -> None:
    packets.come(1, 3)
    asked = [packets.asked(1) for _ in range(200)]
    times = [ms for ms, found in enumerate(asked) if found]
    assert times[:2] == [0, 12]
    assert 60 < times[2] < 75  # a round trip has passed
    assert {late - early for early, late in pairwise(times[2:])} == {15}  # then four times in each
    assert sum(bool(packets.asked(1)) for _ in range(1000)) < 30  # not for ever


def test_answers_are_waited_for_longer_while_a_queue_stands(packets: Packets) -> None:
    packets.come(1, 3)
    packets.lost.queue_ns = 300 * MILLISECOND
    assert packets.asked(0) == [2]
    assert packets.asked(300) == []
    assert packets.asked(100) == [2]


def test_what_is_overtaken_is_not_asked_for_at_once(packets: Packets) -> None:
    packets.come(1, 3)
    packets.come(2, after_ms=10)
    packets.come(4, 6)
    assert packets.asked(0) == []
    assert packets.asked(12) == [5]


def test_the_end_of_a_frame_is_asked_for_where_packets_are_lost(packets: Packets) -> None:
    packets.come(1, marker=0)
    assert packets.lost.next_ns() is None  # nothing has ever been lost here
    packets.come(3)
    assert packets.asked(0) == [2]
    packets.come(2, after_ms=60)
    packets.come(4, marker=0)
    assert packets.asked(20) == [5]
    assert packets.asked(20) == []


def test_after_a_great_gap_a_keyframe_is_wanted(packets: Packets) -> None:
    packets.come(1, 200)
    assert packets.lost.hopeless
    assert not packets.lost.missing


@given(steps=st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 100)), max_size=60))
def test_whatever_comes_there_is_an_end(steps: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        packets = Packets(monkeypatch)
        for number, after_ms in steps:
            packets.come(number, after_ms=after_ms, marker=number & 1)
            assert len(packets.lost.missing) <= lost.MOST
            asked = packets.asked(0)
            assert len(asked) <= lost.MOST + 1
            assert (packets.lost.next_ns() or packets.now) >= packets.now
        if packets.lost.max_seq is not None:
            packets.lost.forget_before(uint16_add(packets.lost.max_seq, 1))
            assert len(packets.lost.missing) <= lost.MOST


# Keyframes


@given(codec=st.sampled_from([VP8, H264]), payload=st.binary(max_size=40))
def test_any_packet_can_be_looked_at(codec: object, payload: bytes) -> None:
    name = getattr(codec, "name", "")
    try:
        data = depayload(codec, payload)  # type: ignore[arg-type]
    except (ValueError, IndexError):
        data = b""
    assert begins_keyframe(name, payload, data) in (True, False)
    assert not (begins_keyframe("VP8", payload, data) and not is_keyframe("VP8", data))


# Rates


def delayed(estimator: StandingQueueEstimator, start_ms: int, delays_ms: list[float]) -> list[int]:
    """A packet of 1200 bytes every 10 ms (960 kbit/s), each late by so much; what is told."""
    told = []
    for i, delay_ms in enumerate(delays_ms):
        sent_ms = start_ms + 10 * i
        tick = round(sent_ms / 1000 * (1 << 18)) % (1 << 24)
        found = estimator.add(round(sent_ms + delay_ms), tick, 1200, 1)
        if found is not None:
            told.append(found[0])
    return told


def test_a_camera_is_told_of_a_queue_while_it_grows() -> None:
    estimator = StandingQueueEstimator()
    delayed(estimator, 62_000, [20.0] * 200)  # over the end of the times' 64 s
    growing = [20 + 4.0 * i for i in range(40)]
    told = delayed(estimator, 64_000, growing)
    assert told[-1] < 700_000
    drained = delayed(estimator, 64_400, [20.0] * 100)
    assert 500_000 < drained[-1] < 960_000


def test_a_camera_is_not_told_of_jitter() -> None:
    estimator = StandingQueueEstimator()
    late = [20.0 + 50 * (i * 7919 % 101) / 101 for i in range(1000)]
    told = delayed(estimator, 0, late)
    assert told == sorted(told)
    assert told[-1] > 1_800_000  # twice what comes


def test_what_no_cut_shortens_is_put_up_with() -> None:
    estimator = StandingQueueEstimator()
    delayed(estimator, 0, [20.0] * 100)
    told = delayed(estimator, 1_000, [110.0] * 900)
    assert min(told) < 600_000  # once
    assert told[-1] > 900_000


def test_a_camera_is_not_told_of_a_busy_machine() -> None:
    estimator = StandingQueueEstimator()
    delayed(estimator, 0, [20.0] * 100)
    stalls = [20.0] * 100 + [20.0 + max(0, 250 - 8 * i) for i in range(60)]
    told = delayed(estimator, 1_000, stalls * 4)
    assert told == sorted(told)
    assert told[-1] > 1_800_000  # twice what comes


def followed(
    *, carries: float, jitter_ms: float, wants: float = 1.4e6, narrow_from: int = 0
) -> tuple[list[float], list[float]]:
    """A camera that does as it is told, a round trip later, for 30 s.

    The path carries so much from picture `narrow_from`. Gives the camera's rates and the lengths
    of the queue in ms, picture by picture.
    """
    chance, estimator = random.Random(1), StandingQueueEstimator()
    rate, told, busy_ms, last_ms = 7e5, [7e5] * 12, 0.0, 0.0
    rates, queues = [], []
    for number in range(900):
        carried = carries if number >= narrow_from else 1e9
        for part in range(4):
            sent_ms = number * 1000 / 30 + 3 * part
            busy_ms = max(busy_ms, sent_ms) + rate / 30 / 4 / carried * 1000
            late_ms = 20 + chance.random() * jitter_ms
            last_ms = max(last_ms, busy_ms + late_ms)
            tick = round(sent_ms / 1000 * (1 << 18)) % (1 << 24)
            found = estimator.add(round(last_ms), tick, round(rate / 30 / 4 / 8), 1)
            told.append(min(wants, found[0]) if found else told[-1])
        rate = told[-12]
        rates.append(rate)
        queues.append(busy_ms - sent_ms)
    return rates, queues


def test_a_camera_keeps_just_below_what_the_path_carries() -> None:
    rates, queues = followed(carries=800_000, jitter_ms=5)
    assert 600_000 < sum(rates[150:]) / len(rates[150:]) < 800_000
    assert sorted(queues[60:])[-45] < 110  # of 95 in 100 pictures
    assert max(queues) < 220


def test_a_camera_begins_low_and_is_at_its_best_within_a_second() -> None:
    rates, _ = followed(carries=1e9, jitter_ms=5, wants=2.5e6)
    assert rates[0] == 700_000
    assert min(rates[30:]) == 2_500_000


def test_what_is_not_made_use_of_does_not_grow() -> None:
    """A picture in which nothing moves says nothing of the path."""
    estimator = StandingQueueEstimator()
    assert max(delayed(estimator, 0, [20.0] * 100)) > 1_500_000
    estimator = StandingQueueEstimator()
    ticks = [round(at * 262.144) for at in range(0, 10_000, 33)]
    told = [estimator.add(at + 20, ticks[at // 33], 250, 1) for at in range(0, 10_000, 33)]
    assert {found[0] for found in told if found} == {700_000}


def test_a_line_that_becomes_narrow_is_not_kept_full() -> None:
    rates, queues = followed(carries=800_000, jitter_ms=5, wants=2.5e6, narrow_from=90)
    assert max(queues) < 600
    assert sum(queue > 150 for queue in queues) < 40
    assert 600_000 < sum(rates[150:]) / len(rates[150:]) < 800_000


@pytest.mark.parametrize("carries", [200_000, 400_000])
def test_a_very_narrow_line_is_not_kept_full(carries: float) -> None:
    rates, queues = followed(carries=carries, jitter_ms=5)
    assert sorted(queues[60:])[-45] < 200
    assert sum(rates[150:]) / len(rates[150:]) > 0.8 * carries


@pytest.mark.parametrize(("jitter_ms", "kept"), [(50, 1_350_000), (100, 1_000_000)])
def test_a_camera_keeps_its_rate_through_jitter(jitter_ms: float, kept: float) -> None:
    rates, _ = followed(carries=1e9, jitter_ms=jitter_ms)
    assert sum(rates) / len(rates) > kept


def test_a_rate_falls_with_what_is_lost_and_comes_back() -> None:
    path = Path()
    rate = SendingRate(path)
    assert rate.bitrate(0) is None
    rate.estimated(2_000_000, 0)
    now = 10 * SECOND
    assert rate.bitrate(now) == 2_000_000
    for _ in range(60):
        path.sent(1200, now)
    path.lost(30, 30, now)
    assert rate.bitrate(now + 1) == 600_000  # less than half the estimate at once,
    assert rate.bitrate(now + SECOND) == pytest.approx(1_120_000, rel=0.01)  # then half
    assert rate.congested(now + SECOND)
    for second in range(1, 15):
        later = rate.bitrate(now + second * SECOND)
    assert later == 2_000_000


def test_a_falling_estimate_is_undercut_for_a_moment() -> None:
    rate = SendingRate(Path())
    rate.estimated(2_000_000, SECOND)
    rate.estimated(1_000_000, 2 * SECOND)
    assert rate.bitrate(2 * SECOND) == 600_000
    assert rate.bitrate(3 * SECOND) == 1_000_000


def test_a_first_estimate_below_what_is_sent_has_fallen() -> None:
    path = Path()
    rate = SendingRate(path)
    for _ in range(60):
        path.sent(1200, SECOND)
    rate.estimated(600_000, SECOND)
    assert rate.bitrate(SECOND) == 360_000
    assert rate.congested(2 * SECOND)


def test_in_congestion_no_more_is_sent_again_than_there_is_room_for() -> None:
    path = Path()
    rate = SendingRate(path)
    for _ in range(60):
        path.sent(1200, SECOND)
    assert rate.has_room(SECOND)
    rate.estimated(600_000, SECOND)
    assert not rate.has_room(SECOND)
    assert rate.has_room(2 * SECOND)


def test_a_round_trip_that_grew_is_a_queue_once() -> None:
    path = Path()
    rate = SendingRate(path)
    now = 10 * SECOND
    for _ in range(60):
        path.sent(1200, now)
    path.measured(40 * MILLISECOND, now)
    assert rate.bitrate(now) is None
    path.measured(240 * MILLISECOND, now)
    first = rate.bitrate(now)
    assert first is not None
    assert first < 1_000_000
    assert rate.bitrate(now + 2 * SECOND) > first  # type: ignore[operator]  # not for the same report


# What is sent again


class Sent:
    """Packets that a sender sent, and those that it sends again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = SECOND
        self.again: list[int] = []
        monkeypatch.setattr(outgoing, "now_ns", lambda: self.now)
        sender = SimpleNamespace(kind="video", transport=object())
        self.sending = outgoing.Outgoing(sender)  # type: ignore[arg-type]
        self.sending.path.round_trip_ns = 50 * MILLISECOND
        for number in range(50):
            packet = RtpPacket(sequence_number=number)
            self.sending._kept[number] = outgoing._Sent(packet, self.now)

        async def send_again(one: outgoing._Sent) -> None:
            self.again.append(one.packet.sequence_number)

        monkeypatch.setattr(self.sending, "_send_again", send_again)

    async def asked(self, after_ms: int) -> int:
        """How often packet 7 is sent when it is asked for now."""
        self.again.clear()
        self.now += after_ms * MILLISECOND
        await self.sending.missed([7])
        await asyncio.sleep(0.01)
        assert set(self.again) <= {7}
        return len(self.again)


@in_loop
async def test_a_request_is_answered_once_in_a_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(monkeypatch)
    assert [await sent.asked(ms) for ms in (40, 12, 30, 12, 45)] == [1, 0, 1, 0, 1]


@in_loop
async def test_where_packets_are_lost_copies_are_sent_of_answers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = Sent(monkeypatch)
    monkeypatch.setattr(sent.sending, "_sends_twice", lambda now: True)
    sent.sending._send_copies_of([7])
    await asyncio.sleep(0.01)
    assert sent.again == [7]
    assert await sent.asked(36) == 2  # the copy was lost, too: nobody asked for it
    assert await sent.asked(12) == 0


@pytest.mark.parametrize(("run", "twice"), [(1, True), (6, False)])
def test_what_is_lost_in_runs_is_not_sent_twice(
    run: int, twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(monkeypatch)
    for _ in range(100):
        sent.sending.path.sent(1200, sent.now)
    sent.sending.path.lost(4 * run, 4, sent.now)
    assert sent.sending._sends_twice(sent.now) is twice


@in_loop
async def test_while_a_queue_stands_answers_wait_for_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = Sent(monkeypatch)
    monkeypatch.setattr(sent.sending.rate, "congested", lambda now: True)
    assert [await sent.asked(ms) for ms in (40, 45, 45, 45, 45)] == [1, 1, 0, 1, 0]


# The other side's presence


def test_a_peer_that_comes_back_is_noticed() -> None:
    presence = Presence()

    def heard(count: int, now: int) -> bool:
        transport = SimpleNamespace(_RTCDtlsTransport__rx_packets=count)
        return presence.returns(transport, now)

    now = SECOND
    for count in range(1, 60):
        now += SECOND // 30
        assert not heard(count, now)
    assert not heard(59, now + SECOND)
    assert heard(60, now + 2 * SECOND)
    assert not heard(61, now + 2 * SECOND + MILLISECOND)
    assert not presence.returns(object(), now)  # a transport that does not count


def test_keyframes_are_not_sent_for_requests_that_they_have_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    now = SECOND
    monkeypatch.setattr(outgoing, "now_ns", lambda: now)
    sender = SimpleNamespace(
        kind="video", transport=object(), _send_keyframe=lambda: asked.append(now)
    )
    sending = outgoing.Outgoing(sender)  # type: ignore[arg-type]
    sending.path.measured(100 * MILLISECOND, now)
    sending._note_frame(VP8, b"\x10\0\0")  # the first packet of a keyframe
    now += 100 * MILLISECOND
    sending.keyframe_wanted()
    assert not asked
    now += 60 * MILLISECOND
    sending.keyframe_wanted()
    assert asked == [now]
