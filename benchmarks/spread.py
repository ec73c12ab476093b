"""Samples go in, what is said of them comes out: percentiles, and how sure a difference is.

Percentiles are those of the sample itself, linearly interpolated between neighbours (Hyndman and
Fan 1996, definition 7). Intervals are percentile bootstraps (Efron 1979) over whole runs, because
the frames of one run share its phase and its moment and are no independent samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_RESAMPLES = 2000


def summary(samples: ArrayLike, digits: int = 2) -> dict[str, float | int] | None:
    """`n`, p50, p95, p99 and the largest; `None` where there are no samples."""
    values = np.asarray(samples, np.float64).ravel()
    if values.size == 0:
        return None
    if not np.isfinite(values).all():
        raise ValueError("a sample is not a finite number: something was not measured")
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {
        "n": int(values.size),
        "p50": round(float(p50), digits),
        "p95": round(float(p95), digits),
        "p99": round(float(p99), digits),
        "max": round(float(values.max()), digits),
    }


def added(
    with_it: Sequence[ArrayLike], without: Sequence[ArrayLike], seed: int = 0
) -> dict[str, Any]:
    """What something adds: difference of the medians of two kinds of runs, measured in turn.

    Each element is the samples of one run. Gives the difference of the medians of all samples, the
    difference run by run, and a 95 % interval of the first: between runs where there are three or
    more of each, else `None`. Raises `ValueError` where a run is empty.
    """
    first, second = [_run(run) for run in with_it], [_run(run) for run in without]
    if not first or not second:
        raise ValueError("nothing was measured")
    interval = None
    if min(len(first), len(second)) >= 3:
        generator = np.random.default_rng(seed)
        draws = [
            _median_of(_resampled(first, generator)) - _median_of(_resampled(second, generator))
            for _ in range(_RESAMPLES)
        ]
        interval = [round(float(edge), 2) for edge in np.percentile(draws, (2.5, 97.5))]
    return {
        "median": round(_median_of(first) - _median_of(second), 2),
        "by_run": [
            round(float(np.median(one) - np.median(other)), 2)
            for one, other in zip(first, second, strict=False)
        ],
        "interval95": interval,
    }


def wilson(hits: int, trials: int) -> tuple[float, float] | None:
    """The 95 % interval of a share (Wilson 1927); `None` where nothing was tried."""
    if trials == 0:
        return None
    z = 1.959964
    weight = z * z / trials
    middle = (hits / trials + weight / 2) / (1 + weight)
    reach = (
        z
        / (1 + weight)
        * math.sqrt(hits / trials * (1 - hits / trials) / trials + weight / (4 * trials))
    )
    return round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4)


def _run(samples: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(samples, np.float64).ravel()
    if values.size == 0:
        raise ValueError("a run has no samples: nothing was measured in it")
    return values


def _resampled(runs: list[Any], generator: np.random.Generator) -> list[Any]:
    return [runs[index] for index in generator.integers(0, len(runs), len(runs))]


def _median_of(runs: list[Any]) -> float:
    return float(np.median(np.concatenate(runs)))
