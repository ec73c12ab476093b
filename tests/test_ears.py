"""Whom the driver hears: the avatar's own utterance before the peer, and nobody for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from live import ears as module
from live.clock import now_ns
from live.ears import Ears
from live.measures import Counts
from live.opus import SLOT, Encoder, Piece
from live.speaking import Speaker
from live.utterance import Utterance
from tests.test_speaking import until
from tests.voices import MS, ToneVoice, tone


class Call:
    """Ears and a speaker, and a peer whose voice is a tone."""

    def __init__(self) -> None:
        self.speaker = Speaker(lambda event: None, Counts())
        self.ears = Ears(self.speaker, Counts())
        self._encoder = Encoder()
        self._count = 0

    def peer(self, level: float, pieces: int = 5) -> None:
        for _ in range(pieces):
            samples = np.asarray(tone(0.02, 48_000, level) * 32767, np.int16)
            data = self._encoder(samples)
            self.ears.put(Piece(data, self._count * SLOT, now_ns(), now_ns()))
            self._count += 1


@pytest.fixture
def call() -> Call:
    made = Call()
    made.ears.listening = True
    return made


def test_the_peer_is_heard(call: Call) -> None:
    call.peer(0.5)
    heard = np.concatenate([sound.samples for sound in call.ears.take()])
    assert np.abs(heard).max() > 0.3
    assert call.ears.hears_peer
    assert call.ears.sounding
    assert call.ears.take() == []


def test_who_is_patient_hears_a_tenth_of_a_second_at_once(call: Call) -> None:
    heard = []
    for _ in range(10):
        call.peer(0.5, pieces=1)
        heard.append(sum(len(sound.samples) for sound in call.ears.take(patient=True)))
    assert np.flatnonzero(heard).tolist() == [4, 9]
    call.peer(0.5, pieces=1)
    assert call.ears.take()  # and whoever is not, all that there is


def test_a_silent_peer_is_there_and_does_not_sound(call: Call) -> None:
    call.peer(0.001)
    assert call.ears.take()
    assert call.ears.hears_peer
    assert not call.ears.sounding


def test_a_driver_that_does_not_listen_costs_nothing(call: Call) -> None:
    call.ears.listening = False
    call.peer(0.5)
    assert call.ears.take() == []
    assert not call.ears.hears_peer


def test_who_falls_silent_has_fallen_silent(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call.peer(0.5)
    call.ears.take()
    later = now_ns() + 1_100 * MS
    monkeypatch.setattr(module, "now_ns", lambda: later)
    assert not call.ears.sounding
    assert not call.ears.hears_peer


def test_an_utterance_comes_before_the_peer(call: Call) -> None:
    utterance = Utterance("u", ToneVoice().speak("one two"))
    call.speaker.say(utterance)
    until(lambda: utterance.complete)
    call.speaker.sound(now_ns())
    call.peer(0.5)
    heard = call.ears.take()
    assert heard
    assert all(sound.phones is not None for sound in heard)
    assert call.ears.sounding
    call.speaker.interrupt()
    call.peer(0.5)
    (silence,) = call.ears.take()  # the end of the utterance
    assert silence.phones is not None
    call.peer(0.5)
    assert all(sound.phones is None for sound in call.ears.take())
    call.speaker.close()
    assert call.speaker.join(5)
