"""Whether two ways to run a network agree: trials of a reference and another way in, errors out.

An error means something only beside how much the outputs answer to the inputs at all: a network
whose picture is always grey agrees with anything. So tolerances are shares of the outputs'
*spread*, the mean absolute difference of the reference's outputs for different inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Run = Callable[..., Sequence[NDArray[Any]]]
"""Takes arrays in the order of a network's inputs, gives those of its outputs."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest errors that pass, as shares of the spread."""

    mean: float
    max: float
    levels: float = 0.0
    """What a picture may be off beyond that on average, in levels of 255: nobody sees it."""


TOLERANCES: Mapping[str, Tolerance] = {
    "fp32": Tolerance(mean=0.002, max=1.0),
    "fp16": Tolerance(mean=0.03, max=10.0, levels=1.0),
}
"""By precision."""
_ROUNDING = 2e-6
"""What float32 itself may cost, as a share of the largest value: a few units in the last place."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Inputs, and what the reference made of them."""

    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far the output that came off worst was from the reference's.

    Absolute differences; those of pictures are in levels of 255.
    """

    output: str
    max: float
    mean: float
    spread: float
    magnitude: float
    """The largest absolute value of the reference's."""
    picture: bool
    """Whether the output is in levels of 255."""

    @property
    def badness(self) -> tuple[float, float]:
        """The mean error and the largest as shares of the spread: the smaller, the better."""
        if self.spread == 0:
            return (np.inf, np.inf)
        return (self.mean / self.spread, self.max / self.spread)

    def within(self, tolerance: Tolerance) -> bool:
        """Whether it passes; an output that answers to no input never does."""
        rounding = _ROUNDING * self.magnitude
        unseen = tolerance.levels if self.picture else 0.0
        return (
            self.spread > 0
            and self.mean <= tolerance.mean * self.spread + rounding + unseen
            and self.max <= tolerance.max * self.spread + rounding
        )


def trials(reference: Run, inputs: Iterable[Sequence[NDArray[Any]]]) -> list[Trial]:
    """Runs the reference; two trials at least are needed to know a spread."""
    return [Trial(tuple(given), tuple(reference(*given))) for given in inputs]


def deviation(run: Run, against: Sequence[Trial], names: Iterable[str]) -> Deviation:
    """Runs `run` on the trials' inputs; `names`: of the outputs, in order.

    Raises `ValueError` where outputs are of another number, shape or kind than the reference's.
    """
    outputs = [tuple(run(*trial.inputs)) for trial in against]
    found = [
        _deviation(name, [each[i] for each in outputs], [trial.outputs[i] for trial in against])
        for i, name in enumerate(names)
    ]
    return max(found, key=lambda each: each.badness)


def _deviation(name: str, own: list[NDArray[Any]], truth: list[NDArray[Any]]) -> Deviation:
    for mine, theirs in zip(own, truth, strict=True):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            raise ValueError(
                f"{name!r} is {mine.dtype} of {mine.shape}, not {theirs.dtype} of {theirs.shape}"
            )
    errors = [_apart(mine, theirs) for mine, theirs in zip(own, truth, strict=True)]
    spreads = [_apart(one, other).mean() for one, other in pairwise(truth)]
    return Deviation(
        output=name,
        max=_number(max(error.max() for error in errors)),
        mean=_number(np.mean([error.mean() for error in errors])),
        spread=_number(np.mean(spreads), unknown=0.0),
        magnitude=_number(max(np.abs(each).max() for each in truth), unknown=0.0),
        picture=truth[0].dtype == np.uint8,
    )


def _apart(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return difference


def _number(value: Any, unknown: float = np.inf) -> float:
    """`unknown` where nothing can be said: a NaN is no agreement."""
    return float(value) if np.isfinite(value) else unknown
