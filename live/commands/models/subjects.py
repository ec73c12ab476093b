"""What `visavis models parity` compares: each network with its files and its reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from engines import parity, random_inputs, shipped_models
from engines.backends import choice
from engines.parity import Run
from engines.parity_table import Subject
from engines.portrait_models import PortraitModels
from engines.portrait_trials import PortraitTrials
from engines.types import ModelSpec, Network
from live.commands.models.torch_needed import torch_needed

_BACKEND = "onnxruntime"
"""The reference where torch is not."""


def ours(name: str, generator: np.random.Generator, count: int) -> Subject:
    """A network that lies in the package; sizes that it leaves open are as they are drawn."""
    spec = shipped_models.shipped(name).spec
    with closing(choice.find(_BACKEND)(spec)) as network:
        drawn = [random_inputs.draw(network.inputs, generator) for _ in range(count)]
        run, reference = _torch_of(name, spec) or (network, _BACKEND)
        found = parity.trials(run, [tuple(each.values()) for each in drawn])
    shapes = {input_: array.shape for input_, array in drawn[0].items()}
    return Subject(name, {"fp32": replace(spec, inputs=shapes)}, lambda: found, reference)


def _torch_of(name: str, spec: ModelSpec) -> tuple[Run, str] | None:
    """torch's own run of a file that it can read again; `None`: there is none."""
    if name != "speech" or not all(map(importlib.util.find_spec, ("torch", "onnx"))):
        return None
    from engines import export, speech_reference  # noqa: PLC0415  need torch

    return speech_reference.reference(spec.path), export.against()


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
