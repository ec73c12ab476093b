"""The network as it is shipped: what it takes, what it costs, and that it hears."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import engines
from engines.articulation import CURVES
from engines.log_mel import HOP, RATE, LogMel, log_mel
from engines.nets.speech.corpus import labels
from engines.nets.speech.listening import Exported
from engines.nets.speech.measure import score, shown
from engines.phones import PHONES
from engines.voices.hibari import HibariVoice

Said = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Sound, and what is said in it."""
MODEL = Path(engines.__file__).parent / "models" / "speech.onnx"
SENTENCE = "Bob may pick up a map, but Emma must not be bumped by people who stop behind her."


@pytest.fixture(scope="module")
def network() -> Exported:
    return Exported(MODEL)


@pytest.fixture(scope="module")
def sentence() -> Said:
    speech = list(HibariVoice().speak(SENTENCE))
    assert len(speech) == 1
    assert speech[0].phones is not None
    given = speech[0].samples
    count = len(given) * RATE // speech[0].rate
    spectrum = np.fft.rfft(given)[: count // 2 + 1]
    samples = np.fft.irfft(spectrum, count) * (count / len(given))
    return samples.astype(np.float32), labels(speech[0].phones, count // HOP)


def noise(seconds: float, level: float, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, int(seconds * RATE)).astype(np.float32)


def test_file_is_small_and_says_what_it_is(network: Exported) -> None:
    assert MODEL.stat().st_size <= 2 * 1024 * 1024
    metadata = network.metadata
    assert int(metadata["look_ahead_frames"]) == network.look_ahead <= 3
    assert tuple(json.loads(metadata["curves"])) == CURVES
    assert tuple(json.loads(metadata["phones"])) == PHONES
    assert metadata["version"]


def test_card_is_of_this_file() -> None:
    card = json.loads(MODEL.with_suffix(".json").read_text("utf-8"))
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert card["sha256"] == digest
    papers = Path(engines.__file__).parents[1] / "docs" / "models.md"
    assert digest in papers.read_text("utf-8")


def test_signature(network: Exported) -> None:
    phones, curves = network.push(log_mel(noise(0.1, 0.1)))
    assert phones.shape == (10, len(PHONES))
    assert curves.shape == (10, len(CURVES))
    np.testing.assert_allclose(np.exp(phones).sum(1), 1, atol=1e-4)
    assert curves.min() >= 0
    assert curves.max() <= 1


def test_a_stream_is_heard_as_the_whole_is(network: Exported) -> None:
    sound = noise(2, 0.05) * np.repeat([0, 1, 0.2, 2], RATE // 2)
    network.reset()
    whole = network.push(log_mel(sound))
    network.reset()
    mel = LogMel()
    packets = np.split(sound, range(400, len(sound), 320))
    pieces = [network.push(mel.push(packet)) for packet in packets]
    for streamed, at_once in zip(zip(*pieces, strict=True), whole, strict=True):
        rows = np.concatenate(streamed)
        np.testing.assert_allclose(rows, at_once[: len(rows)], atol=2e-3)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(3 * RATE, np.float32),
        np.full(3 * RATE, 0.03, np.float32),
        noise(3, 0.003),
        noise(3, 0.1),
        np.cumsum(noise(3, 0.002)).astype(np.float32) * 0.1,
        (0.2 * np.sin(2 * np.pi * 50 * np.arange(3 * RATE) / RATE)).astype(np.float32),
    ],
    ids=["silence", "offset", "hiss", "loud hiss", "rumble", "hum"],
)
def test_nothing_moves_where_nobody_speaks(network: Exported, sound: NDArray[np.float32]) -> None:
    heard = network.hear(log_mel(sound))
    settled = slice(30, None)  # the first frames hear the sound switched on
    assert np.mean(heard.phones[settled].argmax(1) == 0) > 0.97
    assert np.mean(heard.curves[settled, CURVES.index("jawOpen")] > 0.1) < 0.03


def test_closed_lips_are_heard(network: Exported, sentence: Said) -> None:
    samples, said = sentence
    figures = score([shown(network.hear(log_mel(samples)).phones, said)], range(-4, 5))
    assert figures.closure_recall > 0.7
    assert figures.closure_f1 > 0.6
    assert figures.acc15 > 0.5
    assert figures.jaw_r > 0.75


def test_a_voice_of_a_hundredth_the_level_is_heard_the_same(
    network: Exported, sentence: Said
) -> None:
    samples, said = sentence
    usual, quiet = (
        score([shown(network.hear(log_mel(samples * gain)).phones, said)], range(-4, 5))
        for gain in (1, 0.1)
    )
    assert quiet.acc15 > usual.acc15 - 0.08


def test_listening_is_cheap(network: Exported) -> None:
    """At most 0.3 ms per 20 ms of sound on a machine of its own; five times that is a defect."""
    mel, sound = LogMel(), noise(0.02, 0.1)
    costs = []
    mel.push(noise(0.02, 0.1))
    for _ in range(200):
        begun = time.thread_time()
        network.push(mel.push(sound))
        costs.append(time.thread_time() - begun)
    assert np.median(costs) < 5 * 0.3e-3
