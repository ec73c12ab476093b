"""The live mark's benchmark does to videos what it says, and can fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import (
    mark,
    mark_attacks,
    mark_false_alarms,
    mark_plot,
    mark_subjects,
    mark_trials,
    mark_visibility,
    mark_windows,
)
from benchmarks.mark_attacks import attacks
from benchmarks.mark_codecs import Codec, Coded, Video, call, film
from benchmarks.mark_trials import Cell, Outcome, Plan, Stream, Trial
from benchmarks.spread import wilson
from engines.mark import PAYLOAD_BYTES, Detector, Mark
from engines.mark.detection import least_score
from engines.types import Rgb
from live.planes import Plane

SIDE = 128


def moving(pictures: int, side: int = SIDE, grain: int = 4) -> list[Rgb]:
    """A texture that moves by a pixel for each picture: hard enough for any of the rates."""
    generator = np.random.default_rng(5)
    small = generator.integers(60, 200, (side // grain, 2 * side // grain, 3), np.uint8)
    wide = small.repeat(grain, 0).repeat(grain, 1)
    return [np.ascontiguousarray(wide[:, n % side : n % side + side]) for n in range(pictures)]


def by_chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("none", 128),
        ("scale 0.5", 64),
        ("scale 0.75", 96),
        ("scale 1.25", 160),
        ("scale 1.5", 192),
        ("crop 70 %", 90),
        ("mirror", 128),
        ("brighter", 128),
        ("less contrast", 128),
        ("re-encoded 300", 128),
        ("ffmpeg 300", 128),
        ("crop, scale 0.75, ffmpeg 300", 68),
        ("mirror, scale 1.25, re-encoded 300", 160),
    ],
)
def test_an_attack_keeps_count_and_rate(name: str, side: int) -> None:
    attacked = attacks(Codec.VP8)[name](Video(moving(12)), by_chance())
    assert len(attacked.pictures) == 12
    assert attacked.rate == 30.0
    assert {rgb.shape for rgb in attacked.pictures} == {(side, side, 3)}
    assert all(rgb.flags.c_contiguous and rgb.dtype == np.uint8 for rgb in attacked.pictures)


def test_every_attack_but_none_changes_something() -> None:
    video = Video(moving(4))
    for name, attack in attacks(Codec.H264).items():
        attacked = attack(video, by_chance()).pictures[0]
        same = attacked.shape == (SIDE, SIDE, 3) and np.array_equal(attacked, video.pictures[0])
        assert same == (name == "none"), name


def test_a_seed_decides_the_crop() -> None:
    video = Video(moving(1))
    first, again, other = (
        mark_attacks.cropped(video, by_chance(seed)).pictures[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_brightness_is_an_offset_and_contrast_a_gain() -> None:
    grey = Video([np.full((2, 2, 3), level, np.uint8) for level in (10, 127, 240)])

    def levels(**tone: float) -> list[int]:
        toned = mark_attacks.toned(**tone)(grey, by_chance())
        return [int(rgb[0, 0, 0]) for rgb in toned.pictures]

    assert levels(brightness=0.2) == [61, 178, 255]
    assert levels(brightness=-0.2) == [0, 76, 189]
    assert levels(contrast=-0.2) == [34, 127, 218]


@pytest.mark.parametrize("cut", [True, False])
def test_a_screen_capture_shows_the_video_somewhere(cut: bool) -> None:
    white = Video([np.full((SIDE, SIDE, 3), 255, np.uint8)] * 30)
    captured = mark_attacks.captured(cut=cut)(white, by_chance(3))
    assert captured.rate in (20.0, 25.0, 50.0)
    assert len(captured.pictures) == pytest.approx(captured.rate, abs=1)
    picture = captured.pictures[-1]
    shown = (picture > 245).all(axis=2).mean() * picture.shape[0] * picture.shape[1]
    assert shown > 0.7**2 * SIDE**2 * 0.9
    assert (picture.shape == (640, 1024, 3)) != cut


@pytest.mark.parametrize(
    ("codec", "kbits"), [("VP8", 150), ("VP8", 300), ("VP8", 600), ("H264", 300), ("H264", 600)]
)
def test_a_call_has_about_the_rate_that_was_asked_for(codec: str, kbits: int) -> None:
    coded = call(Video(moving(90, grain=2)), Codec(codec), 1000 * kbits)
    assert len(coded.video.pictures) == len(coded.bits) == 90
    assert coded.bitrate(60) == pytest.approx(1000 * kbits, rel=0.3)


def test_a_film_has_about_the_rate_that_was_asked_for() -> None:
    coded = film(Video(moving(90, grain=2)), 300_000)
    assert len(coded.video.pictures) == len(coded.bits) == 90
    assert sum(coded.bits) / 3 == pytest.approx(300_000, rel=0.3)


@pytest.mark.parametrize("codec", list(Codec))
def test_more_bits_make_a_better_picture(codec: Codec) -> None:
    video = Video(moving(45))
    low, high = (call(video, codec, 1000 * kbits) for kbits in (60, 1500))
    assert error(video, high) < 0.7 * error(video, low)
    assert error(video, high) < 20  # and it is the same picture, at the same time


def error(video: Video, coded: Coded) -> float:
    """Of the last pictures, in levels."""
    pairs = zip(video.pictures[-10:], coded.video.pictures[-10:], strict=True)
    return float(np.mean([np.abs(mine.astype(float) - theirs).mean() for mine, theirs in pairs]))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (380, 380, 0.99, 1.0)],
)
def test_wilson(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)
    assert interval is not None
    assert 0.0 <= interval[0] <= counts[0] / counts[1] + 1e-4 <= interval[1] + 2e-4 <= 1.0003


@dataclass
class Absent:
    """A mark that is none."""

    key: bytes
    payload: bytes

    def apply(self, luma: Plane) -> None:
        """Leaves it."""


@dataclass
class Says:
    """What was found."""

    payload: bytes
    score: float = 20.0


@dataclass
class Guesses:
    """A detector that always finds the same."""

    keys: Sequence[bytes]

    def find(self, pictures: Iterable[Rgb]) -> Says | None:
        """Looks at nothing."""
        return Says(bytes(PAYLOAD_BYTES))


@pytest.fixture
def textures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subjects that cost no rendering."""

    def pictures(subject: object, first: int, count: int) -> list[Rgb]:
        return moving(first + count)[first:]

    monkeypatch.setattr(mark_subjects, "pictures", pictures)


PLAN = Plan(turns=2, bitrates=[300_000], attacks=["none", "crop 70 %"])


@pytest.mark.usefixtures("textures")
def test_an_absent_mark_is_never_recovered() -> None:
    plan = replace(PLAN, turns=1)
    found = list(mark_trials.trials(plan, Absent, Detector))
    assert len(found) == plan.count == 4
    assert {trial.outcome for trial in found} == {Outcome.MISSED}


def test_a_mark_that_is_there_is_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        mark_subjects, "pictures", lambda subject, first, count: moving(count, 256, 8)
    )
    plan = Plan(turns=1, bitrates=[1_500_000], attacks=["none"])
    for marker, outcome in ((Mark, Outcome.RIGHT), (Absent, Outcome.MISSED)):
        assert {trial.outcome for trial in mark_trials.trials(plan, marker, Detector)} == {outcome}


@pytest.mark.usefixtures("textures")
def test_a_guess_is_a_wrong_payload() -> None:
    figures = mark.summary(list(mark_trials.trials(PLAN, Absent, Guesses)))
    assert figures["promised"]["wrong"] == figures["promised"]["windows"] == 8
    assert figures["promised"]["right"] == 0


@pytest.mark.usefixtures("textures")
def test_an_interrupt_leaves_the_complete_turns() -> None:
    plan = Plan(turns=3, bitrates=[300_000], attacks=["none"])
    looked = []

    class Impatient(Guesses):
        def find(self, pictures: Iterable[Rgb]) -> Says | None:
            looked.append(len(list(pictures)))
            if len(looked) % 4 == 0:
                raise KeyboardInterrupt
            return None

    assert [trial.turn for trial in mark.made(plan, Absent, Impatient)] == [0, 0]
    looked[:] = [60] * 3
    with pytest.raises(KeyboardInterrupt):
        mark.made(plan, Absent, Impatient)


@pytest.mark.usefixtures("textures")
def test_turns_differ_and_come_again() -> None:
    first, again, other = (mark_trials.stream(PLAN, turn, Absent) for turn in (0, 0, 1))
    assert (first.key, first.payload) == (again.key, again.payload)
    assert {first.key, first.payload}.isdisjoint({other.key, other.payload})
    np.testing.assert_array_equal(first.marked[-1], again.marked[-1])
    assert 120 <= len(first.marked) <= 150


def test_the_first_subjects_are_mixed() -> None:
    subjects = mark_subjects.subjects([])
    first = subjects[:4]
    assert {each.talking for each in first} == {each.labelled for each in first} == {True, False}
    assert len({each.avatar for each in subjects[:9]}) == 9
    assert len(set(subjects)) == len(subjects) == 18


def offset(levels: Sequence[int]) -> Stream:
    """Grey pictures, to each of which so many levels are added."""
    plain = [np.full((64, 64, 3), 100, np.uint8) for _ in levels]
    marked = [rgb + np.int8(level) for rgb, level in zip(plain, levels, strict=True)]
    subject = mark_subjects.Subject("grey", False)
    return Stream(0, subject, b"", b"", plain, [each.astype(np.uint8) for each in marked])


def test_psnr() -> None:
    look = mark_visibility.look(offset([2, 4, 0]), Absent(b"", b""))
    assert look.psnr == pytest.approx([42.11, 36.09, 99], abs=0.01)


def test_a_look_is_summed_up() -> None:
    looks = [mark_visibility.look(offset([level] * 3), Absent(b"", b"")) for level in (2, 4)]
    figures = mark_visibility.summary(looks)
    assert figures["psnr_db"] == {"mean": 39.1, "min": 36.09}
    assert figures["cost"]["mark_ms"]["n"] == 6
    assert figures["cost"]["mark_over_label"] < 1


def test_what_stands_still_does_not_flicker() -> None:
    still, trembling = (mark_visibility.flicker(offset(each)) for each in ([2] * 8, [1, -1] * 4))
    assert still["mark_pixels"] == pytest.approx(0, abs=1e-4)
    assert trembling["mark_pixels"] == pytest.approx(2, abs=1e-3)
    assert trembling["mark_areas"] == pytest.approx(2, abs=1e-3)


def test_the_tables_and_the_plot(capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(
        0, "ada", True, Cell(Codec.VP8, 300_000, "none"), Outcome.RIGHT, 312_345, 0.5, 30.0
    )
    found = [
        replace(trial, cell=Cell(codec, bitrate, attack), outcome=outcome)
        for codec in Codec
        for bitrate in (150_000, 300_000)
        for attack, outcome in (("none", Outcome.RIGHT), ("mirror & more", Outcome.MISSED))
    ]
    figures = mark.summary(found) | {
        "psnr_db": {"mean": 43.0, "min": 42.5},
        "flicker": dict.fromkeys(("mark_pixels", "mark_areas", "codec_pixels", "codec_areas"), 0.1),
        "cost": {"label_ms": {"p50": 0.2}, "mark_ms": {"p50": 1.0}, "mark_over_label": 5.0},
    }
    mark.show(figures)
    printed = capsys.readouterr().out
    assert "50 (15–85): 2 of 4, 0 wrong" in printed
    assert "not recovered there: ada, labelled, 2" in printed
    assert ET.fromstring(mark_plot.recovery(figures)).tag.endswith("svg")


def test_the_sheet(tmp_path: Path) -> None:
    mark_plot.sheet(tmp_path / "sheet.png", [mark_plot.row(offset([1] * 3))])
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_a_false_alarm_bound_is_what_the_tail_says() -> None:
    scores = by_chance().exponential(0.5, 20_000) + 8
    fitted = mark_false_alarms.tail(scores)
    assert fitted.mean == pytest.approx(0.5, rel=0.15)
    # P(> 8 + 0.5 · 14) = exp(−14)
    assert fitted.beyond(15.0) == pytest.approx(8.3e-7, rel=5)
    assert fitted.beyond(15.0) < fitted.beyond(12.0) < fitted.beyond(0.0) <= 1
    found = mark_false_alarms.bound(np.split(scores, 100), 15.0, seed=0)
    assert 0 < found["estimate"] <= found["upper95"] < 1e-4


def test_the_exponential_tail_is_no_promise_that_a_normal_one_would_break() -> None:
    """The extrapolation stays above a normal distribution's true tail."""
    scores = by_chance(3).normal(0, 1, 20_000)
    assert mark_false_alarms.tail(scores).beyond(5.0) > 2.9e-7


@pytest.mark.parametrize(("events", "most"), [(0, 2.996), (1, 4.744), (5, 10.513)])
def test_how_many_events_there_may_be(events: int, most: float) -> None:
    assert mark_false_alarms.most_of(events) == pytest.approx(most, rel=0.02)


@pytest.mark.usefixtures("textures")
def test_windows_without_a_mark() -> None:
    found = list(mark_windows.windows(6, [], seed=1))
    assert len({each.kind for each in found}) == 6
    assert all(len(each.pictures) >= 38 for each in found)
    for each in found:
        assert len({rgb.shape for rgb in each.pictures}) == 1
        assert all(rgb.dtype == np.uint8 for rgb in each.pictures)


@pytest.mark.usefixtures("textures")
def test_wrong_keys_are_searched_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = mark_false_alarms.measured(2, [], seed=1, keys=2)
    figures = mark_false_alarms.summary(made, seed=0)
    assert figures["searched"]["n"] == 4
    assert figures["alarms"] == 0
    assert 5 < figures["searched"]["mean"] < least_score()
    assert figures["single"]["sd"] == pytest.approx(1, abs=0.3)
    mark_false_alarms.show(figures)
    assert "0 were told one (at most 7.4e-01 by count)" in capsys.readouterr().out
    assert ET.fromstring(mark_false_alarms.plot(made)).tag.endswith("svg")
