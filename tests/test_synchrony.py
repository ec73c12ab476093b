"""The synchrony benchmark: its arithmetic, its beacon."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from benchmarks import avsync, drawn, movement, syllables, synchrony
from benchmarks.beacon import EVERY_MS, TONES, BeaconRenderer, bursts
from benchmarks.call import CallFailed
from benchmarks.synchrony import Seen
from benchmarks.timecode import WRAP, read
from engines.types import Motion, Picture, Space
from live.clock import MILLISECOND

pytestmark = pytest.mark.alone


def seen(
    skew: float = 0.0, *, seconds: int = 60, drift: float = 0.0, late: float = 80.0, card: float = 0
) -> Seen:
    """What a page sees that is so far from its sound, `drift` ms a minute on top.

    Its clock is not the server's; pictures come at 30 a second, and light up at 60.
    """
    other = 123_456.7
    found = Seen()
    for i in range(30 * seconds):
        made = 5_000 + i * 1000 / 30
        away = skew + drift * made / 60_000
        shown = (made + late + away) // (1000 / 60) * (1000 / 60) + 1000 / 120
        found.pictures.append((shown + other, round(made * 10) % 16_000_000))
    for number in range(4 * seconds):
        made = 5_000 + number * EVERY_MS
        tone = (made // EVERY_MS) % TONES
        found.bursts.append((made + late + other - card, 500 + 200 * tone + 9))
    rows = range(10 * seconds)
    found.playouts = [
        {
            "at": 5_000 + other + i * 100.0,
            "audio": {"made": 1e6 + i * 100, "delay": i * 4.0, "emitted": i * 100},
            "video": {"made": 1e6 + i * 100 - 15, "delay": i * 0.6, "emitted": i * 10},
            "card": {"delay": i * 4.8 * card, "samples": i * 4800},
        }
        for i in rows
    ]
    return found


@pytest.mark.parametrize("skew", [-300.0, -60.0, 0.0, 35.0, 700.0])
def test_a_skew_is_found(skew: float) -> None:
    found = synchrony.spread(synchrony.skews(seen(skew)))
    assert found["p50"] == pytest.approx(skew, abs=9)  # half of a refresh
    assert found["n"] > 200


def test_what_the_sound_card_adds_is_counted() -> None:
    assert seen(card=30).card_ms() == pytest.approx(30)
    assert synchrony.spread(synchrony.skews(seen(card=30)))["p50"] == pytest.approx(0, abs=9)


def test_a_drift_is_found() -> None:
    for drift in (0.0, 12.0):
        found = synchrony.drift(synchrony.skews(seen(seconds=240, drift=drift)))
        assert found is not None
        assert found["ms_a_minute"] == pytest.approx(drift, abs=1.5)
    assert synchrony.drift(synchrony.skews(seen(seconds=20))) is None


def test_unknown_pitches_and_bursts_without_pictures_are_left_out() -> None:
    found = seen(seconds=10)
    found.bursts[3] = (found.bursts[3][0], 4000.0)
    found.bursts.append((found.bursts[-1][0] + 5000, 500.0))
    assert len(synchrony.skews(found)) == 39
    assert synchrony.skews(Seen()).shape == (0, 2)


def test_recovery_is_when_it_stays_well() -> None:
    times = np.arange(0, 10_000, 250.0)
    skew = np.where(times < 1000, 400, np.where(times < 2000, 30, 5))
    skew[times == 2500] = 25  # once
    values = np.stack([times, skew], axis=1)
    found = synchrony.recovery(values, 0, 10_000)
    assert found == {"within_bounds_s": 1.0, "within_20_ms_s": 1.5}
    values[-1, 1] = -150
    assert synchrony.recovery(values, 0, 10_000)["within_bounds_s"] is None


def test_the_figures_of_a_call() -> None:
    figures = avsync.figures_of(seen(-30, card=20))
    assert figures["content"]["p50"] == pytest.approx(-30, abs=9)
    assert figures["browser"]["p50"] == 15
    assert (figures["sound_buffer_ms"], figures["picture_buffer_ms"]) == (40, 60)
    assert len(figures["first_seconds_ms"]) == 10
    with pytest.raises(CallFailed, match="too few"):
        avsync.figures_of(Seen())


def test_the_beacon_says_the_time() -> None:
    samples = np.concatenate([bursts(i * 20 * MILLISECOND) for i in range(2000 // 20)])
    for tone in range(TONES):
        burst = samples[tone * 12_000 : tone * 12_000 + 1440].astype(float)
        crossings = np.flatnonzero((burst[:-1] <= 0) & (burst[1:] > 0))
        hertz = 48_000 * (len(crossings) - 1) / (crossings[-1] - crossings[0])
        assert hertz == pytest.approx(500 + 200 * tone, abs=15)
        assert not samples[tone * 12_000 + 1440 : (tone + 1) * 12_000].any()
    at = 777 * MILLISECOND
    assert np.array_equal(bursts(at), bursts(at + 2000 * MILLISECOND))


def test_the_beacon_shows_the_time() -> None:
    class Grey:
        name, space = "grey", Space.MESH478

        def render(self, avatar: object, motion: Motion) -> Picture:
            return Picture(np.full((512, 512, 3), 90, np.uint8), motion.pts_ns)

    drawn = BeaconRenderer(Grey())  # type: ignore[arg-type]
    motion = Motion.neutral(pts_ns=1_700_000_123 * MILLISECOND)
    picture = drawn.render(None, motion)  # type: ignore[arg-type]
    assert read(picture.rgb[..., 1]) == 1_700_000_123 * 10 % 16_000_000 < WRAP


def test_the_syllables_are_where_their_phones_are() -> None:
    (speech,) = syllables.SyllableVoice().speak("anything")
    assert speech.text == "anything"
    assert speech.phones is not None
    times_ms = np.arange(len(speech.samples)) * 1000 / speech.rate
    for phone in speech.phones:
        low, high = phone.start_ns / MILLISECOND + 20, phone.end_ns / MILLISECOND - 20
        inside = speech.samples[(times_ms > low) & (times_ms < high)]
        assert (np.abs(inside).max() > 0.1) == (phone.name == "AA")
    lengths = {phone.end_ns - phone.start_ns for phone in speech.phones}
    assert len(lengths) > 40  # uneven, so that only one delay fits


def test_a_jaw_is_compared_with_what_it_is_at_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tracked is taken as read: the jaw of the articulation, 40 ms late."""
    times_ms = np.arange(0, 22_000, 1000 / 30)

    def tracked(pictures: Iterable[tuple[int, object]]) -> list[tuple[int, int]]:
        return [(ticks, i) for i, (ticks, _) in enumerate(pictures)]

    monkeypatch.setattr(movement, "tracked", tracked)
    monkeypatch.setattr(
        movement, "signal", lambda faces, name: syllables.jaw(times_ms)[list(faces)]
    )
    monkeypatch.setattr(drawn, "_decoded", lambda text: text)
    blocks_ms = np.arange(0, 22_000, 10.0)
    level = syllables.loudness(syllables.syllables(), blocks_ms)
    levels = list(zip((blocks_ms + 970).tolist(), level.tolist(), strict=True))
    pictures = [(float(at) + 1040, "") for at in times_ms]
    found = drawn.skew(levels, pictures, card_ms=30)
    assert found["ms"] == pytest.approx(40, abs=3)
