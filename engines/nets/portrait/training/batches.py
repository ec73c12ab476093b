"""Pairs of one person's pictures: files of people go in, augmented tensors come out.

What a step sees depends on the seed and the step's number only, whoever loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.training.people import Person
from engines.nets.portrait.training.truth import Truth, join

_MOST_ROLL, _MOST_SHIFT = 8.0, 0.06
_SCALES = (0.92, 1.12)
_SHOWN_PORTRAIT = 0.5
"""How often the source is the person's portrait; otherwise any picture."""


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of each pair, and its truth."""

    picture: Tensor
    """`(n, 3, s, s)` RGB 0…1."""
    pose: Pose
    lips: Tensor
    """`(n, 3)`; see `Truth`, as the next three."""
    lip_offsets: Tensor
    lids: Tensor
    lid_offsets: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """`n` pairs."""

    source: Side
    driving: Side

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(_to(side, device) for side in (self.source, self.driving)))


class Pairs(Dataset[Batch]):
    """Batches by the numbers of the steps."""

    def __init__(self, files: Sequence[Path], count: int, seed: int) -> None:
        """`count`: pairs in a batch."""
        self._files, self._count, self._seed = files, count, seed

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, augmented."""
        rng = np.random.default_rng([self._seed, step])
        chosen = []
        for number in rng.integers(len(self._files), size=self._count):
            person = Person.load(self._files[number])
            last = len(person.ends)
            source = 0 if rng.random() < _SHOWN_PORTRAIT else int(rng.integers(last))
            chosen.append((person, source, int(rng.integers(1, last))))
        return _moved(gather(chosen), rng)


def batches(pairs: Pairs, steps: Sequence[int], workers: int) -> Iterator[Batch]:
    """The batches of these steps in order; `workers` processes load ahead, 0: none."""
    loader = DataLoader(
        pairs,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def gather(chosen: Sequence[tuple[Person, int, int]]) -> Batch:
    """Pairs of persons' pictures, by number: the source's, the driving one's."""
    return Batch(
        _side([(person, source) for person, source, _ in chosen]),
        _side([(person, driving) for person, _, driving in chosen]),
    )


def _side(chosen: Sequence[tuple[Person, int]]) -> Side:
    pictures = np.stack([person.picture(number) for person, number in chosen])
    truth = join([_one(person.truth, number) for person, number in chosen])
    told = {field.name: torch.from_numpy(getattr(truth, field.name)) for field in fields(Truth)}
    keypoints = told.pop("canonical")
    pose = {name: told.pop(name) for name in ("angles", "translation", "expression", "scale")}
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
    return Side(planes, Pose(keypoints=keypoints, **pose), **told)


def _one(truth: Truth, number: int) -> Truth:
    rows = {
        field.name: getattr(truth, field.name)[number : number + 1]
        for field in fields(Truth)
        if field.name != "canonical"
    }
    return Truth(truth.canonical, **rows)


def _moved(batch: Batch, rng: np.random.Generator) -> Batch:
    """Both pictures of a pair turned, scaled and shifted alike, as crops differ; so the truth."""
    n = len(batch.source.picture)

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype(np.float32))

    roll, scale = drawn(-_MOST_ROLL, _MOST_ROLL), drawn(*_SCALES)
    shift = drawn(-_MOST_SHIFT, _MOST_SHIFT, 2)
    cos, sin = torch.cos(torch.deg2rad(roll)), torch.sin(torch.deg2rad(roll))
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    # Where a pixel of the moved picture lies in the one before.
    back = turn.transpose(1, 2) / scale[:, None, None]
    matrix = torch.cat([back, -back @ shift[:, :, None]], dim=2)

    def picture(of: Tensor) -> Tensor:
        grid = functional.affine_grid(matrix, list(of.shape), align_corners=False)
        return functional.grid_sample(of, grid, padding_mode="reflection", align_corners=False)

    def turned(rows: Tensor) -> Tensor:
        flat = rows.reshape(n, -1, 3)
        across = flat[..., :2] @ turn.transpose(1, 2)
        return torch.cat([across, flat[..., 2:]], dim=2).reshape(rows.shape)

    def side(of: Side) -> Side:
        translation = scale[:, None] * turned(of.pose.translation)
        pose = Pose(
            of.pose.angles + torch.stack([torch.zeros(n), torch.zeros(n), roll], 1),
            translation + functional.pad(shift, (0, 1)),
            turned(of.pose.expression),
            of.pose.scale * scale[:, None],
            of.pose.keypoints,
        )
        return replace(
            of,
            picture=picture(of.picture),
            pose=pose,
            lip_offsets=turned(of.lip_offsets),
            lid_offsets=turned(of.lid_offsets),
        )

    return Batch(side(batch.source), side(batch.driving))


def _to(side: Side, device: torch.device) -> Side:
    def put(tensor: Tensor) -> Tensor:
        return tensor.to(device, non_blocking=True)

    told = {f.name: getattr(side, f.name) for f in fields(Side)}
    pose = Pose(**{f.name: put(getattr(side.pose, f.name)) for f in fields(Pose)})
    return Side(pose=pose, **{name: put(value) for name, value in told.items() if name != "pose"})
