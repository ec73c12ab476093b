"""Training the networks: files of people go in, checkpoints and a record of the way come out."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from engines.nets.learning import autocast, averaging
from engines.nets.portrait.config import COMPACT, PortraitConfig, PortraitModules, build
from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.motion import HEADS, MotionExtractor
from engines.nets.portrait.training import losses, measure, people, retargeting
from engines.nets.portrait.training.batches import Batch, Pairs, batches
from engines.nets.portrait.training.drawing import draw
from engines.nets.portrait.training.people import Person
from engines.nets.refiner.losses import Discriminator, hinge, likeness

CHECKPOINT, RECORD = "training.pt", "training.jsonl"
_EMA = 0.999
_WARM_UP = 1000
_BETAS = (0.5, 0.999)
_CRITIC_WEIGHT, _MATCHED = 0.02, 1.0
_CLIPPED = 1.0
_AVERAGED, _SMALL = 32, 0.1
_MEAN, _SPREAD = 0.45, 0.225
"""Of pictures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast, and when what begins."""

    steps: int
    """Earlier runs included; the learning rate falls towards the last."""
    count: int = 32
    """Pairs in a batch."""
    rate: float = 2e-4
    critic_from: int = 20_000
    """The step from which on the discriminator learns and has a say."""
    told_from: int = 5_000
    """Until this step the true keypoints give way to those that M tells, evenly."""
    examine_every: int = 1000
    save_every_s: float = 300.0
    workers: int = 0
    """Processes that load pairs."""
    seed: int = 3


class Training:
    """All that a training goes on from."""

    def __init__(self, work: Path, plan: Plan, config: PortraitConfig = COMPACT) -> None:
        """Begins in a folder, or goes on from the checkpoint there.

        `work` has the people in its folder `people`; raises `FileNotFoundError` where they are not.
        """
        self.plan, self.config = plan, config
        self._folder = work
        self._learnt = people.files(work / "people", held_out=False)
        self._held = people.files(work / "people", held_out=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(plan.seed)
        self.modules = build(config)
        _begin(self.modules.motion, self._learnt)
        self.critic = Discriminator(48).to(self.device)
        net = nn.ModuleDict(_named(self.modules)).to(self.device)
        self._average = averaging(net, _EMA)
        self._optimiser = torch.optim.AdamW(net.parameters(), plan.rate, _BETAS, weight_decay=1e-3)
        self._critic_optimiser = torch.optim.AdamW(self.critic.parameters(), plan.rate, _BETAS)
        self._parts = {
            "net": net,
            "average": self._average,
            "critic": self.critic,
            "optimiser": self._optimiser,
            "critic_optimiser": self._critic_optimiser,
        }
        self.step = self._resume()

    @property
    def averaged(self) -> PortraitModules:
        """The moving average of the networks: what is measured and kept."""
        return PortraitModules(self.config, **dict(self._average.module.items()))

    def run(self) -> None:
        """Takes the steps that are left; saves now and then, and at the end."""
        # The tails of the keypoints' Gaussians are denormal: most of the time would go into them.
        torch.set_flush_denormal(True)
        try:
            self._run()
        finally:
            torch.set_flush_denormal(False)

    def _run(self) -> None:
        plan = self.plan
        pairs = Pairs(self._learnt, plan.count, plan.seed)
        began = saved = time.monotonic()
        first, mean = self.step, math.nan
        loaded = batches(pairs, range(first, plan.steps), plan.workers)
        bar = tqdm(total=plan.steps, initial=first, desc="portrait", unit="step", disable=None)
        for batch in loaded:
            figures = self.learn(batch.to(self.device))
            loss = float(figures["likeness"])
            mean = loss if math.isnan(mean) else mean + (loss - mean) * 0.02
            bar.update()
            bar.set_postfix(likeness=f"{mean:.4f}")
            if self.step % plan.examine_every == 0 or self.step == plan.steps:
                seconds = (time.monotonic() - began) / (self.step - first)
                self._note({"step": self.step, "step_s": seconds, "mean": mean} | figures)
            if time.monotonic() - saved > plan.save_every_s:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.save()

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; what it was judged by."""
        for module in self.modules:
            module.train()
        rate = self.plan.rate * _schedule(self.step, self.plan.steps)
        for group in itertools.chain(
            self._optimiser.param_groups, self._critic_optimiser.param_groups
        ):
            group["lr"] = rate
        source, driving = batch.source, batch.driving
        told = [Pose.of(self.modules.motion(side.picture)) for side in (source, driving)]
        found = losses.geometry(told[0], source.pose) + losses.geometry(told[1], driving.pose)
        share = min(1.0, self.step / max(1, self.plan.told_from))
        places = [
            torch.lerp(side.pose.implicit(), pose.implicit(), share)
            for side, pose in zip((source, driving), told, strict=True)
        ]
        made = draw(self.modules, source.picture, places[0], places[1])
        weight = losses.weight(driving.pose.implicit(), made.shape[-1])
        true = _resized(driving.picture, made.shape[-1])
        alike = likeness(made, true, weight)
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        total = alike + found + retargeting.loss(self.modules, batch, generator)
        figures = {"likeness": alike, "geometry": found}
        if self.step >= self.plan.critic_from:
            against = self._criticise(made, true, _resized(source.picture, made.shape[-1]))
            total = total + against
            figures["critic"] = against
        self._optimiser.zero_grad()
        total.backward()
        for module in self.modules:  # M's gradients are by far the largest at first
            nn.utils.clip_grad_norm_(module.parameters(), _CLIPPED)
        self._optimiser.step()
        self._average.update_parameters(self._parts["net"])
        self.step += 1
        return {name: value.item() for name, value in figures.items()}

    def _criticise(self, made: Tensor, true: Tensor, source: Tensor) -> Tensor:
        """One step of the discriminator; what it has against the made pictures."""
        with autocast(self.device.type):
            on_true, features = losses.judged(self.critic, true, source)
            on_made, _ = losses.judged(self.critic, made.detach(), source)
        self._critic_optimiser.zero_grad()
        hinge(on_true, on_made).backward()
        self._critic_optimiser.step()
        with autocast(self.device.type):
            score, seen = losses.judged(self.critic, made, source)
        return _MATCHED * losses.matched(seen, features) - _CRITIC_WEIGHT * score.mean()

    def save(self) -> None:
        """Writes the checkpoint at once or not at all."""
        path = self._folder / CHECKPOINT
        partial = path.with_suffix(".partial")
        stored: dict[str, Any] = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save(stored | {"step": self.step}, partial)
        partial.replace(path)

    def _resume(self) -> int:
        path = self._folder / CHECKPOINT
        if not path.exists():
            return 0
        stored = torch.load(path, map_location=self.device, weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(stored[name])
        return int(stored["step"])

    def _note(self, row: dict[str, float]) -> None:
        row |= measure.examine(self.averaged, self._held, self.device)
        with (self._folder / RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps({key: round(value, 5) for key, value in row.items()}) + "\n")
        tqdm.write(", ".join(f"{key} {value:.4g}" for key, value in row.items()))


def averaged(work: Path, config: PortraitConfig = COMPACT) -> PortraitModules:
    """The moving average of the weights in a folder's checkpoint, ready to serve.

    Raises `FileNotFoundError`.
    """
    path = work / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(
            f"no {CHECKPOINT} in {work}: `python -m engines.nets.portrait train` makes it"
        )
    modules = build(config)
    average = torch.optim.swa_utils.AveragedModel(nn.ModuleDict(_named(modules)))
    average.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"])
    return PortraitModules(config, **dict(average.module.items())).eval()


def _begin(motion: MotionExtractor, files: Sequence[Path]) -> None:
    """Lets M begin with an average head that looks at the camera, and with pictures about 0.

    Of pictures 0…1 a fresh network makes features that hardly differ from one to the next (by 3 %
    in the end, against 30 %): it learns nothing for a long time. The first convolution takes the
    mean off, and the spread, by its own weights.
    """
    heads = [Person.load(path).truth for path in files[:_AVERAGED]]
    keypoints = np.mean([truth.canonical for truth in heads], axis=0)
    scale = np.mean([truth.scale.mean() for truth in heads])
    with torch.no_grad():
        first = motion.detector.downsample_layers[0][0]
        first.bias.sub_(first.weight.sum((1, 2, 3)) * _MEAN / _SPREAD)
        first.weight.div_(_SPREAD)
        for name in HEADS:
            head = getattr(motion.detector, f"fc_{name}")
            head.weight.mul_(_SMALL)
            head.bias.zero_()
        motion.detector.fc_kp.bias.copy_(torch.from_numpy(keypoints.ravel()))
        motion.detector.fc_scale.bias.fill_(float(scale))


def _named(modules: PortraitModules) -> dict[str, nn.Module]:
    names = [field.name for field in fields(PortraitModules) if field.name != "config"]
    return {name: getattr(modules, name) for name in names}


def _schedule(step: int, steps: int) -> float:
    """A short rise, then a cosine down to a twentieth."""
    risen = min(1.0, (step + 1) / min(_WARM_UP, max(1, steps // 20)))
    return risen * (0.525 + 0.475 * math.cos(math.pi * min(1.0, step / steps)))


def _resized(picture: Tensor, size: int) -> Tensor:
    if picture.shape[-1] == size:
        return picture
    return functional.interpolate(picture, size=(size, size), mode="bilinear", antialias=True)
