"""Two uneven series of one movement go in, how late the second is comes out, with its uncertainty.

The series are laid on an even grid by linear interpolation; what is compared is their change over
100 ms, since a slow turn of the head has hardly a peak of its own; the measure is the normalized
cross-correlation, and the delay the top of the parabola through its highest value and the
neighbours. The uncertainty is the standard deviation of that estimate over a block bootstrap
(Künsch 1989): the recording is cut into pieces of two seconds, longer than a movement lasts, and
put together from randomly drawn ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from live.errors import VisavisError

_STEP_MS = 2.0
_PIECE_MS = 2000.0
_CHANGE_MS = 100.0
_DRAWS = 100
_LEAST_CORRELATION = 0.7

Array = NDArray[np.float64]


class NoDelay(VisavisError):
    """The two series do not show the same movement, so there is no delay between them."""


class Delay(NamedTuple):
    """How late the output follows."""

    ms: float
    uncertainty_ms: float
    """One standard deviation."""
    r: float
    """Correlation at that delay."""


def delay(
    times: ArrayLike,
    values: ArrayLike,
    output_times: ArrayLike,
    output_values: ArrayLike,
    *,
    between: tuple[float, float] = (-100.0, 400.0),
    seed: int = 0,
) -> Delay:
    """Times in ms on one clock, rising; raises `NoDelay` where the series do not match.

    `between`: the delays that are looked at, in ms.
    """
    lags = np.arange(between[0], between[1] + _STEP_MS / 2, _STEP_MS)
    t, x = _series(times, values)
    u, y = _series(output_times, output_values)
    start = max(t[0], u[0] - between[0]) + _CHANGE_MS / 2
    grid = np.arange(start, min(t[-1], u[-1] - between[1]) - _CHANGE_MS / 2, _STEP_MS)
    pieces = int(len(grid) * _STEP_MS / _PIECE_MS)
    if pieces < 2:
        raise NoDelay(f"a delay needs {2 * _PIECE_MS / 1000:.0f} s of movement seen on both sides")
    reference = _change(grid, t, x)
    outputs = np.stack([_change(grid + lag, u, y) for lag in lags])
    edges = np.linspace(0, len(grid), pieces + 1).astype(int)[:-1]
    sums = _Sums.of(reference, outputs, edges)
    best, r = _peak(lags, sums.correlation(np.ones(pieces)))
    if r < _LEAST_CORRELATION:
        raise NoDelay(f"what came back does not move as what was sent did (r = {r:.2f})")
    generator = np.random.default_rng(seed)
    times_drawn = generator.multinomial(pieces, np.full(pieces, 1 / pieces), _DRAWS)
    drawn = [_peak(lags, sums.correlation(counts))[0] for counts in times_drawn]
    return Delay(round(best, 1), round(float(np.std(drawn)), 1), round(r, 3))


def _change(grid: Array, times: Array, values: Array) -> Array:
    after = np.interp(grid + _CHANGE_MS / 2, times, values)
    before = np.interp(grid - _CHANGE_MS / 2, times, values)
    return np.asarray(after - before, np.float64)


class _Sums(NamedTuple):
    """What the correlation is made of, for each piece: a bootstrap only has to add them up."""

    n: Array
    x: Array
    xx: Array
    y: Array
    """This and the next two: `(lags, pieces)`."""
    yy: Array
    xy: Array

    @staticmethod
    def of(x: Array, y: Array, edges: NDArray[np.int_]) -> _Sums:
        def add(values: Array) -> Array:
            return np.asarray(np.add.reduceat(values, edges, axis=-1), np.float64)

        x, y = x - x.mean(), y - y.mean()
        return _Sums(add(np.ones_like(x)), add(x), add(x * x), add(y), add(y * y), add(y * x))

    def correlation(self, counts: NDArray[Any]) -> Array:
        """Pearson's r at each lag, every piece taken as often as `counts` says."""
        n, x, xx, y, yy, xy = (part @ counts for part in self)
        covariance = xy - x * y / n
        variances = (xx - x * x / n) * (yy - y * y / n)
        return np.asarray(covariance / np.sqrt(np.maximum(variances, 1e-12)), np.float64)


def _series(times: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    t, x = np.asarray(times, np.float64), np.asarray(values, np.float64)
    if t.shape != x.shape or t.ndim != 1 or len(t) < 2:
        raise NoDelay("a series needs a time for each value, and at least two of them")
    if not (np.isfinite(t).all() and np.isfinite(x).all() and (np.diff(t) > 0).all()):
        raise NoDelay("a series needs rising times and finite values")
    return t, x


def _peak(lags: Array, r: Array) -> tuple[float, float]:
    """The delay and the correlation at it."""
    top = int(np.argmax(r))
    if not 0 < top < len(lags) - 1:
        return float(lags[top]), float(r[top])
    before, peak, after = (float(r[top + step]) for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(lags[top] + shift * _STEP_MS), peak


def unwrapped(ticks: Sequence[int], wrap: int) -> Any:
    """Ticks that only rise, from such as begin anew at `wrap`."""
    return np.unwrap(np.asarray(ticks, np.float64), period=wrap)
