"""What `visavis models parity` compares: each network with its files and its reference."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from engines import parity, random_inputs
from engines.backends import choice
from engines.drivers import speech_network
from engines.parity import Run, Trial
from engines.parity_table import Subject
from engines.portrait_models import PortraitModels
from engines.portrait_trials import PortraitTrials
from engines.types import ModelSpec, Network
from live.commands.models.torch_needed import torch_needed

_BACKEND = "onnxruntime"
"""The reference where torch is not."""


def speech_spec() -> tuple[ModelSpec, Mapping[str, Any]]:
    """The speech network's file, and what its card says."""
    path = speech_network.FILE
    card = json.loads(path.with_suffix(".json").read_bytes())
    return ModelSpec("speech", path, card["sha256"]), card


def speech(generator: np.random.Generator, count: int) -> Subject:
    """The network that hears."""
    spec, _ = speech_spec()

    def trials() -> list[Trial]:
        network = choice.find(_BACKEND)(spec)
        drawn = [random_inputs.draw(network.inputs, generator) for _ in range(count)]
        return parity.trials(network, [tuple(each.values()) for each in drawn])

    return Subject("speech", {"fp32": spec}, trials, _BACKEND)


def portrait(
    models: PortraitModels, generator: np.random.Generator, count: int, checkpoint: Path | None
) -> list[Subject]:
    """Every network of a set, with torch as the reference where the weights can be had again."""
    references, reference = _torch(models, checkpoint) or (_Files(models), f"{_BACKEND} in fp32")
    artefacts = models.card.artefacts
    shapes = {name: next(iter(files.values())).inputs for name, files in artefacts.items()}
    trials = PortraitTrials(shapes, references, generator, count)
    return [
        Subject(
            name,
            {precision: models.spec(name, precision) for precision in models.precisions(name)},
            partial(trials.of, name),
            reference,
        )
        for name in artefacts
    ]


def _torch(models: PortraitModels, checkpoint: Path | None) -> tuple[Mapping[str, Run], str] | None:
    """The plain networks: of the checkpoint, or of the card's seed; `None`: they cannot be had."""
    if checkpoint is None and (models.card.seed is None or not importlib.util.find_spec("torch")):
        return None
    with torch_needed("comparing with torch"):
        from engines import export, portrait_export, portrait_source  # noqa: PLC0415  need torch

        source = portrait_source.again(models.card, checkpoint)
        return portrait_export.references(source.modules), export.against()


class _Files(Mapping[str, Run]):
    """The set's own files in fp32, loaded when they are asked for."""

    def __init__(self, models: PortraitModels) -> None:
        self._models = models
        self._load = cache(self._loaded)

    def __getitem__(self, name: str) -> Run:
        return self._load(name)

    def __iter__(self) -> Any:
        return iter(self._models.card.artefacts)

    def __len__(self) -> int:
        return len(self._models.card.artefacts)

    def _loaded(self, name: str) -> Network:
        return choice.find(_BACKEND)(self._models.spec(name, "fp32"))
