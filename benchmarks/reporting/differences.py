"""Two sets of runs in, their difference out, with how sure it is.

A run is a call, a round or a block of pictures: whatever shares one moment and one phase. Runs are
resampled, not their pictures (percentile bootstrap, Efron 1979). Of a few runs that interval is too
narrow (of three it misses the truth one time in four), so it is widened to Welch's (1947) over the
runs' own figures, which is not. Shares of trials: Newcombe's (1998) hybrid score interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.spread import wilson

Better = Literal["lower", "higher"]

_RESAMPLES = 2000
_LEAST_RUNS = 3
_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
"""Student's 97.5 % points for 1, 2, … degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that a record says: of single runs, of trials, or as one number."""

    name: str
    unit: str
    better: Better
    runs: Sequence[float] = ()
    """The figure of each run; empty where the record does not tell them apart."""
    whole: float | None = None
    """Of all runs together; `None`: their mean."""
    trials: int = 0
    """Of which `whole` is the share that came out well."""

    @property
    def value(self) -> float:
        """What is said of all of it."""
        return float(np.mean(self.runs)) if self.whole is None else self.whole


@dataclass(frozen=True, slots=True)
class Difference:
    """A newer figure less the older one."""

    benchmark: str
    name: str
    unit: str
    better: Better
    before: float
    after: float
    interval: tuple[float, float] | None
    """95 %; `None`: nothing is known of the noise."""

    @property
    def is_shown(self) -> bool:
        """Whether it is beyond the noise."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    @property
    def is_worse(self) -> bool:
        """Whether it is, and to the worse."""
        return self.is_shown and (self.after > self.before) == (self.better == "lower")


def between(benchmark: str, older: Figure, newer: Figure) -> Difference:
    """The difference of two figures of the same name."""
    interval: tuple[float, float] | None = None
    if older.trials and newer.trials:
        interval = _of_shares(older, newer)
    elif min(len(older.runs), len(newer.runs)) >= _LEAST_RUNS:
        interval = _of_runs(older.runs, newer.runs, newer.value - older.value)
    return Difference(
        benchmark, newer.name, newer.unit, newer.better, older.value, newer.value, interval
    )


def _of_runs(older: Sequence[float], newer: Sequence[float], apart: float) -> tuple[float, float]:
    first, second = np.asarray(older, np.float64), np.asarray(newer, np.float64)
    generator = np.random.default_rng(0)
    draws = _means(second, generator) - _means(first, generator)
    low, high = np.percentile(draws - draws.mean(), (2.5, 97.5))
    errors = [runs.var(ddof=1) / len(runs) for runs in (first, second)]
    freedom = sum(errors) ** 2 / max(
        sum(error**2 / (len(r) - 1) for error, r in zip(errors, (first, second), strict=True)),
        1e-300,
    )
    reach = _t95(freedom) * math.sqrt(sum(errors))
    return apart + min(float(low), -reach), apart + max(float(high), reach)


def _means(runs: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    drawn = runs[generator.integers(0, len(runs), (_RESAMPLES, len(runs)))]
    return np.asarray(drawn.mean(axis=1), np.float64)


def _t95(freedom: float) -> float:
    whole = max(1, math.floor(freedom))
    # Beyond the table 1.96 (1 + 1.2 / n) is off by less than a hundredth (and not to the low side).
    return _T95[whole - 1] if whole <= len(_T95) else 1.96 * (1 + 1.25 / whole)


def _of_shares(older: Figure, newer: Figure) -> tuple[float, float]:
    first, second = older.value, newer.value
    low_1, high_1 = _wilson(first, older.trials)
    low_2, high_2 = _wilson(second, newer.trials)
    apart = second - first
    return (
        apart - math.hypot(second - low_2, high_1 - first),
        apart + math.hypot(high_2 - second, first - low_1),
    )


def _wilson(share: float, trials: int) -> tuple[float, float]:
    found = wilson(round(share * trials), trials)
    assert found is not None
    return found
