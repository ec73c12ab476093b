"""A key in; out come the waves that carry a mark, what each of them means, and the tile they make.

The mark of a picture is one tile repeated over it: a sum of plane waves whose numbers of periods in
the tile, `across` and `down`, are whole. Each wave carries two chips, ±1: one on its cosine, one on
its sine. Scaling, cropping and mirroring a picture move all its waves together, which is what a
detector searches for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.mark.code import CODED_CHIPS

KEY_BYTES = 32

LOWEST, HIGHEST = 4.6, 16.0
"""Periods in a tile: waves of 16 to 56 pixels at 512 × 512.

A codec short of bits keeps little of a smooth wall but the means of its blocks of 8 and 16 pixels,
so shorter waves are gone after a keyframe; longer ones drown in the picture's own shading.
"""
_FROM_AXIS = 2  # upright and level waves are what codecs' block edges and shirts' seams look like
_PILOT_SHARE = 0.2
_SMALLEST_TILE, _LARGEST_TILE = 96, 512
_TILES = 2


def _half_plane() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each wave once: a real picture's other half says the same."""
    most = int(HIGHEST)
    down, across = np.mgrid[1 : most + 1, -most : most + 1]
    radius = np.hypot(across, down)
    taken = (radius >= LOWEST) & (radius <= HIGHEST)
    taken &= (np.abs(across) >= _FROM_AXIS) & (down >= _FROM_AXIS)
    return across[taken], down[taken]


ACROSS, DOWN = _half_plane()
"""`(WAVES,)` each: periods in a tile from left to right and from top to bottom."""
WAVES = len(ACROSS)
PILOTS = round(_PILOT_SHARE * WAVES)


@dataclass(frozen=True, slots=True)
class Known:
    """Waves whose chips are known, by which a mark's place is found."""

    numbers: NDArray[np.int64]
    """`(n,)` of the waves."""
    chips: NDArray[np.complex64]
    """`(n,)`: what each of them carries, ±1 ± i."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a key decides: nobody without it can tell a mark from noise, or write one."""

    pilots: Known
    """`PILOTS` waves that are the same for every payload."""
    data: NDArray[np.int64]
    """`(WAVES − PILOTS,)` numbers of the waves that carry the payload."""
    data_signs: NDArray[np.float32]
    """`(2 · (WAVES − PILOTS),)` ±1, by which their chips are turned."""
    places: NDArray[np.int64]
    """`(2 · (WAVES − PILOTS),)`: which coded chip each of them is."""

    def chips(self, coded: NDArray[np.float32]) -> NDArray[np.complex64]:
        """`(WAVES,)` ±1 ± i of all waves for `(CODED_CHIPS,)` coded chips."""
        all_chips = np.empty(WAVES, np.complex64)
        all_chips[self.pilots.numbers] = self.pilots.chips
        all_chips[self.data] = (coded[self.places] * self.data_signs).view(np.complex64)
        return all_chips


def secret(key: bytes) -> Secret:
    """What a key of `KEY_BYTES` bytes decides; raises `ValueError` on another size."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a mark's key has {KEY_BYTES} bytes, not {len(key)}")
    order = np.argsort(_stream(key, b"waves", WAVES), kind="stable")
    pilots, data = np.sort(order[:PILOTS]), np.sort(order[PILOTS:])
    signs = _signs(key, b"pilots", 2 * PILOTS)
    dimensions = 2 * len(data)
    turns = np.argsort(_stream(key, b"places", dimensions), kind="stable")
    places = np.empty(dimensions, np.int64)
    places[turns] = np.arange(dimensions) % CODED_CHIPS
    known = Known(pilots, signs.view(np.complex64))
    return Secret(known, data, _signs(key, b"data", dimensions), places)


def tile_size(height: int, width: int) -> int:
    """The tile's side in pixels for pictures of one size.

    A fixed share of the picture, so that a viewer who gets another size sees the same; within what
    codecs keep and eyes do not see.
    """
    share = round(min(height, width) / _TILES)
    return min(_LARGEST_TILE, max(_SMALLEST_TILE, share))


def tile(chips: NDArray[np.complex64], size: int) -> NDArray[np.float32]:
    """`(size, size)` of mean 0 and mean square 1 that carries `(WAVES,)` chips ±1 ± i."""
    spectrum = np.zeros((size, size), np.complex64)
    spectrum[DOWN, ACROSS] = chips
    spectrum[-DOWN, -ACROSS] = chips.conj()
    # each wave has amplitude √2 · 2 and so mean square 4
    return np.asarray(np.fft.ifft2(spectrum).real * (size**2 / np.sqrt(4 * WAVES)), np.float32)


def _stream(key: bytes, use: bytes, numbers: int) -> NDArray[np.uint64]:
    """Random 64-bit numbers that only the key and `use` decide."""
    data = hashlib.shake_256(b"visavis-mark-1\0" + use + b"\0" + key).digest(8 * numbers)
    return np.frombuffer(data, "<u8")


def _signs(key: bytes, use: bytes, numbers: int) -> NDArray[np.float32]:
    high = _stream(key, use, numbers) >> np.uint64(63)
    return np.where(high, np.float32(1), np.float32(-1))
