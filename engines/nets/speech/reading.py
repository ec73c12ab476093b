"""The listener's file becomes the torch network again that it was written of (`export.write`)."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from engines.nets.speech.network import Listener

Weights = dict[str, Tensor]


def read(path: Path) -> Listener:
    """The network with the file's weights, ready to serve; `KeyError` where it is another file."""
    stored = {
        each.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in onnx.load(path).graph.initializer
    }
    given = {name: value.float() for name, value in stored.items() if value.is_floating_point()}
    weights: Weights = {
        **{f"{name}.{kind}": given[f"{name}.{kind}"] for name, kind in _pairs("first", "second")},
        **_recurrent("third", given),
        **_recurrent("fourth", given),
        **_linear("phones", "phones", given),
        **_linear("curves.0", "curves_hidden", given),
        **_linear("curves.2", "curves_last", given),
    }
    memory = tuple(weights[f"{name}.weight_hh_l0"].shape[1] for name in ("third", "fourth"))
    net = Listener(
        len(weights["curves.2.bias"]), len(weights["first.bias"]), (memory[0], memory[1])
    )
    net.load_state_dict(weights)
    net.readiness.copy_(given["readiness"])
    return net.eval().requires_grad_(False)


def _pairs(*names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names for kind in ("weight", "bias")]


def _recurrent(name: str, given: Weights) -> Weights:
    own, other = given[f"{name}.bias"][0].chunk(2)
    return {
        f"{name}.weight_ih_l0": _gates(given[f"{name}.weight_ih"][0]),
        f"{name}.weight_hh_l0": _gates(given[f"{name}.weight_hh"][0]),
        f"{name}.bias_ih_l0": _gates(own),
        f"{name}.bias_hh_l0": _gates(other),
    }


def _linear(name: str, stored: str, given: Weights) -> Weights:
    return {
        f"{name}.weight": given[f"{stored}_head.weight"].T,
        f"{name}.bias": given[f"{stored}_head.bias"],
    }


def _gates(rows: Tensor) -> Tensor:
    """From ONNX's order of gates (input, output, forget, cell) to torch's (i, f, c, o)."""
    i, o, f, c = rows.chunk(4)
    return torch.cat([i, f, c, o])
