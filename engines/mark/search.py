"""A whitened spectrum in, the scales and offsets at which a key's mark may lie in it out.

First without a key: a tiled mark has its waves on a grid of frequencies, so for each pair of tile
sizes the strength found on their grid tells whether anything is there (what the autocorrelation of
a tiled mark tells, Kalker et al. 1999). Then with it: at the strongest, a Fourier transform of
spectrum times pilots gives the correlation at all offsets within a tile at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.mark.carriers import ACROSS, DOWN, HIGHEST, Known
from engines.mark.residue import Spectrum

_SHORTEST, _LONGEST = 48.0, 768.0
"""The tile's side in a picture that is looked at, in pixels."""
_UNEQUAL = 1.07  # how much more a picture is stretched in one direction than in the other
_DRIFT = 0.5
"""Periods by which the shortest wave of one hypothesis about a tile's size and that of the next
differ, from one side of the picture to the other."""
_LOUDEST = 8.0  # times the mean; a line of the picture itself should not outweigh all waves
_GRID = 48  # offsets tried in each direction of a tile
_KEPT = 600  # pairs of tile sizes whose offsets are tried

_FINER = (0.5, 0.25, 0.125)
"""Steps of the search around a place, as shares of a coarse one."""
_REACH = 1.1  # coarse steps within which refining two places leads to the same
_SAME_OFFSET = 1.5 / _GRID
_BETWEEN = 8  # offsets tried between two of the grid

TRIED_BITS = 40
"""Binary logarithm of the greatest number of places that a picture of 1024 × 1024 has for one key:
31,000 pairs of tile sizes, each with 8 × 8 finer ones, (8 · 48)² offsets, mirrored or not."""

_MOST = int(DOWN.max())
_HARMONICS = np.arange(-_MOST, _MOST + 1)
_RIDGE = 0.05
_SAMPLES = 3.5  # of a period of the shortest wave


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mark's tiles lie in a picture."""

    across: float
    """Tiles a pixel, from left to right (negative where the picture is mirrored)."""
    down: float
    right: float
    """Offset of a tile's origin from the picture's middle, in tiles: 0…1."""
    below: float


def _at(spectrum: Spectrum, across: float, down: float) -> NDArray[np.complex64]:
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
    columns = {k: np.rint(k * across * size).astype(np.int64) for k in np.unique(ACROSS)}
    rows = {k: np.rint(k * down * size).astype(np.int64) for k in np.unique(DOWN)}
    for k, m in zip(ACROSS, DOWN, strict=True):
        column, row = columns[k][one], rows[m][other]
        seen = (np.abs(column) < size // 2) & (row < size // 2)
        found += np.where(seen, strength[row % size, column % size] - 1, 0)
        counted += seen
    order = np.argsort(-found / np.sqrt(counted + 1), kind="stable")
    return np.asarray(pairs[order[:_KEPT]])


def likely(spectrum: Spectrum, pairs: NDArray[np.float64], known: Known, count: int) -> list[Place]:
    """The `count` places with the strongest pilots, `known`, and no neighbours among them."""
    tried = [
        _offset(spectrum, pair, known, mirrored) for pair in pairs for mirrored in (False, True)
    ]
    tried.sort(key=lambda scored: -scored[0])
    steps = _step(spectrum.width), _step(spectrum.height)
    chosen: list[Place] = []
    for _, place in tried:
        if not any(_neighbours(place, other, steps) for other in chosen):
            chosen.append(place)
            if len(chosen) == count:
                break
    return chosen


def _offset(
    spectrum: Spectrum, pair: NDArray[np.float64], known: Known, mirrored: bool
) -> tuple[float, Place]:
    """The best offset for one pair of tile sizes: its correlation in standard deviations."""
    across = -pair[0] if mirrored else pair[0]
    values = _at(spectrum, across, pair[1])[known.numbers]
    score, right, below = _best_offset(values, known)
    return score, Place(float(across), float(pair[1]), right, below)


def _neighbours(one: Place, other: Place, steps: tuple[float, float]) -> bool:
    """Whether refining the one would find what refining the other finds."""
    return (
        abs(one.across - other.across) < _REACH * steps[0]
        and abs(one.down - other.down) < _REACH * steps[1]
        and _apart(one.right, other.right) < _SAME_OFFSET
        and _apart(one.below, other.below) < _SAME_OFFSET
    )


def _apart(one: float, other: float) -> float:
    """Tiles between two offsets."""
    return abs((one - other + 0.5) % 1.0 - 0.5)


def refined(spectrum: Spectrum, place: Place, known: Known) -> tuple[float, Place]:
    """The same place more exactly, and what is known there, in standard deviations of chance."""
    across, down = place.across, place.down
    one, other = _step(spectrum.width), _step(spectrum.height)
    grid = spectrum.reduced(_reduction(place))
    best = (-math.inf, place)
    for step in _FINER:
        columns = [_analysis(grid.across, across + i * step * one) for i in (-1, 0, 1)]
        rows = [_analysis(grid.down, down + j * step * other) for j in (-1, 0, 1)]
        for column in columns:
            halfway = grid.values @ column.matrix.T
            for row in rows:
                found = (row.matrix[_MOST + 1 :] @ halfway)[DOWN - 1, ACROSS + _MOST]
                score, right, below = _best_offset(found[known.numbers], known)
                if score > best[0]:
                    best = score, Place(column.tiles, row.tiles, right, below)
        across, down = best[1].across, best[1].down
    return best[0], _centred(spectrum, best[1], known)


def waves(spectrum: Spectrum, place: Place) -> NDArray[np.complex64]:
    """`(WAVES,)`: the waves of a mark at this place, turned by its offset.

    By least squares: over less than many whole tiles waves are not orthogonal, and each would hear
    its neighbours.
    """
    grid = spectrum.reduced(_reduction(place))
    across = _analysis(grid.across, place.across).matrix
    down = _analysis(grid.down, place.down).matrix[_MOST + 1 :]
    found = down @ (grid.values @ across.T)
    turn = np.exp(2j * np.pi * (ACROSS * place.right + DOWN * place.below))
    return np.asarray(found[DOWN - 1, ACROSS + _MOST] * turn, np.complex64)


@dataclass(frozen=True, slots=True)
class _Analysis:
    """What takes the samples of a line to its harmonics −_MOST … _MOST."""

    tiles: float
    """A pixel."""
    matrix: NDArray[np.complex64]
    """`(2 · _MOST + 1, length)`."""


def _analysis(places: NDArray[np.float64], tiles: float) -> _Analysis:
    harmonics = np.exp(2j * np.pi * np.outer(_HARMONICS, places * tiles)).astype(np.complex64)
    gram = (harmonics.conj() @ harmonics.T) / np.float32(len(places))
    gram.flat[:: len(gram) + 1] += _RIDGE
    # the inverse of so small a matrix is quicker than solving for hundreds of columns
    matrix = np.linalg.inv(gram) @ (harmonics.conj() / np.float32(len(places)))
    return _Analysis(tiles, matrix)


def _reduction(place: Place) -> int:
    """By what a picture can be reduced without losing the shortest wave."""
    shortest = 1 / (_MOST * max(abs(place.across), place.down))
    return max(1, int(shortest / _SAMPLES))


def _best_offset(values: NDArray[np.complex64], known: Known) -> tuple[float, float, float]:
    """The correlation, in standard deviations, at the best offset in tiles, right and below."""
    grid = np.zeros((_GRID, _GRID), np.complex64)
    grid[DOWN[known.numbers], ACROSS[known.numbers]] = values * known.chips.conj()
    correlation = np.fft.ifft2(grid).real
    below, right = np.unravel_index(int(correlation.argmax()), correlation.shape)
    spread = math.sqrt(float(np.sum(np.abs(values) ** 2))) / _GRID**2
    score = float(correlation[below, right]) / max(spread, 1e-12)
    return score, int(right) / _GRID, int(below) / _GRID


def _centred(spectrum: Spectrum, place: Place, known: Known) -> Place:
    """The same place with its offset between the grid's."""
    values = waves(spectrum, place)[known.numbers] * known.chips.conj()
    across, down = ACROSS[known.numbers], DOWN[known.numbers]
    shifts = np.arange(-_BETWEEN // 2, _BETWEEN // 2 + 1) / (_BETWEEN * _GRID)
    rights = np.exp(2j * np.pi * np.outer(shifts, across))
    belows = np.exp(2j * np.pi * np.outer(shifts, down))
    scores = np.einsum("jw,iw,w->ji", belows, rights, values).real
    j, i = np.unravel_index(int(scores.argmax()), scores.shape)
    return Place(
        place.across, place.down, float(place.right + shifts[i]), float(place.below + shifts[j])
    )


def _step(length: int) -> float:
    """Tiles a pixel between two hypotheses about a side of `length` pixels."""
    return _DRIFT / (HIGHEST * length)


def _steps(length: int) -> NDArray[np.float64]:
    """Tiles a pixel that are tried along a side of `length` pixels."""
    return np.arange(1 / min(_LONGEST, length), 1 / _SHORTEST, _step(length))
