from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from engines.drivers.speech import SpeechDriver
from engines.sound_file import read_sound
from engines.types import Face, Motion, Phone, Portrait, Sound, Space, Speech
from live.disclosure import Label
from live.errors import UnusableSound
from live.offline.spoken import Recording, joined, render_spoken
from live.pipeline import Pipeline
from tests.consents import permitted
from tests.fakes import stamp
from tests.test_offline import SQUARE, BarRenderer, BrightnessTracker

RATE = 24_000
SECOND = 1_000_000_000
BEFORE_S, AFTER_S = 0.5, 0.8


def tone(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


SAID = Recording(
    tone(1.0),
    RATE,
    (
        Phone("SIL", 0, SECOND // 10),
        Phone("B", SECOND // 10, SECOND // 5),
        Phone("AA", SECOND // 5, SECOND, stressed=True),
    ),
)


class Listener:
    """A driver that keeps what it hears."""

    space = Space.MESH478

    def __init__(self) -> None:
        self.heard: list[tuple[int, Sound]] = []

    def calibrate(self) -> None: ...

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        assert face is None
        assert pts_ns is not None
        self.heard.extend((pts_ns, sound) for sound in sounds)
        return [Motion.neutral(pts_ns)]


def pipeline(driver: Listener | SpeechDriver) -> Pipeline:
    renderer = BarRenderer()
    avatar = renderer.prepare(Portrait(np.zeros((4, 4, 3), np.uint8), ()), id="bar", consent="")
    return Pipeline(BrightnessTracker(), driver, renderer, permitted(avatar), stamp(Label()))


def test_stretches_become_one_recording() -> None:
    stretch = Speech(tone(0.5), RATE, (Phone("AA", 0, SECOND // 2),), "Ah.")
    whole = joined([stretch, stretch])
    assert len(whole.samples) == RATE
    assert whole.phones is not None
    assert [one.start_ns for one in whole.phones] == [0, SECOND // 2]
    untold = Speech(tone(0.5), RATE, None, "Ah.")
    assert joined([stretch, untold]).phones is None


def test_the_driver_hears_all_of_it_once_and_ahead_of_its_time(tmp_path: Path) -> None:
    driver = Listener()
    frames = render_spoken(SAID, tmp_path / "out.mp4", pipeline(driver), SQUARE)
    assert frames == round(30 * (1.0 + BEFORE_S + AFTER_S))
    begins = [sound.pts_ns for _, sound in driver.heard]
    assert begins[0] == round(BEFORE_S * SECOND)
    assert sum(len(sound.samples) for _, sound in driver.heard) == pytest.approx(16_000, abs=40)
    for (_, one), (_, following) in zip(driver.heard, driver.heard[1:], strict=False):
        assert one.pts_ns + len(one.samples) * SECOND // 16_000 == pytest.approx(
            following.pts_ns, abs=100_000
        )
    assert all(pts_ns < sound.pts_ns + SECOND for pts_ns, sound in driver.heard)
    phones = {phone for _, sound in driver.heard for phone in sound.phones or ()}
    assert {(one.name, one.start_ns) for one in phones} >= {("AA", round(0.7 * SECOND))}


def test_picture_and_sound_of_the_film_belong_together(tmp_path: Path) -> None:
    out, motions = tmp_path / "out.mp4", tmp_path / "motions.jsonl"
    told: list[tuple[int, int | None]] = []
    render_spoken(
        SAID,
        out,
        pipeline(SpeechDriver(seed=1, liveliness=0.0)),
        SQUARE,
        motions=motions,
        progress=lambda done, total: told.append((done, total)),
    )
    jaw = np.array(
        [json.loads(line)["expression"][14][1] for line in motions.read_text().splitlines()]
    )
    assert told[-1] == (len(jaw), len(jaw))
    assert jaw[18:21].max() < 0.3 * jaw.max()  # shut at the B, after 0.6 s
    assert jaw[24:40].min() > 0.5 * jaw.max()  # open at the AA, from 0.7 s to 1.5 s
    assert jaw[-10:].max() < 0.1 * jaw.max()
    with av.open(str(out)) as film:
        frames = [frame.to_ndarray() for frame in film.decode(audio=0)]
    sound = np.concatenate(frames, axis=1)[0]
    loud = np.flatnonzero(np.abs(sound) > 0.1)
    assert loud[0] / 48_000 == pytest.approx(BEFORE_S, abs=0.03)
    assert loud[-1] / 48_000 == pytest.approx(1.0 + BEFORE_S, abs=0.03)


def test_no_sound_no_film(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(UnusableSound, match="no sound"):
        render_spoken(Recording(np.zeros(0, np.float32), RATE), out, pipeline(Listener()), SQUARE)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UnusableSound):
        read_sound(b"RIFF")
