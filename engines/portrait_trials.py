"""Trials of a portrait's networks: references go in, what they do with random inputs comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import parity, random_inputs
from engines.parity import Run, Trial
from engines.portrait_models import SIGNATURES, Shapes


class PortraitTrials:
    """Random inputs, the same for each way to run a network.

    A frame's volume is what the appearance network makes of a random picture, as in service.
    """

    def __init__(
        self,
        shapes: Mapping[str, Shapes],
        references: Mapping[str, Run],
        generator: np.random.Generator,
        count: int,
    ) -> None:
        """`shapes` of inputs and `references` by artefact; `count`: of each artefact's trials."""
        self._shapes, self._references = shapes, references
        self._generator, self._count = generator, count

    def of(self, artefact: str) -> list[Trial]:
        """Trials of an artefact."""
        drawn = [self._draw(artefact) for _ in range(self._count)]
        return parity.trials(self._references[artefact], drawn)

    def _draw(self, artefact: str) -> tuple[NDArray[Any], ...]:
        drawn = random_inputs.draw(self._shapes[artefact], self._generator)
        if artefact == "frame":
            picture = random_inputs.draw(self._shapes["appearance"], self._generator)
            made = self._references["appearance"](*picture.values())
            drawn |= dict(zip(SIGNATURES["appearance"][1], made, strict=True))
        return tuple(drawn.values())
