"""Batches of crops: files of pairs go in, augmented tensors come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.nets.refiner import pairs
from engines.nets.refiner.mouth import mouth_opening, mouth_strength
from engines.nets.refiner.network import Part
from engines.renderers.refined import crops

_HELD_OUT_EACH = 8
_LEAST_STRENGTH = 0.05
_LIP_MIRROR = np.r_[np.arange(10, -1, -1), np.arange(19, 10, -1)]


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops 0…1."""

    warped: Tensor
    """`(n, 3, s, s)`."""
    true: Tensor
    """`(n, 3, s, s)`."""
    resting: Tensor
    """`(n, 3, s, s)`."""
    features: Tensor
    """`(n, f)`."""
    opening: Tensor
    """`(n, 1, s, s)` 1 between the warped lips or lids."""
    strength: Tensor
    """`(n, 1, 1, 1)` how far the correction is taken."""
    yaw: Tensor
    """`(n,)` degrees, of the true head."""


class Crops:
    """All crops of one part, in memory; people who are held out are never in `batch`."""

    def __init__(self, folder: Path, part: Part, most: int | None = None) -> None:
        """Reads the people in `folder`, the first `most` of them."""
        self.part = part
        self._warped: list[NDArray[np.uint8]] = []
        self._true: list[NDArray[np.uint8]] = []
        self._resting: list[NDArray[np.uint8]] = []
        self._features: list[NDArray[np.float32]] = []
        self._strength: list[float] = []
        self._yaw: list[float] = []
        self._seen: set[Path] = set()
        self._learnt: list[int] = []
        self._held: list[int] = []
        self._most = most
        self.read(folder)

    def read(self, folder: Path) -> int:
        """Adds the people who have come since; how many pairs to learn from there are."""
        for path in list(pairs.files(folder))[: self._most]:
            if path in self._seen:
                continue
            self._seen.add(path)
            seed = int(path.stem.split("-")[1])
            self._add(pairs.Person.load(path), held=seed % _HELD_OUT_EACH == _HELD_OUT_EACH - 1)
        return len(self._learnt)

    def _add(self, person: pairs.Person, *, held: bool) -> None:
        turns = (1.0,) if self.part.name == "mouth" else (1.0, -1.0)
        strength_of = mouth_strength if self.part.name == "mouth" else crops.eye_strength
        for number in range(len(person.mouths)):
            for eye, turn in enumerate(turns):
                if self.part.name == "mouth":
                    misfit, crop = person.misfits[number, 0], person.mouths[number]
                    resting, features = person.resting_mouth, person.mouth_features[number]
                else:
                    misfit, crop = person.misfits[number, 1 + eye], person.eyes[number, eye]
                    resting = person.resting_eyes[eye]
                    features = person.eye_features[number, eye]
                strength = strength_of(features)
                if misfit > pairs.MOST_MISFIT or strength < _LEAST_STRENGTH:
                    continue
                (self._held if held else self._learnt).append(len(self._warped))
                self._warped.append(crop[0].copy())
                self._true.append(crop[1].copy())
                self._resting.append(resting)
                self._features.append(features)
                self._strength.append(strength)
                self._yaw.append(turn * float(person.euler_deg[number, 0]))

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        """Pairs to learn from, augmented."""
        chosen = [self._learnt[k] for k in rng.integers(len(self._learnt), size=count)]
        batch = self._gather(chosen)
        if self.part.name == "mouth":
            batch = _mirrored(batch, torch.from_numpy(rng.random(count) < 0.5))
        return _recoloured(batch, rng)

    def held_out(self, most: int = 100_000) -> Batch:
        """Pairs of people who are held out, evenly chosen."""
        step = max(1, len(self._held) // most)
        return self._gather(self._held[::step][:most])

    def _gather(self, chosen: list[int]) -> Batch:
        def pictures(of: list[NDArray[np.uint8]]) -> Tensor:
            stacked = torch.from_numpy(np.stack([of[number] for number in chosen]))
            return stacked.permute(0, 3, 1, 2).float() / 255.0

        features = np.stack([self._features[number] for number in chosen])
        opening = mouth_opening if self.part.name == "mouth" else crops.eye_opening
        openings = np.stack([opening(row) for row in features])
        return Batch(
            pictures(self._warped),
            pictures(self._true),
            pictures(self._resting),
            torch.from_numpy(features),
            torch.from_numpy(openings)[:, None],
            torch.tensor([self._strength[number] for number in chosen])[:, None, None, None],
            torch.tensor([self._yaw[number] for number in chosen]),
        )


def _mirrored(batch: Batch, chosen: Tensor) -> Batch:
    """The mouth as a mirror shows it, where `chosen`."""
    pick = chosen[:, None, None, None]
    count = len(batch.features)
    lips = batch.features[:, :160].reshape(count, 2, 2, 20, 2)[:, :, :, _LIP_MIRROR]
    lips = lips * torch.tensor([-1.0, 1.0])
    turn = batch.features[:, 160:] * torch.tensor([1.0, -1.0, -1.0])
    features = torch.cat([lips.reshape(count, 160), turn], dim=1)

    def mirrored(crop: Tensor) -> Tensor:
        return torch.where(pick, crop.flip(3), crop)

    return Batch(
        mirrored(batch.warped),
        mirrored(batch.true),
        mirrored(batch.resting),
        torch.where(chosen[:, None], features, batch.features),
        mirrored(batch.opening),
        batch.strength,
        torch.where(chosen, -batch.yaw, batch.yaw),
    )


def _recoloured(batch: Batch, rng: np.random.Generator) -> Batch:
    """The same pair in other colours, now and then as flat as a drawing's; features a little off.

    Whatever is done is done to the warped, the true and the resting crop alike: the network learns
    to take its colours from the picture.
    """
    count = len(batch.features)

    def drawn(low: float, high: float, channels: int = 1) -> Tensor:
        values = rng.uniform(low, high, (count, channels, 1, 1))
        return torch.from_numpy(values.astype(np.float32))

    gain, gamma, saturation = drawn(0.7, 1.25, 3), drawn(0.75, 1.35), drawn(0.2, 1.5)
    lift = drawn(-0.05, 0.08)
    steps = torch.where(drawn(0, 1) < 0.12, drawn(5, 14), torch.tensor(255.0))

    def seen(crop: Tensor) -> Tensor:
        grey = crop.mean(dim=1, keepdim=True)
        crop = (grey + saturation * (crop - grey)) * gain + lift
        return ((crop.clamp(0, 1) ** gamma) * steps).round() / steps

    noise = rng.normal(0, 0.012, batch.features.shape).astype(np.float32)
    return Batch(
        seen(batch.warped),
        seen(batch.true),
        seen(batch.resting),
        batch.features + torch.from_numpy(noise),
        batch.opening,
        batch.strength,
        batch.yaw,
    )
