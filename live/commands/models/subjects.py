"""What `visavis models parity` compares: each network with its files and its reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version
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
    torch = _torch_of(name, spec)
    with closing(choice.find(_BACKEND)(spec)) as network:
        drawn = [random_inputs.draw(network.inputs, generator) for _ in range(count)]
        found = parity.trials(torch or network, [tuple(each.values()) for each in drawn])
    shapes = {input_: array.shape for input_, array in drawn[0].items()}
    return Subject(
        name, {"fp32": replace(spec, inputs=shapes)}, lambda: found, *_named(torch is not None)
    )


def _named(with_torch: bool) -> tuple[str, str]:
    """What the reference is in words, and which backend it is."""
    if with_torch:
        return f"torch {version('torch')}", ""
    return f"{_BACKEND} in fp32", _BACKEND


def _torch_of(name: str, spec: ModelSpec) -> Run | None:
    """torch's own run of a file that it can read again; `None`: there is none."""
    if name != "speech" or not all(map(importlib.util.find_spec, ("torch", "onnx"))):
        return None
    from engines import speech_reference  # noqa: PLC0415  needs torch

    return speech_reference.reference(spec.path)


def portrait(
    models: PortraitModels, generator: np.random.Generator, count: int, checkpoint: Path | None
) -> list[Subject]:
    """Every network of a set, with torch as the reference where the weights can be had again."""
    torch = _torch(models, checkpoint)
    artefacts = models.card.artefacts
    shapes = {name: next(iter(files.values())).inputs for name, files in artefacts.items()}
    trials = PortraitTrials(shapes, torch or _Files(models), generator, count)
    return [
        Subject(
            name,
            {precision: models.spec(name, precision) for precision in models.precisions(name)},
            partial(trials.of, name),
            *_named(torch is not None),
        )
        for name in artefacts
    ]


def _torch(models: PortraitModels, checkpoint: Path | None) -> Mapping[str, Run] | None:
    """The plain networks: of the checkpoint, or of the card's seed; `None`: they cannot be had."""
    if checkpoint is None and (models.card.seed is None or not importlib.util.find_spec("torch")):
        return None
    with torch_needed("comparing with torch"):
        from engines import portrait_export, portrait_source  # noqa: PLC0415  need torch

        source = portrait_source.again(models.card, checkpoint)
        return portrait_export.references(source.modules)


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
