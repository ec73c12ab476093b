"""The neural portrait's networks become a set of ONNX files with a card: torch modules go in.

Every file is compared with the plain networks, in float32 and without any rewriting, before it is
kept; the set takes its place only when all of it is there. Needs torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from engines import atomic_file, atomic_folder, export, implicit_map, model_card
from engines.export import Exportable
from engines.model_card import Card, Precision
from engines.nets.portrait.artefacts import ARTEFACTS, FrameArtefact, Sampling
from engines.nets.portrait.config import PortraitModules
from engines.nets.portrait.stitching import stitched
from engines.parity import Run
from engines.portrait_models import ALWAYS_FP32
from engines.portrait_trials import PortraitTrials


@dataclass(frozen=True, slots=True)
class Source:
    """Networks, and what is to be said of where they come from."""

    modules: PortraitModules
    name: str
    config: str
    """The name of its sizes (`official`, `compact`)."""
    origin: str
    licence: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that the weights were read from, with their SHA-256."""
    seed: int | None = None
    """Of random weights."""


@dataclass(frozen=True, slots=True)
class Made:
    """An artefact that has been written."""

    file: model_card.File
    seconds: float
    """Wall time, with the comparison."""


def export_set(
    source: Source,
    folder: Path,
    *,
    precisions: Sequence[Precision] = ("fp32", "fp16"),
    sampling: Sampling = "atlas",
    count: int = 3,
    seed: int | None = None,
    tell: Callable[[Made], object] = lambda made: None,
) -> Card:
    """Writes the set into `folder`, in place of one that is there, and returns its card.

    `sampling`: the form in which the volume is read; `count`: random inputs for each comparison,
    two at least; `seed`: of these inputs, another each time unless told. Raises as `export.export`;
    an older set then stays as it was.
    """
    trials = trials_of(source.modules, np.random.default_rng(seed), count)
    artefacts: dict[str, dict[Precision, model_card.File]] = {}
    with atomic_folder.replacing(folder, known_by=model_card.CARD) as fresh:
        for name in ARTEFACTS:
            found = trials.of(name)
            for artefact in _exportables(source.modules, name, precisions, sampling):
                began = time.monotonic()
                file = export.export(artefact, fresh, found)
                artefacts.setdefault(name, {})[artefact.precision] = file
                tell(Made(file, time.monotonic() - began))
        card = _card(source, artefacts)
        model_card.write(card, fresh)
        _keep_map(folder, fresh)
    return card


def _keep_map(folder: Path, fresh: Path) -> None:
    """A map is of one motion network, which it names: it outlives what else is exported anew."""
    fitted = folder / implicit_map.FILE
    if fitted.is_file():
        atomic_file.write(fresh / implicit_map.FILE, fitted.read_bytes())


def trials_of(
    modules: PortraitModules, generator: np.random.Generator, count: int
) -> PortraitTrials:
    """Trials of the plain networks."""
    shapes = {name: kind(modules).shapes() for name, kind in ARTEFACTS.items()}
    return PortraitTrials(shapes, references(modules), generator, count)


def references(modules: PortraitModules) -> Mapping[str, Run]:
    """The plain networks as functions of arrays, by the artefact that they are the measure of."""
    plain: dict[str, Callable[..., Any]] = {name: kind(modules) for name, kind in ARTEFACTS.items()}
    plain |= {"appearance": _plain_appearance(modules), "frame": _plain_frame(modules)}
    return {name: export.runner(call) for name, call in plain.items()}


def _plain_appearance(modules: PortraitModules) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def run(picture: Tensor) -> tuple[Tensor, Tensor]:
        volume = modules.appearance(picture)
        return volume, modules.warping.dense_motion_network.compressed(volume)

    return run


def _plain_frame(modules: PortraitModules) -> Callable[..., Tensor]:
    def run(
        keypoints: Tensor,
        volume: Tensor,
        _compressed: Tensor,
        source_keypoints: Tensor,
        stitching: Tensor,
    ) -> Tensor:
        moved = stitched(modules.stitching, source_keypoints, keypoints, stitching)
        warped = modules.warping(volume, moved, source_keypoints)["out"]
        picture: Tensor = modules.decoder(warped)
        return (picture * 255).round().permute(0, 2, 3, 1).to(torch.uint8)

    return run


def _exportables(
    modules: PortraitModules, name: str, precisions: Sequence[Precision], sampling: Sampling
) -> Iterator[Exportable]:
    for precision in ("fp32",) if name in ALWAYS_FP32 else precisions:
        kind = ARTEFACTS[name]
        module = kind(modules, sampling) if issubclass(kind, FrameArtefact) else kind(modules)
        if precision == "fp16":
            module.half()
        yield Exportable(name, precision, module, module.shapes(), module.outputs)


def _card(source: Source, artefacts: dict[str, dict[Precision, model_card.File]]) -> Card:
    config = source.modules.config
    return Card(
        name=source.name,
        origin=source.origin,
        licence=source.licence,
        source=dict(source.files),
        seed=source.seed,
        config=source.config,
        keypoints=config.keypoints,
        size=config.size,
        made_with={"torch": torch.__version__, "onnx": onnx.__version__},
        artefacts=artefacts,
    )
