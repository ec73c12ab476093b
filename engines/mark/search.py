"""A whitened spectrum in, the scales and offsets at which a key's mark may lie in it out.

First without a key: a tiled mark has its waves on a grid of frequencies, so for each pair of tile
sizes the strength found on their grid tells whether anything is there (what the autocorrelation of
a tiled mark tells, Kalker et al. 1999). Then with it: at the strongest, a Fourier transform of
spectrum times pilots gives the correlation at all offsets within a tile at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.mark.carriers import ACROSS, DOWN, Secret
from engines.mark.residue import Spectrum

_SHORTEST, _LONGEST = 40.0, 400.0
"""The tile's side in a picture that is looked at, in pixels."""
_UNEQUAL = 1.07  # how much more a picture is stretched in one direction than in the other
_DRIFT = 0.5
"""Periods by which a coarse wave may be off, from one side of the picture to the other, between two
neighbouring hypotheses."""
_COARSE = 14.0  # periods in a tile, of the shortest wave that the coarse search looks at
_LOUDEST = 8.0  # times the mean; a line of the picture itself should not outweigh all waves
_GRID = 64  # offsets tried in each direction of a tile
_KEPT = 24  # pairs of tile sizes whose offsets are tried

_FINER = (0.6, 0.4, 0.25, 0.15)
"""Steps of the search around a place, as shares of a coarse one."""

_LOW = np.hypot(ACROSS, DOWN) <= _COARSE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mark's tiles lie in a picture."""

    across: float
    """Tiles a pixel, from left to right (negative where the picture is mirrored)."""
    down: float
    right: float
    """Offset of a tile's origin from the picture's middle, in tiles: 0…1."""
    below: float

    def waves(self, spectrum: Spectrum) -> NDArray[np.complex64]:
        """`(WAVES,)`: what the spectrum holds where this mark's waves are, turned by the offset."""
        turn = np.exp(2j * np.pi * (ACROSS * self.right + DOWN * self.below))
        return np.asarray(at(spectrum, self.across, self.down) * turn, np.complex64)


def at(spectrum: Spectrum, across: float, down: float) -> NDArray[np.complex64]:
    """`(WAVES,)`: the spectrum at the waves of tiles of one size."""
    size = spectrum.size
    column = np.rint(ACROSS * (across * size)).astype(np.int64) % size
    row = np.rint(DOWN * (down * size)).astype(np.int64) % size
    there = (np.abs(ACROSS * across) < 0.5) & (DOWN * down < 0.5)
    return np.where(there, spectrum.values[row, column], np.complex64(0))


def sizes(spectrum: Spectrum) -> NDArray[np.float64]:
    """`(n, 2)`: tiles a pixel, across and down, the likeliest first."""
    across = _steps(spectrum.width)
    down = _steps(spectrum.height)
    one, other = np.nonzero(np.abs(np.log(across[:, None] / down)) <= np.log(_UNEQUAL))
    pairs = np.stack([across[one], down[other]], 1)
    strength = np.minimum(np.abs(spectrum.values) ** 2, _LOUDEST).astype(np.float32)
    size = spectrum.size
    found = np.zeros(len(pairs), np.float32)
    counted = np.zeros(len(pairs), np.float32)
    columns = {k: np.rint(k * across * size).astype(np.int64) for k in np.unique(ACROSS[_LOW])}
    rows = {k: np.rint(k * down * size).astype(np.int64) for k in np.unique(DOWN[_LOW])}
    for k, m in zip(ACROSS[_LOW], DOWN[_LOW], strict=True):
        column, row = columns[k][one], rows[m][other]
        seen = (np.abs(column) < size // 2) & (row < size // 2)
        found += np.where(seen, strength[row % size, column % size] - 1, 0)
        counted += seen
    order = np.argsort(-found / np.sqrt(counted + 1), kind="stable")
    return np.asarray(pairs[order[:_KEPT]])


def offsets(
    spectrum: Spectrum, pair: NDArray[np.float64], secret: Secret, mirrored: bool
) -> tuple[float, Place]:
    """The best offset for one pair of tile sizes: its correlation in standard deviations."""
    across = -pair[0] if mirrored else pair[0]
    values = at(spectrum, across, pair[1])[secret.pilots]
    grid = np.zeros((_GRID, _GRID), np.complex64)
    grid[DOWN[secret.pilots], ACROSS[secret.pilots]] = values * secret.pilot_chips.conj()
    correlation = np.fft.ifft2(grid).real
    below, right = np.unravel_index(int(correlation.argmax()), correlation.shape)
    spread = np.sqrt(np.sum(np.abs(values) ** 2)) / _GRID**2
    score = float(correlation[below, right] / max(spread, 1e-12))
    return score, Place(float(across), float(pair[1]), int(right) / _GRID, int(below) / _GRID)


def refined(spectrum: Spectrum, place: Place, secret: Secret) -> Place:
    """The same place more exactly, by all pilots."""
    step_across = _DRIFT / (_COARSE * spectrum.width)
    step_down = _DRIFT / (_COARSE * spectrum.height)
    for finer in _FINER:
        tried = [
            offsets(
                spectrum,
                np.array([abs(place.across) + i * step_across, place.down + j * step_down]),
                secret,
                place.across < 0,
            )
            for i in (-finer, 0, finer)
            for j in (-finer, 0, finer)
        ]
        place = max(tried, key=lambda scored: scored[0])[1]
    return _centred(spectrum, place, secret)


def _centred(spectrum: Spectrum, place: Place, secret: Secret) -> Place:
    """The same place with its offset between the grid's."""
    values = at(spectrum, place.across, place.down)[secret.pilots] * secret.pilot_chips.conj()
    across, down = ACROSS[secret.pilots], DOWN[secret.pilots]
    shifts = np.arange(-3, 4) / (4 * _GRID)
    rights = np.exp(2j * np.pi * np.outer(place.right + shifts, across))
    belows = np.exp(2j * np.pi * np.outer(place.below + shifts, down))
    scores = np.einsum("jw,iw,w->ji", belows, rights, values).real
    j, i = np.unravel_index(int(scores.argmax()), scores.shape)
    return Place(
        place.across, place.down, float(place.right + shifts[i]), float(place.below + shifts[j])
    )


def _steps(length: int) -> NDArray[np.float64]:
    """Tiles a pixel that are tried along a side of `length` pixels."""
    least = 1 / min(_LONGEST, length)
    return np.arange(least, 1 / _SHORTEST, _DRIFT / (_COARSE * length))
