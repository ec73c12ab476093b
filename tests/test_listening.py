"""The ear: sound in whatever pieces and order becomes what is said when it is heard."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.articulation import CURVES
from engines.drivers.listening import LOOK_AHEAD_NS, SMOOTHING_NS, Listener, Moment
from engines.types import Floats, Sound
from tests.ears import MS, OPEN, RATE, LoudnessNetwork, pieces, silence, voice

SECOND = 1000 * MS
JAW = CURVES.index("jawOpen")
SAID = np.concatenate([silence(0.5), voice(0.3), silence(0.4)])
"""Loud from 500 to 800 ms."""


def listen(sounds: Sequence[Sound], until_ns: int, start_ns: int = 0) -> Moment:
    """Everything heard, as a session hears it: each piece somewhat before its time."""
    listener = Listener(LoudnessNetwork())
    waiting = list(sounds)
    heard: list[Moment] = []
    for now in range(start_ns, until_ns, 20 * MS):
        while waiting and waiting[0].pts_ns <= now + 100 * MS:
            listener.hear(waiting.pop(0), now)
        listener.listen(now)
        heard.append(listener.around(now, 10 * MS, 10 * MS - 1))
    return Moment(*(np.concatenate(rows) for rows in zip(*heard, strict=True)))


def loud_ms(of: Moment) -> tuple[float, float]:
    """When the jaw is open: first and last frame."""
    times = of.times_ns[of.curves[:, JAW] > 0.5 * OPEN]
    return times.min() / MS, times.max() / MS


def test_what_is_heard_is_heard_at_its_time() -> None:
    first, last = loud_ms(listen(pieces(SAID, 7 * SECOND), 9 * SECOND, 7 * SECOND))
    assert first == pytest.approx(7500, abs=15)
    assert last == pytest.approx(7800, abs=15)


def test_how_it_is_cut_changes_nothing() -> None:
    whole = listen([Sound(SAID, 0)], SECOND)
    for number in range(3):
        cut = listen(pieces(SAID, rng=np.random.default_rng(number)), SECOND)
        assert cut.times_ns.tolist() == whole.times_ns.tolist()
        assert cut.curves == pytest.approx(whole.curves, abs=1e-6)


def test_look_ahead_is_what_it_says() -> None:
    assert LOOK_AHEAD_NS <= 70 * MS
    listener = Listener(LoudnessNetwork())
    now = 600 * MS
    for piece in pieces(SAID[: (now + LOOK_AHEAD_NS) * RATE // SECOND]):
        listener.hear(piece, now)
    listener.listen(now)
    # The next frame stands beyond the last that has a say.
    assert listener.around(now, 0, SECOND).times_ns[-1] + 10 * MS >= now + SMOOTHING_NS


def test_pieces_out_of_order_twice_and_with_gaps() -> None:
    sounds = pieces(SAID)
    for number in range(2, len(sounds) - 2, 4):
        sounds[number], sounds[number + 1] = sounds[number + 1], sounds[number]
    sounds[20:20] = sounds[18:22]
    del sounds[8:10]
    first, last = loud_ms(listen(sounds, SECOND))
    assert first == pytest.approx(500, abs=25)
    assert last == pytest.approx(800, abs=25)


def test_times_that_tremble_and_drift_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    sounds = [
        Sound(each.samples, round(each.pts_ns * 1.0005) + int(rng.integers(-3, 3)) * MS)
        for each in pieces(np.concatenate([SAID] * 8))
    ]
    heard = listen(sounds, 10 * SECOND)
    steps = np.diff(heard.times_ns)
    assert abs(steps - 10 * MS).max() <= 6 * MS
    assert loud_ms(heard)[1] == pytest.approx(9.2e3 * 1.0005, abs=15)


def test_after_a_long_gap_it_begins_anew() -> None:
    sounds = [*pieces(SAID), *pieces(SAID, 3 * SECOND)]
    heard = listen(sounds, 5 * SECOND)
    assert loud_ms(heard)[1] == pytest.approx(3800, abs=15)
    between = (heard.times_ns > 1300 * MS) & (heard.times_ns < 2990 * MS)
    assert not between.any()


def test_an_empty_piece_takes_back_what_follows() -> None:
    listener = Listener(LoudnessNetwork())
    for piece in pieces(np.concatenate([silence(0.2), voice(3.0)])):
        listener.hear(piece, 0)
    listener.listen(300 * MS)
    listener.hear(Sound(np.zeros(0, np.float32), 320 * MS), 300 * MS)
    listener.listen(400 * MS)
    assert listener.around(400 * MS, SECOND, 2 * SECOND).times_ns[-1] <= 320 * MS
    for now in range(420, 2000, 20):
        listener.listen(now * MS)
    listener.hear(Sound(voice(0.5), 2 * SECOND), 1990 * MS)
    for now in range(2000, 2300, 20):
        listener.listen(now * MS)
    assert listener.around(2200 * MS, 50 * MS, 50 * MS).curves[:, JAW].min() == pytest.approx(OPEN)


def test_a_piece_takes_the_place_of_what_was_to_be_heard_then() -> None:
    listener = Listener(LoudnessNetwork())
    for piece in [*pieces(voice(2.0)), Sound(silence(1.0), 600 * MS)]:
        listener.hear(piece, 0)
    for now in range(0, 1200, 20):
        listener.listen(now * MS)
    assert listener.around(1100 * MS, 400 * MS, 100 * MS).curves[:, JAW].max() == 0.0


def test_it_listens_no_further_ahead_than_it_needs() -> None:
    network = LoudnessNetwork()
    listener = Listener(network)
    listener.hear(Sound(voice(60.0), 0), 0)
    listener.listen(0)
    assert network.frames < 30  # 0.3 s of a minute
    listener.listen(33 * MS)
    assert network.frames < 35


@pytest.mark.parametrize(
    "samples",
    [
        np.full(8000, np.nan, np.float32),
        np.full(8000, np.inf, np.float32),
        np.full(8000, 1e30, np.float32),
        np.full(8000, 0.7, np.float32),
        (voice(0.5) * 32768).round().astype(np.float32),
        np.zeros(1, np.float32),
        np.where(np.arange(8000) % 97 == 0, np.nan, 0.01).astype(np.float32),
    ],
    ids=["nan", "inf", "huge", "offset", "integers", "one", "holes"],
)
def test_bad_samples_do_no_lasting_harm(samples: Floats) -> None:
    heard = listen([Sound(samples, 0), *pieces(SAID, 500 * MS)], 2 * SECOND)
    assert np.isfinite(heard.curves).all()
    assert loud_ms(heard)[1] == pytest.approx(1300, abs=15)


def test_an_offset_is_not_heard() -> None:
    plain, offset = listen(pieces(SAID), SECOND), listen(pieces(SAID + np.float32(0.2)), SECOND)
    settled = plain.times_ns > 300 * MS
    assert offset.levels[settled] == pytest.approx(plain.levels[settled], abs=0.25)


def test_memory_is_bounded() -> None:
    listener = Listener(LoudnessNetwork())
    hours = np.broadcast_to(np.float32(0.1), 2 * 3600 * RATE)
    listener.hear(Sound(hours, 0), 0)
    tracemalloc.start()
    for now in range(0, 8000, 40):
        for piece in pieces(voice(0.04), now * MS):
            listener.hear(piece, now * MS)
        listener.listen(now * MS)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 1_000_000


sound_events = st.lists(
    st.tuples(
        st.integers(-3000, 4000),
        st.sampled_from([0, 1, 100, 160, 320, 333, 4800, 16_000]),
        st.floats(-2.0, 2.0),
        st.integers(-50, 400),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(sound_events)
def test_any_events_give_frames_in_order_and_no_error(
    events: list[tuple[int, int, float, int]],
) -> None:
    listener, now = Listener(LoudnessNetwork()), 0
    for offset_ms, length, loudness, step_ms in events:
        now += step_ms * MS
        samples = (loudness * voice(2.0)[:length]).astype(np.float32)
        listener.hear(Sound(samples, now + offset_ms * MS), now)
        listener.listen(now)
        times = listener.around(now, 10 * SECOND, 10 * SECOND).times_ns
        assert (np.diff(times) > 0).all()
        assert len(times) < 1000
