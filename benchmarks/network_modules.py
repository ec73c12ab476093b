"""Torch modules with random weights, and the files that are made of them. Needs torch and onnx."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.network_subjects import Run, Subject
from engines import export, portrait_export, portrait_source
from engines.articulation import CURVES
from engines.nets.speech.network import Listener, States
from engines.portrait_models import PortraitModels
from engines.types import ModelSpec

_SEED = 0
_ARTEFACTS = ("appearance", "motion", "frame")
"""Those that cost anything; lips and eyes are a few small matrices."""


class _Hearing(nn.Module):  # type: ignore[misc]  # torch is not looked into
    """A listener whose states are arguments and results like any other."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = Listener(len(CURVES))

    def forward(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        answer = self.listener(mel, States(*states))
        return (answer.logits, answer.curves, *answer.states)


def speech(folder: Path, inputs: Mapping[str, NDArray[Any]]) -> Subject:
    """The network that hears, as large as the one that serves, for a fixed number of frames."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        module = _Hearing().eval().requires_grad_(False)
    shapes = {name: value.shape for name, value in inputs.items()}
    outputs = ("phones", "curves", *(f"next_{name}" for name in States._fields))
    model = export.to_onnx(export.Exportable("speech", "fp32", module, shapes, outputs))
    content = model.SerializeToString()
    path = folder / "speech.onnx"
    path.write_bytes(content)
    spec = ModelSpec("speech", path, hashlib.sha256(content).hexdigest())
    run = export.runner(module)
    return Subject("speech", {"": spec}, tuple(inputs.values()), partial(_on, run=run))


def sizes(*, official: bool) -> list[str]:
    """The names of the portraits' sizes to be measured."""
    return [name for name in portrait_source.CONFIGS if official or name != "official"]


def portrait(sizes: str, folder: Path, generator: np.random.Generator) -> Iterator[Subject]:
    """The networks of a neural portrait, exported in both precisions."""
    source = portrait_source.random(_SEED, sizes, name=sizes)
    references = portrait_export.references(source.modules)
    portrait_export.export_set(source, folder / sizes, count=2)
    models = PortraitModels(folder / sizes, untrained=True)
    trials = portrait_export.trials_of(source.modules, generator, 1)
    for name in _ARTEFACTS:
        files = {str(each): models.spec(name, each) for each in models.precisions(name)}
        (trial,) = trials.of(name)
        on = partial(_on, run=references[name])
        yield Subject(f"{sizes} {name}", files, trial.inputs, on)


def _on(threads: int, run: Run) -> Run:
    """The same on so many of torch's threads."""

    def on(*inputs: NDArray[Any]) -> Any:
        torch.set_num_threads(threads)
        return run(*inputs)

    return on
