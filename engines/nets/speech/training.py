"""Training: batches go in, checkpoints come out; each can be gone on from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from engines.nets.learning import autocast, averaging
from engines.nets.speech.batches import Batch, Batches
from engines.nets.speech.network import Listener, Teacher
from engines.phones import BILABIALS, PHONES

LOOK_AHEAD_FRAMES = 3
"""How late the network answers: 30 ms."""
_CLOSURE_WEIGHT = 1.6
"""P, B and M are rare, short, and what one sees first when it is wrong."""
_SMOOTHING = 0.02
_CURVES_WEIGHT = 4.0
_STILLNESS = 3.0
"""How much more an error of the curves weighs in silence."""
_EMA = 0.999
_WARM_UP = 0.03
_SAVE_EVERY_S = 60.0

Loss = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast."""

    minutes: float
    """Of processor time of the process that learns, in all, earlier runs included."""
    rate: float = 2e-3
    workers: int = 1
    """Processes that make batches."""


def train(net: nn.Module, loss: Loss, batches: Batches, plan: Plan, path: Path) -> nn.Module:
    """Trains (or goes on training what lies at `path`) and returns the moving average of the net.

    AdamW under a cosine schedule by processor time; a checkpoint each minute and at the end.
    """
    average = averaging(net, _EMA)
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt, plan.rate, weight_decay=0.01)
    spent, steps = _resume(path, net, average, optimiser)
    loader: Iterator[Batch] = iter(
        DataLoader(batches, batch_size=None, num_workers=plan.workers, prefetch_factor=4)
        if plan.workers
        else batches
    )
    began, saved, mean = time.process_time() - spent, time.monotonic(), math.nan
    bar = tqdm(total=100, desc=path.stem, unit="%", disable=None)
    while (done := (time.process_time() - began) / (60 * plan.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _schedule(done)
        net.train()
        value = loss(net, next(loader))
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        average.update_parameters(net)
        steps += 1
        mean = value.item() if math.isnan(mean) else mean + (value.item() - mean) * 0.01
        bar.update(100 * done - bar.n)
        bar.set_postfix(loss=f"{mean:.3f}")
        if time.monotonic() - saved > _SAVE_EVERY_S:
            saved = time.monotonic()
            _save(path, net, average, optimiser, (time.process_time() - began, steps))
            if bar.disable:
                print(f"{path.stem}: {done:.1%}, step {steps}, loss {mean:.3f}", flush=True)
    _save(path, net, average, optimiser, (time.process_time() - began, steps))
    bar.close()
    return average.module.eval()


def averaged(path: Path, net: nn.Module) -> nn.Module:
    """`net` with the moving average of the weights stored in a checkpoint."""
    checkpoint = torch.load(path, weights_only=True)
    prefix = "module."
    net.load_state_dict(
        {
            name.removeprefix(prefix): value
            for name, value in checkpoint["average"].items()
            if name.startswith(prefix)
        }
    )
    return net.eval()


def listener_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Phones, hard and by the teacher, and curves, all late by the look-ahead."""
    logits, shown = _late_answer(net, batch)
    about = slice(0, logits.shape[1])
    phones = _phone_loss(logits, batch.phones[:, about], batch.soft[:, about])
    return phones + _CURVES_WEIGHT * _curve_errors(shown, batch)


def curves_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Curves only."""
    return _curve_errors(_late_answer(net, batch)[1], batch)


def teacher_loss(net: nn.Module, batch: Batch) -> Tensor:
    """Phones, nothing late."""
    assert isinstance(net, Teacher)
    with autocast():
        logits = net(batch.mel)
    return _phone_loss(logits.float(), batch.phones, batch.soft)


def _late_answer(net: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits and curves about all frames but the last few, of which nothing is said in time."""
    assert isinstance(net, Listener)
    with autocast():
        answer = net(batch.mel, net.initial(len(batch.mel)))
    late = LOOK_AHEAD_FRAMES
    return answer.logits[:, late:].float(), torch.sigmoid(answer.curves[:, late:].float())


def _curve_errors(shown: Tensor, batch: Batch) -> Tensor:
    """Mean square, where the curves are known."""
    about = slice(0, shown.shape[1])
    true = batch.curves[:, about]
    silent = batch.phones[:, about, None] == PHONES.index("SIL")
    weights = (true >= 0) * (1 + _STILLNESS * silent)
    return ((shown - true) ** 2 * weights).sum() / weights.sum().clamp(min=1)


def _phone_loss(logits: Tensor, phones: Tensor, soft: Tensor) -> Tensor:
    """Cross entropy against the labels and, half and half where there is one, the teacher."""
    taught = soft.sum(2, keepdim=True) > 0
    hard = functional.one_hot(phones, len(PHONES)).float()
    target = torch.where(taught, 0.5 * hard + 0.5 * soft, hard)
    target = target * (1 - _SMOOTHING) + _SMOOTHING / len(PHONES)
    weights = torch.ones(len(PHONES))
    weights[[PHONES.index(name) for name in BILABIALS]] = _CLOSURE_WEIGHT
    # A frame weighs what the sound it shows weighs, whatever the network takes it for.
    per_frame = -(target * functional.log_softmax(logits, 2)).sum(2) * (target @ weights)
    return per_frame.mean()


def _schedule(done: float) -> float:
    """A short rise, then a cosine down to a hundredth."""
    return min(1.0, done / _WARM_UP + 0.02) * (0.505 + 0.495 * math.cos(math.pi * done))


def _save(
    path: Path, net: nn.Module, average: nn.Module, optimiser: Any, progress: tuple[float, int]
) -> None:
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "net": net.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "progress": progress,
        },
        partial,
    )
    partial.replace(path)


def _resume(path: Path, net: nn.Module, average: nn.Module, optimiser: Any) -> tuple[float, int]:
    """Loads what lies at `path`, if anything; the seconds spent and the steps taken so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return 0.0, 0
    checkpoint = torch.load(path, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    average.load_state_dict(checkpoint["average"])
    optimiser.load_state_dict(checkpoint["optimiser"])
    spent, steps = checkpoint["progress"]
    return spent, steps
