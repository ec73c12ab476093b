"""Examining networks on people who are held out: pairs go in, figures come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engines.nets.portrait.config import PortraitModules
from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.training import losses
from engines.nets.portrait.training.batches import Batch, gather
from engines.nets.portrait.training.drawing import draw
from engines.nets.portrait.training.people import Person
from engines.nets.refiner.losses import psnr

_PEOPLE, _EACH = 16, 4


def held_out(files: Sequence[Path], most: int = _PEOPLE, each: int = _EACH) -> Iterator[Batch]:
    """A batch of each of the first people: their portrait, driven by their next pictures."""
    for path in files[:most]:
        person = Person.load(path)
        yield gather([(person, 0, number) for number in range(1, min(each + 1, len(person.ends)))])


def examine(
    modules: PortraitModules, files: Sequence[Path], device: torch.device
) -> dict[str, float]:
    """Of held-out pairs, means: PSNR in dB, weighted as the loss is, and errors of the motion.

    `psnr`: driven by what M tells; `psnr_true`: by the true keypoints; `psnr_still`: of the
    portrait itself, as if nothing moved. `keypoints`: shares of the picture's side; `degrees`.
    """
    was = [module.training for module in modules]
    for module in modules:
        module.eval()
    rows = []
    with torch.no_grad():
        for batch in held_out(files):
            rows.append(_figures(modules, batch.to(device)))
    for module, training in zip(modules, was, strict=True):
        module.train(training)
    return {name: torch.cat([row[name] for row in rows]).mean().item() for name in rows[0]}


def _figures(modules: PortraitModules, batch: Batch) -> dict[str, Tensor]:
    source, driving = batch.source, batch.driving
    told = [Pose.of(modules.motion(side.picture)) for side in (source, driving)]
    true = [side.pose.implicit() for side in (source, driving)]
    weight = losses.weight(true[1], driving.picture.shape[-1])

    def likeness(picture: Tensor) -> Tensor:
        size = driving.picture.shape[-1]
        if picture.shape[-1] != size:
            picture = torch.nn.functional.interpolate(picture, size=(size, size), mode="area")
        return psnr(picture, driving.picture, weight)

    apart = (told[1].implicit() - true[1])[..., :2].norm(dim=-1)
    return {
        "psnr": likeness(draw(modules, source.picture, *(pose.implicit() for pose in told))),
        "psnr_true": likeness(draw(modules, source.picture, *true)),
        "psnr_still": likeness(source.picture),
        "keypoints": apart.mean(dim=1) / 2,
        "degrees": (told[1].angles - driving.pose.angles).abs().mean(dim=1),
    }
