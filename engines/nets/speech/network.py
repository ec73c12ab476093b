"""The networks: the small causal one that serves, and its teacher, which hears both ways."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.log_mel import BANDS
from engines.phones import PHONES

_KERNEL = 5
_HELD = _KERNEL - 1


class States(NamedTuple):
    """What the causal network remembers; all zeros at the beginning."""

    first: Tensor
    """`(b, 80, 4)` the last frames heard."""
    second: Tensor
    """`(b, width, 4)` the first convolution's last outputs."""
    third: Tensor
    """`(1, b, memory)` the first recurrent layer's output."""
    third_cell: Tensor
    fourth: Tensor
    """The same of the second."""
    fourth_cell: Tensor


class Answer(NamedTuple):
    """What a network says about each frame."""

    logits: Tensor
    """`(b, t, 40)`."""
    curves: Tensor
    """`(b, t, k)` before the sigmoid."""
    states: States


class Listener(nn.Module):
    """Two causal convolutions, two recurrent layers, two small heads.

    It looks ahead by answering late: what it says after frame `i` is about frame `i − look_ahead`.
    """

    def __init__(self, curves: int, width: int = 144, memory: tuple[int, int] = (224, 192)) -> None:
        """`curves`: how many the second head has."""
        super().__init__()
        self.first = nn.Conv1d(BANDS, width, _KERNEL)
        self.second = nn.Conv1d(width, width, _KERNEL)
        # On processors, torch trains LSTMs three times as fast as GRUs.
        self.third = nn.LSTM(width, memory[0], batch_first=True)
        self.fourth = nn.LSTM(memory[0], memory[1], batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.phones = nn.Linear(sum(memory), len(PHONES))
        self.readiness: Tensor
        """Added to the logits of whoever asks what is said: how readily each phone is believed."""
        self.register_buffer("readiness", torch.zeros(len(PHONES)), persistent=False)
        self.curves = nn.Sequential(
            nn.Linear(memory[1] + len(PHONES), 64), nn.ReLU(), nn.Linear(64, curves)
        )

    def initial(self, size: int = 1) -> States:
        """Silence before the beginning."""
        third, fourth = self.third.hidden_size, self.fourth.hidden_size
        return States(
            torch.zeros(size, BANDS, _HELD),
            torch.zeros(size, self.first.out_channels, _HELD),
            *(torch.zeros(1, size, memory) for memory in (third, third, fourth, fourth)),
        )

    def forward(self, mel: Tensor, states: States) -> Answer:
        """`(b, t, 80)` further frames; `t` may be 1."""
        heard = torch.cat([states.first, mel.transpose(1, 2)], 2)
        low = functional.relu(self.first(heard))
        low_heard = torch.cat([states.second.to(low.dtype), low], 2)
        high = functional.relu(self.second(low_heard)).transpose(1, 2)
        third, third_after = self.third(high, (states.third, states.third_cell))
        fourth, fourth_after = self.fourth(self.dropout(third), (states.fourth, states.fourth_cell))
        logits = self.phones(self.dropout(torch.cat([third, fourth], 2)))
        # The curves are learnt on top of what the phones need, never against it.
        posteriors = functional.softmax(logits.detach().float(), 2)
        curves = self.curves(torch.cat([fourth.detach(), posteriors.to(fourth.dtype)], 2))
        held = heard[:, :, -_HELD:], low_heard[:, :, -_HELD:]
        return Answer(logits, curves, States(*held, *third_after, *fourth_after))


class Teacher(nn.Module):
    """Hears the whole utterance before it answers, and so knows better what was said when."""

    def __init__(self, width: int = 160, memory: int = 224) -> None:
        """Larger than what serves."""
        super().__init__()
        self.hearing = nn.Sequential(
            nn.Conv1d(BANDS, width, _KERNEL, padding="same"),
            nn.ReLU(),
            nn.Conv1d(width, width, _KERNEL, padding="same"),
            nn.ReLU(),
        )
        self.memory = nn.LSTM(
            width, memory, num_layers=2, batch_first=True, bidirectional=True, dropout=0.25
        )
        self.phones = nn.Sequential(nn.Dropout(0.25), nn.Linear(2 * memory, len(PHONES)))

    def forward(self, mel: Tensor) -> Tensor:
        """`(b, t, 80)` → `(b, t, 40)` logits."""
        heard = self.hearing(mel.transpose(1, 2)).transpose(1, 2)
        remembered, _ = self.memory(heard)
        logits: Tensor = self.phones(remembered)
        return logits
