"""Two seconds of pictures without the marks that are looked for, of every kind we could think of.

Rendered avatars with and without label, as drawn and after codecs and attacks; noise with a natural
spectrum, still and moving; patterns that repeat, which is what a mark looks like; pictures that are
marked with another key, which is what a mark looks like most; and others' clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import mark_subjects
from benchmarks.mark_attacks import attacks
from benchmarks.mark_codecs import RATE, Codec, Video, call
from benchmarks.mark_planes import marked, planes_of
from benchmarks.mark_trials import WINDOW_S, window
from engines.mark import KEY_BYTES, PAYLOAD_BYTES, Mark
from engines.types import Rgb

_PICTURES = round(WINDOW_S * RATE)


class Window(NamedTuple):
    """Two seconds without the marks that are looked for."""

    kind: str
    pictures: Sequence[Rgb]


def windows(count: int, clips: Sequence[Path], seed: int) -> Iterator[Window]:
    """So many windows, the kinds in turn."""
    makers = [_drawn, _coded, _attacked, _noise, _repeating, _otherwise_marked]
    subjects = mark_subjects.subjects([])
    films = [mark_subjects.Subject(file.stem, False, file=file) for file in clips]
    for number in range(count):
        generator = np.random.default_rng((seed, number))
        kind = number % (len(makers) + bool(films))
        place = number // (len(makers) + bool(films))
        if kind == len(makers):
            film = films[place % len(films)]
            pictures = mark_subjects.pictures(film, int(generator.integers(300)), _PICTURES)
            yield Window("others' clips", pictures)
        else:
            yield makers[kind](subjects[place % len(subjects)], generator)


def _filmed(subject: mark_subjects.Subject, generator: np.random.Generator) -> list[Rgb]:
    pictures = mark_subjects.pictures(subject, int(generator.integers(300)), _PICTURES)
    return [planes_of(rgb, labelled=subject.labelled).rgb for rgb in pictures]


def _drawn(subject: mark_subjects.Subject, generator: np.random.Generator) -> Window:
    return Window("avatars, as drawn", _filmed(subject, generator))


def _coded(subject: mark_subjects.Subject, generator: np.random.Generator) -> Window:
    codec = list(Codec)[generator.integers(len(Codec))]
    bitrate = 1000 * int(generator.choice([150, 300, 600, 1500]))
    video = call(Video(_filmed(subject, generator)), codec, bitrate).video
    return Window("avatars, coded", video.pictures)


def _attacked(subject: mark_subjects.Subject, generator: np.random.Generator) -> Window:
    codec = list(Codec)[generator.integers(len(Codec))]
    video = call(Video(_filmed(subject, generator)), codec, 300_000).video
    ways = list(attacks(codec).values())
    return Window(
        "avatars, attacked", window(ways[generator.integers(len(ways))](video, generator))
    )


def _noise(subject: object, generator: np.random.Generator) -> Window:
    """Amplitudes that fall with the frequency, as in photographs; still, or drifting."""
    del subject
    size = 1024
    v, u = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    amplitude = 1 / np.maximum(np.hypot(u, v), 1 / size) ** generator.uniform(0.7, 1.3)
    spectrum = amplitude[..., None] * np.fft.fft2(
        generator.normal(size=(size, size, 3)), axes=(0, 1)
    )
    field = np.fft.ifft2(spectrum, axes=(0, 1)).real
    levels = np.clip(127 + 45 * field / field.std(), 0, 255).astype(np.uint8)
    step = int(generator.integers(0, 5))
    grain = generator.uniform(0, 4)
    pictures = []
    for number in range(_PICTURES):
        left = number * step
        part = levels[:512, left : left + 512] + generator.normal(0, grain, (512, 512, 1))
        pictures.append(np.asarray(np.clip(part, 0, 255), np.uint8))
    return Window("natural noise", pictures)


def _repeating(subject: object, generator: np.random.Generator) -> Window:
    """A random tile again and again, with the sizes that the mark's tiles have, and stripes."""
    del subject
    side = int(generator.integers(40, 200))
    tile = cv2.GaussianBlur(generator.normal(size=(side, side)), (0, 0), generator.uniform(0.7, 3))
    whole = np.tile(tile / tile.std(), (512 // side + 1, 512 // side + 1))[:512, :512]
    across, down = generator.uniform(0.05, 1.5, 2)
    y, x = np.mgrid[:512, :512]
    stripes = np.sign(np.sin(across * x) + np.sin(down * y))
    levels = 128 + generator.uniform(2, 30) * whole + generator.uniform(0, 30) * stripes
    picture = np.asarray(np.clip(levels, 0, 255), np.uint8)
    return Window("repeating patterns", [np.repeat(picture[..., None], 3, axis=2)] * _PICTURES)


def _otherwise_marked(subject: mark_subjects.Subject, generator: np.random.Generator) -> Window:
    marking = Mark(generator.bytes(KEY_BYTES), generator.bytes(PAYLOAD_BYTES))
    pictures = [marked(rgb, marking) for rgb in _filmed(subject, generator)]
    if generator.random() < 0.5:
        pictures = list(call(Video(pictures), Codec.H264, 600_000).video.pictures)
    return Window("marked by another key", pictures)
