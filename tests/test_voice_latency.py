"""How late a sound comes out again: chirps are found, however they were treated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import chirps, voice_latency
from benchmarks.call import Stage
from live import opus


def said(seconds: float) -> chirps.Samples:
    """What the microphone says from its clock's beginning on."""
    sound = np.zeros(int(seconds * chirps.RATE))
    for number in range(len(sound) // chirps.EVERY):
        at = number * chirps.EVERY
        sound[at : at + chirps.LENGTH] = chirps.chirp(number)
    return sound


@settings(max_examples=8, deadline=None)
@given(late=st.integers(0, 70_000), gain=st.floats(0.05, 1.0), seed=st.integers(0, 9))
def test_any_delay_is_found_to_a_fraction_of_a_millisecond(
    late: int, gain: float, seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01 * gain, 4 * chirps.RATE)
    sound = gain * np.roll(said(4.0), late) + noise
    first = 30_011
    found = chirps.heard(first, sound[first:])
    expected = [one for one in found if one.sent + late + chirps.LENGTH <= len(sound)]
    assert len(found) == chirps.said(first, len(sound) - first) > 3
    for one in expected:
        assert one.late_ms == pytest.approx(1000 * late / chirps.RATE, abs=0.1)


def test_what_opus_made_of_it_is_still_known() -> None:
    """At the voice's own rate, through the server's encoder and a decoder."""
    encode, sound = opus.Encoder(), said(4.0)
    decode, back = opus.Decoder(0), []
    for at in range(0, len(sound), opus.SLOT):
        piece = np.asarray(32767 * sound[at : at + opus.SLOT], np.int16)
        back.append(decode.decoded(opus.Piece(encode(piece), at, 0, 0)))
    late = [one.late_ms for one in chirps.heard(0, np.concatenate(back).astype(np.float64))]
    assert len(late) > 8
    assert max(late) - min(late) < 0.5
    assert 0 <= np.median(late) < 30


def test_silence_and_noise_hold_no_chirps() -> None:
    silence = np.zeros(3 * chirps.RATE)
    assert chirps.heard(0, silence) == []
    assert chirps.heard(0, np.random.default_rng(1).normal(0, 0.1, len(silence))) == []


def test_pieces_are_joined_where_they_belong() -> None:
    one, two = (np.full(3, level, "<i2").tobytes() for level in (16384, -16384))
    first, sound = chirps.joined([(105, two), (100, one)])
    assert first == 100
    np.testing.assert_array_equal(sound, [0.5, 0.5, 0.5, 0, 0, -0.5, -0.5, -0.5])
    with pytest.raises(ValueError, match="no sound"):
        chirps.joined([])


def call_of(late_ms: list[float], **more: float) -> voice_latency.Heard:
    spent = [Stage("rest", "rest", late_ms[0], False)]
    pictures = [more.get("picture_ms", 40.0)]
    at = [0.25 * index for index in range(len(late_ms))]
    return voice_latency.Heard(late_ms, at, 9, pictures, spent, 0, more.get("card_ms"))


def test_a_picture_is_held_against_what_is_heard_of_the_sound_card() -> None:
    figures = voice_latency.figures_of([call_of([80.0], picture_ms=120.0, card_ms=30.0)])
    assert figures["skew_ms"] == 10.0
    assert figures["age_ms"]["p50"] == 80.0
    assert (figures["recognised"], figures["said"]) == (1, 9)


def test_calls_are_weighed_by_what_was_recognised_in_them() -> None:
    figures = voice_latency.figures_of([call_of([80.0]), call_of([100.0] * 3)])
    assert figures["stages"] == [{"stage": "rest", "side": "rest", "ms": 95.0, "exact": False}]
    assert figures["mean_ms"] == 95.0


def test_what_a_sound_is_late_by_consists_of_what_is_told() -> None:
    inbound = {"jitterBufferDelay": 0.0, "jitterBufferEmittedCount": 0}
    later = {"jitterBufferDelay": 1920.0, "jitterBufferEmittedCount": 48_000}
    found = voice_latency.stages_of(
        90.0,
        {"voice_latency_ms": {"p50": 2.0}},
        {"audio inbound-rtp": inbound, "candidate-pair": {"currentRoundTripTime": 0.002}},
        {"audio inbound-rtp": later, "candidate-pair": {"currentRoundTripTime": 0.004}},
    )
    assert [(stage.stage, stage.ms) for stage in found] == [
        ("packet of sound", 20.0),
        ("network up", 1.0),
        ("server", 2.0),
        ("network down", 1.0),
        ("browser buffer", 40.0),
        ("rest", 26.0),
    ]


def test_only_a_voice_that_nothing_holds_is_held_against_the_goal() -> None:
    slow = {"age_ms": {"p50": 95.0}}
    kinds: Any = {"echo": {"age_ms": {"p50": 85.0}}, "avatar": slow, "aiortc": slow}
    rows = voice_latency.goals_of({"face": kinds, "auto": kinds})
    assert [(row["what"], row["met"]) for row in rows] == [
        ("face echo: mouth to ear, median", True),
        ("face avatar: mouth to ear, median", False),
    ]
