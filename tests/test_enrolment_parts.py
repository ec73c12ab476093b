from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.drivers.speech_network import speech_network
from engines.errors import UnusablePortrait
from engines.face_geometry import rotation_matrix
from engines.log_mel import RATE
from engines.portraits import decode
from engines.trackers.litert import LitertTracker
from engines.types import Face, Floats, Picture, Rgb
from engines.weights import ModelStore
from live.clock import SECOND
from live.consent.record import STATEMENT_LIMIT, Mode, Purpose
from live.enrolment import likeness, pictures, reading, sight, verdict, withdrawal
from live.enrolment.agreement import agreement
from live.enrolment.attempt import Attempt
from live.enrolment.challenge import MOST_NS, Step, draw
from live.enrolment.codes import ASKED, FAULTS, HINTS, Fault, Hint
from live.enrolment.hearing import Hearing
from live.enrolment.moment import BestMoment, cut
from live.enrolment.phrases import LANGUAGES, WORDS, phrase
from live.enrolment.sight import Sight, alike, bearing
from live.enrolment.steps import is_flat
from live.errors import BadRequest, Forbidden
from tests import consents
from tests.heads import head
from tests.performer import MOUTH_FPS, pose, spoken
from tests.scenes import portrait, scene


@pytest.fixture(scope="module")
def tracker() -> LitertTracker:
    return LitertTracker(ModelStore())


# The challenge


def test_no_two_challenges_are_the_same() -> None:
    drawn = [draw("en") for _ in range(300)]
    assert len({one.sha256 for one in drawn}) == 300
    assert len({one.tasks[-1].pause_ns for one in drawn}) > 100
    orders = {tuple(task.step for task in one.tasks) for one in drawn}
    assert len(orders) > 60  # of 72


@given(st.integers(0, 2**64), st.sampled_from(LANGUAGES))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_each_challenge_asks_for_everything(seed: int, language: str) -> None:
    tasks = draw(language, Random(seed)).tasks
    steps = [task.step for task in tasks]
    assert steps[0] is Step.FRONT
    assert set(steps) == set(Step)
    assert len(steps) == 6
    assert all(one is not other for one, other in pairwise(steps))
    assert sum(task.deadline_ns + task.pause_ns for task in tasks) < MOST_NS
    assert [bool(task.phrase) for task in tasks] == [step is Step.PHRASE for step in steps]
    assert draw(language, Random(seed)).sha256 == draw(language, Random(seed)).sha256


@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_are_random_words_of_one_language(language: str) -> None:
    rng = Random(3)
    phrases = [phrase(language, rng) for _ in range(200)]
    assert all(len(set(one)) == WORDS for one in phrases)
    words = {word for one in phrases for word in one}
    assert len(words) == 40
    assert all(word.isalpha() for word in words)


def test_every_code_has_a_sentence() -> None:
    for codes, words in (
        (Fault, FAULTS),
        (Hint, HINTS),
        (Step, ASKED),
        (verdict.Established, verdict.ESTABLISHED),
        (verdict.Open, verdict.OPEN),
    ):
        assert set(words) == set(codes)
        assert all(text.endswith((".", ":")) for text in words.values())


def test_evidence_is_short_and_holds_no_words() -> None:
    drawn = draw("en", Random(4))
    evidence = verdict.passed(drawn, sound=True, difference=1.234).evidence()
    assert all(len(str(value)) <= 128 for value in evidence.values())
    assert evidence["likeness"] == 1.23
    phrases = [task.phrase for task in drawn.tasks if task.phrase]
    assert not any(word in str(evidence) for words in phrases for word in words)
    assert verdict.failed(drawn, Fault.TWO_FACES).described()["established"] == []


@given(
    st.sets(st.sampled_from(list(Purpose)), min_size=1),
    st.sets(st.sampled_from(list(Mode)), min_size=1),
    st.text(max_size=80),
)
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_agreement_fits_into_a_record(
    purposes: set[Purpose], modes: set[Mode], operator: str
) -> None:
    text = agreement(operator, frozenset(purposes), frozenset(modes), date(2036, 12, 31))
    assert len(text) <= STATEMENT_LIMIT


# What is seen


def test_bearing_has_the_persons_own_left(tracker: LitertTracker) -> None:
    for yaw in (-20.0, 0.0, 20.0):
        assert bearing(head((0.0, -np.radians(yaw), 0.0))).yaw == pytest.approx(yaw, abs=0.1)
    (left,) = tracker.find(Picture(pose("leo", yaw=22.0)))
    nose, middle = left.landmarks[4, 0], left.landmarks[[234, 454], 0].mean()
    assert bearing(left).yaw > 15
    assert nose > middle  # own left is the picture's right


def test_closed_eyes_and_open_lips_are_measured(tracker: LitertTracker) -> None:
    rest, shut, wide = (
        bearing(tracker.find(Picture(pose("amara", **changes)))[0])
        for changes in ({}, {"closed": 1.0}, {"jaw": 0.4})
    )
    assert shut.eyes < 0.4 * rest.eyes
    assert shut.blink > 0.4 > rest.blink
    assert wide.lips > 0.1 > rest.lips


@pytest.mark.parametrize("name", ["leo", "amara"])
def test_printed_face_is_flat_and_a_head_is_not(tracker: LitertTracker, name: str) -> None:
    rest = tracker.find(Picture(pose(name)))[0]
    turned = tracker.find(Picture(pose(name, yaw=22.0)))[0]
    assert not is_flat(bearing(rest), bearing(turned))
    for degrees in (20.0, 35.0, 50.0, 60.0, -60.0):
        found = tracker.find(Picture(_printed(pose(name), degrees)))
        assert found
        assert is_flat(bearing(rest), bearing(found[0]))


def _printed(rgb: Rgb, degrees: float) -> Rgb:
    """A photograph that is turned about its upright axis before a camera."""
    side = len(rgb)
    focal = 1.2 * side
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * side / 2
    turned = corners @ rotation_matrix(np.array([0.0, np.radians(degrees), 0.0])).T
    shown = turned[:, :2] * focal / (turned[:, 2:] + focal) + side / 2
    matrix = cv2.getPerspectiveTransform(
        (corners[:, :2] + side / 2).astype(np.float32), shown.astype(np.float32)
    )
    return np.asarray(
        cv2.warpPerspective(rgb, matrix, (side, side), borderValue=(90,) * 3), np.uint8
    )


def test_patches_tell_a_cut_from_a_movement(tracker: LitertTracker) -> None:
    def patch(rgb: Rgb) -> Floats:
        face = tracker.find(Picture(rgb))[0]
        shown = sight.look(rgb, face, 0).patch
        assert shown is not None
        return shown

    rest = patch(pose("leo"))
    assert alike(rest, patch(pose("leo", yaw=8.0, jaw=0.2))) > 0.7
    assert alike(rest, patch(pose("leo", closed=1.0))) > 0.7
    assert alike(rest, patch(pose("sam"))) < 0.5


def test_other_faces_are_counted_if_they_are_large(tracker: LitertTracker) -> None:
    rgb = scene(("leo", 20, 20, 300), ("ruth", 330, 20, 300))
    faces = tracker.find(Picture(rgb))
    assert sight.look(rgb, faces[0], 0, faces).crowd == 2
    assert sight.look(rgb, faces[0], 0, faces[:1]).crowd == 1
    assert sight.look(rgb, faces[0], 0).crowd is None


def test_nobody_is_seen_in_an_empty_room(tracker: LitertTracker) -> None:
    seen = sight.look(np.full((240, 320, 3), 51, np.uint8), None, 7, ())
    assert (seen.bearing, seen.crowd, seen.at_ns) == (None, 0, 7)
    assert seen.light == pytest.approx(0.2)


# Likeness


def test_proportions_know_a_face_from_another(tracker: LitertTracker) -> None:
    shapes = {
        name: likeness.portrait_face(portrait(name), tracker) for name in ("ada", "hana", "kofi")
    }
    for name, shape in shapes.items():
        seen = bearing(tracker.find(Picture(pose(name, yaw=4.0, sway=0.05)))[0])
        assert likeness.difference(shape, seen.shape) < likeness.MOST
    assert likeness.difference(shapes["ada"], shapes["hana"]) > 2 * likeness.MOST
    assert likeness.difference(shapes["hana"], shapes["kofi"]) > likeness.MOST


def test_size_and_unit_do_not_count() -> None:
    shape = bearing(head()).shape
    assert likeness.difference(shape, 7.0 * shape) == pytest.approx(0.0, abs=1e-9)


def test_portrait_without_a_face_is_refused(tracker: LitertTracker) -> None:
    with pytest.raises(UnusablePortrait):
        likeness.portrait_face(np.full((300, 300, 3), 80, np.uint8), tracker)


# What is heard


def test_mouth_that_says_it_agrees_and_another_does_not() -> None:
    sound, jaw = spoken()
    hearing = _heard(sound)
    seconds = len(jaw) / MOUTH_FPS
    voice = hearing.between(SECOND, SECOND + round(seconds * SECOND))

    def lips(opened: np.ndarray, late_s: float = 0.1) -> list[reading.Lips]:
        times = SECOND + ((np.arange(len(opened)) / MOUTH_FPS + late_s) * SECOND).astype(int)
        return [reading.Lips(int(at), float(one)) for at, one in zip(times, opened, strict=True)]

    assert reading.agreement(lips(jaw), voice) > 0.8
    assert reading.judge(lips(jaw), voice, WORDS) is None
    assert reading.judge(lips(jaw), None, WORDS) is None
    assert reading.judge(lips(0.0 * jaw), voice, WORDS) is Fault.MOUTH_STILL
    assert reading.judge(lips(0.0 * jaw), None, WORDS) is Fault.MOUTH_STILL
    other = np.abs(np.sin(1.9 * np.arange(len(jaw)))) * 0.3
    assert reading.judge(lips(other), voice, WORDS) is Fault.SOUND_DISAGREES
    quiet = voice._replace(level=np.full_like(voice.level, -80.0))
    assert reading.judge(lips(jaw), quiet, WORDS) is Fault.NO_SOUND
    assert reading.judge(lips(0.0 * jaw), quiet, WORDS) is Fault.TOO_SLOW


def _heard(sound: Floats, piece: int = 1600, late_ns: int = 0) -> Hearing:
    """Sound that began at 1 s, in pieces that come as they are spoken."""
    hearing = Hearing(speech_network())
    for start in range(0, len(sound), piece):
        part = sound[start : start + piece]
        ended = SECOND + (start + len(part)) * SECOND // RATE
        hearing.hear(part, ended + late_ns)
    return hearing


@settings(max_examples=4, deadline=None, derandomize=True, database=None)
@given(piece=st.integers(37, 5000), late_ns=st.integers(0, SECOND // 5))
def test_hearing_does_not_depend_on_how_sound_is_cut(piece: int, late_ns: int) -> None:
    sound, _ = spoken()
    whole = _heard(sound).between(0, 60 * SECOND)
    parts = _heard(sound, piece, late_ns).between(0, 60 * SECOND)
    shared = min(len(whole.level), len(parts.level))
    assert shared > 300
    np.testing.assert_allclose(whole.level[:shared], parts.level[:shared], atol=1e-4)
    np.testing.assert_allclose(whole.lips[:shared], parts.lips[:shared], atol=1e-3)
    assert abs(int(parts.times_ns[0] - whole.times_ns[0]) - late_ns) < SECOND // 100


def test_hearing_forgets() -> None:
    hearing = Hearing(speech_network())
    quiet = np.zeros(RATE, np.float32)
    for number in range(50):
        hearing.hear(quiet, (number + 1) * SECOND)
    kept = hearing.between(0, 100 * SECOND)
    assert 39 * 100 < len(kept.level) <= 40 * 100
    assert kept.times_ns[-1] > 49 * SECOND


# The portrait


def test_best_moment_is_sharp_and_straight(tracker: LitertTracker) -> None:
    moment = BestMoment()
    for changes in ({"yaw": 12.0}, {}, {"jaw": 0.3}):
        rgb = pose("leo", **changes)
        face = tracker.find(Picture(rgb))[0]
        moment.see(rgb, face, sight.look(rgb, face, 0))
    best = moment.rgb
    assert best is not None
    sharp = pose("leo")
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    face = tracker.find(Picture(sharp))[0]
    np.testing.assert_array_equal(best, cut(sharp, face))
    moment.see(blurred, face, sight.look(blurred, face, 0))
    assert moment.rgb is best
    moment.forget()
    assert moment.rgb is None


def test_portrait_is_a_square_around_the_head(tracker: LitertTracker) -> None:
    rgb = scene(("leo", 340, 30, 300))
    square = cut(rgb, tracker.find(Picture(rgb))[0])
    assert square.shape[0] == square.shape[1] <= 360
    (face,) = tracker.find(Picture(square))
    assert 0.3 < (face.landmarks[:, 0].mean() / len(square)) < 0.75


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)), st.floats(1.0, 400.0))
def test_any_face_is_cut_within_the_picture(place: tuple[float, float], scale: float) -> None:
    face = head(place=place)
    points = (face.landmarks - face.landmarks.mean(axis=0)) * scale / 100 + face.landmarks.mean(0)
    shown = replace(face, landmarks=points.astype(np.float32))
    square = cut(np.zeros((480, 640, 3), np.uint8), shown)
    assert square.shape[0] == square.shape[1] <= 480


def test_portraits_file_has_exactly_its_pixels() -> None:
    rgb = portrait("mira")[:300, :300]
    np.testing.assert_array_equal(decode(pictures.png(rgb)), rgb)


# Files and codes from outside


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_broken_pictures_are_refused(data: st.DataObject) -> None:
    whole = _jpeg()
    start = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=40))
    broken = whole[:start] + noise + whole[start + len(noise) :]
    try:
        rgb = pictures.decode(broken)
    except BadRequest:
        return
    assert rgb.ndim == 3
    assert rgb.shape[0] * rgb.shape[1] <= pictures.MOST_PIXELS


def _jpeg() -> bytes:
    done, data = cv2.imencode(".jpg", np.full((160, 200, 3), 70, np.uint8))
    assert done
    return data.tobytes()


def test_codes_are_read_as_people_write_them() -> None:
    code = withdrawal.new_code()
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}", code)
    written = " " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert withdrawal.hashed(written) == withdrawal.hashed(code)
    assert withdrawal.new_code() != code


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=64))
def test_no_other_code_fits(text: str) -> None:
    record = consents.granted(np.full((64, 64, 3), 9, np.uint8)).record
    own = "7K2QF-7K2QF-7K2QF-7K2QF-7K2QF"
    enrolled = replace(record, evidence={withdrawal.EVIDENCE: withdrawal.hashed(own)})
    withdrawal.check(enrolled, own)
    with pytest.raises(Forbidden):
        withdrawal.check(enrolled, text)
    with pytest.raises(Forbidden, match="not given by live enrolment"):
        withdrawal.check(record, text)


def test_face_too_small_to_be_one_is_none() -> None:
    nobody = Face(np.zeros((478, 3), np.float32), np.zeros(52, np.float32), np.eye(4), 1.0)
    assert sight.look(np.zeros((200, 200, 3), np.uint8), nobody, 0).bearing is None
    assert isinstance(sight.look(np.zeros((200, 200, 3), np.uint8), None, 0), Sight)


class Mirror:
    """A tracker for which every picture shows the same face."""

    def __init__(self, face: Face) -> None:
        self.face, self.closed = face, False

    def track(self, picture: Picture) -> Face | None:
        return replace(self.face, pts_ns=picture.pts_ns)

    def find(self, picture: Picture) -> list[Face]:
        return [self.face]

    def reset(self) -> None:
        raise AssertionError("an attempt has one tracker to itself")

    def close(self) -> None:
        self.closed = True


def test_portrait_is_of_who_was_there_at_the_beginning(tracker: LitertTracker) -> None:
    """Pictures of another face in a pause, sharper and larger, do not take its place."""
    own, other = pose("leo"), pose("amara")
    mirror = Mirror(tracker.find(Picture(own))[0])
    attempt = Attempt(draw("en", Random(2)), mirror, None, None)
    soft = np.asarray(cv2.GaussianBlur(own, (0, 0), 2), np.uint8)
    now, sway = SECOND, 0.0
    while attempt._witness.rest is None:
        now, sway = now + SECOND // 15, sway + 0.4
        mirror.face = replace(
            mirror.face, landmarks=mirror.face.landmarks + np.float32(np.sin(sway))
        )
        attempt.see(soft, now)
    taken = attempt.portrait
    assert taken is not None
    mirror.face = tracker.find(Picture(other))[0]
    attempt.see(other, now + SECOND // 15)
    assert attempt.portrait is taken
    attempt.close()
    assert mirror.closed
    assert attempt.portrait is None
