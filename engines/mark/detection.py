"""Pictures in, the mark that is in them out, and how sure that is.

A score is the correlation of everything a spectrum holds at a mark's waves with the chips that the
key and the payload say, in standard deviations. Over the choice of a key the chips are fair coins,
so by Hoeffding's inequality a picture that was not marked with the key reaches a score of z with a
probability of at most exp(−z²/2), whatever it shows. That holds for one place and one payload; all
that could be tried are counted by `_TRIED`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from engines.mark import residue, search
from engines.mark.carriers import ACROSS, DOWN, WAVES, Known, Secret, secret
from engines.mark.code import CODED_CHIPS, PAYLOAD_BYTES, chips, encode, likeliest, payload_of
from engines.mark.residue import Spectrum
from engines.mark.search import Place

_MOST_PICTURES = 75

_TRIED = math.log(2) * (8 * PAYLOAD_BYTES + search.TRIED_BITS)
"""Logarithm of how many payloads and places one key can be tried with."""
_FALSE_ALARM = 1e-7
_REFINED = 20  # places of a key that are looked at more closely
_STRONG = 7.5  # standard deviations of pilots that are decoded before others are looked at
_DECODED = 10  # … and of these that are decoded
_REFERENCE_TILE = 256.0

_RING = (np.hypot(ACROSS, DOWN) / 2).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Found:
    """A mark, and where it lay."""

    payload: bytes
    key: int
    """Which of the detector's keys."""
    score: float
    """Standard deviations of chance."""
    false_alarm: float
    """A bound of the probability that pictures without this key's mark lead to such a score."""
    scale: tuple[float, float]
    """Across and down, against a picture that was marked with a shorter side of 512 pixels."""
    mirrored: bool
    offset: tuple[float, float]
    """Pixels, right and down, from the picture's middle to the nearest corner of a tile."""
    place: Place
    """The same, exactly; for `near`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was read at one place, believable or not."""

    key: int
    """Which of the detector's keys."""
    place: Place
    values: NDArray[np.complex64]
    """`(WAVES,)`: what is there, weighted."""
    payload: bytes | None
    """`None`: the check of the likeliest one fails."""
    score: float
    """Of the likeliest payload and check, whether or not that holds."""


class Detector:
    """Looks for the marks of some keys."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Keys of `KEY_BYTES` bytes; raises `ValueError` on other sizes."""
        self._secrets = [secret(bytes(key)) for key in keys]

    def find(
        self, pictures: Iterable[NDArray[np.uint8]], near: Found | None = None
    ) -> Found | None:
        """The surest mark in pictures `(h, w, 3)` uint8 of one size that follow each other.

        Two seconds of 30 pictures each are what it is made for; at most 75 are taken, and one is
        enough where little was lost. `near`: what was found shortly before, which is tried first.
        Raises `ValueError` where there is no picture or they differ in shape.
        """
        seen = residue.seen(_checked(pictures))
        if near is not None:
            again = self._best(seen, [(near.key, near.place)])
            if again is not None:
                return again
        return self._best(seen, self._places(seen))

    def _places(self, seen: Spectrum) -> list[tuple[int, Place]]:
        pairs = search.sizes(seen)
        places: list[tuple[int, Place]] = []
        for number, one in enumerate(self._secrets):
            places += [
                (number, place) for place in search.likely(seen, pairs, one.pilots, _REFINED)
            ]
        return places

    def candidates(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[Candidate]:
        """All that `find` reads where it finds nothing, for statistics of what chance can do."""
        seen = residue.seen(_checked(pictures))
        return self._candidates(seen, self._places(seen))

    def _best(self, seen: Spectrum, places: Iterable[tuple[int, Place]]) -> Found | None:
        for candidate in self._candidates(seen, places):
            if candidate.payload is None:
                continue
            # a payload that passes its check makes all waves known, not the pilots alone
            better = self._again(seen, candidate, candidate.payload)
            if better.score >= least_score(len(self._secrets)):
                return self._found(better, candidate.payload, seen.scale)
        return None

    def _candidates(
        self, seen: Spectrum, places: Iterable[tuple[int, Place]]
    ) -> Iterator[Candidate]:
        weak: list[tuple[float, int, Place]] = []
        for number, rough in places:
            strength, place = search.refined(seen, rough, self._secrets[number].pilots)
            if strength >= _STRONG:
                yield self._candidate(seen, number, place)
            else:
                weak.append((strength, number, place))
        weak.sort(key=lambda tried: -tried[0])
        for _, number, place in weak[: _DECODED * len(self._secrets)]:
            yield self._candidate(seen, number, place)

    def _candidate(self, seen: Spectrum, number: int, place: Place) -> Candidate:
        one = self._secrets[number]
        values = _weighted(search.waves(seen, place))
        checked = likeliest(_soft(values, one))
        reached = score(values, one.chips(chips(checked)))
        return Candidate(number, place, values, payload_of(checked), reached)

    def _again(self, seen: Spectrum, candidate: Candidate, payload: bytes) -> Candidate:
        """The same payload at the place where all of its waves agree best."""
        all_chips = self._secrets[candidate.key].chips(encode(payload))
        known = Known(np.arange(WAVES), all_chips)
        _, place = search.refined(seen, candidate.place, known)
        values = _weighted(search.waves(seen, place))
        reached = score(values, all_chips)
        if reached <= candidate.score:
            return candidate
        return Candidate(candidate.key, place, values, payload, reached)

    def _found(self, candidate: Candidate, payload: bytes, scale: float) -> Found:
        place = candidate.place
        tiles = scale / abs(place.across), scale / place.down
        return Found(
            payload=payload,
            key=candidate.key,
            score=candidate.score,
            false_alarm=_false_alarm(candidate.score, len(self._secrets)),
            scale=(tiles[0] / _REFERENCE_TILE, tiles[1] / _REFERENCE_TILE),
            mirrored=place.across < 0,
            offset=(_nearest(place.right) * tiles[0], _nearest(place.below) * tiles[1]),
            place=place,
        )


def score(values: NDArray[np.complex64], chips: NDArray[np.complex64]) -> float:
    """How well `(WAVES,)` weighted values agree with chips, in standard deviations of chance."""
    spread = math.sqrt(float(np.sum(np.abs(values) ** 2)))
    return float(np.sum((values * chips.conj()).real)) / max(spread, 1e-12)


def least_score(keys: int = 1) -> float:
    """From which score on a mark is believed, where so many keys are tried."""
    return math.sqrt(2 * (math.log(keys) + _TRIED - math.log(_FALSE_ALARM)))


def _false_alarm(score: float, keys: int) -> float:
    return math.exp(min(0.0, math.log(keys) + _TRIED - score**2 / 2))


def _checked(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """At most so many, all of one shape."""
    shape: tuple[int, ...] | None = None
    for rgb in islice(pictures, _MOST_PICTURES):
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"a picture is (h, w, 3) uint8, not {rgb.shape} {rgb.dtype}")
        if shape is not None and rgb.shape != shape:
            raise ValueError(f"pictures of {shape} and {rgb.shape}: a window has one size")
        shape = rgb.shape
        yield rgb


def _weighted(values: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Waves by how much of a mark is left in their ring of frequencies: codecs take the short ones.

    The weights know the waves' strengths and nothing of their signs.
    """
    strength = np.bincount(_RING, np.abs(values) ** 2) / np.maximum(1, np.bincount(_RING))
    weights = np.sqrt(np.maximum(0.05, strength - 1) / np.maximum(0.1, strength))
    return np.asarray(values * weights[_RING], np.complex64)


def _soft(values: NDArray[np.complex64], one: Secret) -> NDArray[np.float32]:
    """`(CODED_CHIPS,)`: what all copies of each coded chip say together."""
    read = values[one.data].view(np.float32) * one.data_signs
    return np.bincount(one.places, read, CODED_CHIPS).astype(np.float32)


def _nearest(part: float) -> float:
    """−0.5…0.5 tiles for an offset in tiles."""
    return part - round(part)
