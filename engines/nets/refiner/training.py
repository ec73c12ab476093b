"""Training the refiner: files of pairs go in, checkpoints and a record of the way come out."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from engines.nets.learning import autocast, averaging
from engines.nets.refiner.batches import Batch, Crops
from engines.nets.refiner.losses import Discriminator, hinge, likeness, psnr
from engines.nets.refiner.network import PARTS, Refiner, apply, window

_EMA = 0.998
_WARM_UP = 0.02
_CRITIC_FROM = 0.5
"""Of the training: from then on the discriminator has a say."""
_SMOOTH = 1.0
_CRITIC_WEIGHT = 0.012
_CRITIC_RATE = 2e-4
_SAVE_EVERY_S = 60.0
_EXAMINE_EVERY = 400
_EXAMINED = 384


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast."""

    minutes: float
    """Of processor time, earlier runs included."""
    rate: float = 1.5e-3
    count: int = 14
    """Pairs of synthetic people in a batch."""
    kept: int = 2
    """Crops of drawn faces in a batch, which are to stay as they are."""


def train(part_name: str, work: Path, plan: Plan, seed: int = 3) -> Refiner:
    """Trains (or goes on training) one part's network and returns its moving average."""
    torch.manual_seed(seed)
    part = PARTS[part_name]
    net, critic = Refiner(part), Discriminator()
    average = averaging(net, _EMA)
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=1e-3)
    critic_optimiser = torch.optim.Adam(critic.parameters(), _CRITIC_RATE, betas=(0.5, 0.99))
    state = _State(work / f"{part_name}.pt", net, average, critic, optimiser, critic_optimiser)
    spent, steps = state.resume()
    rng = np.random.default_rng([seed, steps])
    people = Crops(work / "people", part)
    drawn = Crops(work / "drawn", part) if plan.kept and (work / "drawn").is_dir() else None
    began, saved = time.process_time() - spent, time.monotonic()
    weight = _weight(part.side)
    bar = tqdm(total=100, desc=part_name, unit="%", disable=None)
    mean = math.nan
    while (done := (time.process_time() - began) / (60 * plan.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _schedule(done)
        batch = people.batch(rng, plan.count)
        if drawn is not None:
            batch = _joined(batch, drawn.batch(rng, plan.kept))
        correction = corrections(net, batch)
        made = apply(correction, batch.warped, batch.opening)
        loss = likeness(made, batch.true, weight) + _SMOOTH * _roughness(correction[:, :2])
        if done > _CRITIC_FROM:
            loss = loss + _CRITIC_WEIGHT * _criticise(critic, critic_optimiser, made, batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
        average.update_parameters(net)
        steps += 1
        mean = loss.item() if math.isnan(mean) else mean + (loss.item() - mean) * 0.02
        bar.update(100 * done - bar.n)
        bar.set_postfix(loss=f"{mean:.4f}")
        if steps % _EXAMINE_EVERY == 1:
            learnt = people.read(work / "people")
            figures = examine(average.module, people.held_out(_EXAMINED))
            row = {"step": steps, "minutes": (time.process_time() - began) / 60, "loss": mean}
            _note(work / f"{part_name}.jsonl", row | {"pairs": learnt} | figures)
        if time.monotonic() - saved > _SAVE_EVERY_S:
            saved = time.monotonic()
            state.save(time.process_time() - began, steps)
    state.save(time.process_time() - began, steps)
    bar.close()
    return _evaluated(average)


def corrections(net: nn.Module, batch: Batch) -> Tensor:
    """`(n, 5, s, s)` what the network says of a batch."""
    with autocast():
        said: Tensor = net(batch.warped, batch.resting, batch.features)
    return said.float() * batch.strength


def examine(net: nn.Module, batch: Batch) -> dict[str, float]:
    """PSNR of the middle of held-out crops: the network's and the warp renderer's own."""
    weight = _weight(batch.true.shape[-1])
    net.eval()
    with torch.no_grad():
        made = torch.cat(
            [
                apply(corrections(net, piece), piece.warped, piece.opening)
                for piece in pieces(batch, 32)
            ]
        )
    own, warp = psnr(made, batch.true, weight), psnr(batch.warped, batch.true, weight)
    steep = batch.yaw.abs() > 25
    return {
        "refined": own.mean().item(),
        "warp": warp.mean().item(),
        "better": (own > warp).float().mean().item(),
        "refined_steep": own[steep].mean().item(),
        "warp_steep": warp[steep].mean().item(),
    }


def pieces(batch: Batch, count: int) -> list[Batch]:
    """The batch in pieces of at most `count`."""
    split = [getattr(batch, field.name).split(count) for field in fields(Batch)]
    return [Batch(*piece) for piece in zip(*split, strict=True)]


def load(path: Path, part_name: str) -> Refiner:
    """The moving average of the weights in a checkpoint."""
    net = Refiner(PARTS[part_name])
    average = torch.optim.swa_utils.AveragedModel(net)
    average.load_state_dict(torch.load(path, weights_only=True)["average"])
    return _evaluated(average)


def _evaluated(average: torch.optim.swa_utils.AveragedModel) -> Refiner:
    net = average.module
    assert isinstance(net, Refiner)
    return net.eval()


def _criticise(
    critic: Discriminator, optimiser: torch.optim.Optimizer, made: Tensor, batch: Batch
) -> Tensor:
    """One step of the discriminator; what it has against the made crops."""
    with autocast():
        against = hinge(critic(batch.true, batch.resting), critic(made.detach(), batch.resting))
    optimiser.zero_grad()
    against.backward()
    optimiser.step()
    with autocast():
        score = critic(made, batch.resting)
    return -score.float().mean()


def _roughness(shift: Tensor) -> Tensor:
    """How much neighbours are fetched from different places: teeth are not to be bent."""
    return shift.diff(dim=2).abs().mean() + shift.diff(dim=3).abs().mean()


def _weight(side: int) -> Tensor:
    """`(1, 1, side, side)` the middle counts more; the rim, where nothing changes, not at all."""
    at = (torch.arange(side) + 0.5) / side * 2 - 1
    bump = torch.exp(-((at[None] / 0.6) ** 2) - (at[:, None] / 0.5) ** 2)
    return (window(side) * (0.25 + bump))[None, None]


def _joined(first: Batch, second: Batch) -> Batch:
    return Batch(
        *(torch.cat([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Batch))
    )


def _schedule(done: float) -> float:
    """A short rise, then a cosine down to a fiftieth."""
    return min(1.0, done / _WARM_UP + 0.02) * (0.51 + 0.49 * math.cos(math.pi * min(done, 1.0)))


def _note(path: Path, row: dict[str, float]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({key: round(value, 5) for key, value in row.items()}) + "\n")
    text = ", ".join(f"{key} {value:.4g}" for key, value in row.items())
    tqdm.write(f"{path.stem}: {text}")


class _State:
    """All that a training goes on from."""

    def __init__(self, path: Path, *parts: Any) -> None:
        self._path = path
        self._parts = dict(
            zip(("net", "average", "critic", "optimiser", "critic_optimiser"), parts, strict=True)
        )

    def save(self, spent_s: float, steps: int) -> None:
        partial = self._path.with_suffix(".partial")
        stored: dict[str, Any] = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save(stored | {"progress": (spent_s, steps)}, partial)
        partial.replace(self._path)

    def resume(self) -> tuple[float, int]:
        """Loads what there is, if anything; the seconds spent and the steps taken so far."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return 0.0, 0
        stored = torch.load(self._path, weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(stored[name])
        spent_s, steps = stored["progress"]
        return float(spent_s), int(steps)
