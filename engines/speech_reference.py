"""The network that hears, run by torch: its file goes in, a function of arrays comes out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engines.export import runner
from engines.nets.speech.network import Answer, States
from engines.nets.speech.reading import read
from engines.parity import Run


def reference(path: Path) -> Run:
    """Takes and gives what the file does, in its order; needs torch and onnx."""
    net = read(path)

    def run(mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        answer: Answer = net(mel, States(*states))
        phones = torch.log_softmax(answer.logits + net.readiness, dim=2)
        return phones, torch.sigmoid(answer.curves), *answer.states

    return runner(run)
