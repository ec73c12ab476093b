"""A trained refiner becomes an ONNX file of static shapes; its weights are stored in 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from engines import atomic_file
from engines.export import Exportable, to_onnx
from engines.nets.portrait.linears import without_linears
from engines.nets.refiner.network import PARTS, Refiner, window

_SMALL = 256
_TRIALS = 8


class _Shipped(nn.Module):
    """The network with its window, so that nothing can reach the rim of a crop."""

    def __init__(self, net: Refiner, side: int) -> None:
        super().__init__()
        self.net = without_linears(net)
        self.window: Tensor
        self.register_buffer("window", window(side))

    def forward(self, warped: Tensor, resting: Tensor, features: Tensor) -> Tensor:
        correction: Tensor = self.net(warped, resting, features)
        return correction * self.window


@dataclass(frozen=True, slots=True)
class Error:
    """How far ONNX Runtime is from torch on smooth random inputs."""

    largest: float
    mean: float


def write(net: Refiner, part_name: str, path: Path, version: str) -> Error:
    """Writes `path` and compares it with the network it was made of."""
    part = PARTS[part_name]
    shipped = _Shipped(net, part.side).eval()
    crop = (1, 3, part.side, part.side)
    inputs = {"warped": crop, "resting": crop, "features": (1, part.features)}
    model = to_onnx(Exportable(f"refiner_{part_name}", "fp32", shipped, inputs, ("correction",)))
    _halve(model)
    helper.set_model_props(model, {"part": part_name, "version": version})
    onnx.checker.check_model(model, full_check=True)
    atomic_file.write(path, model.SerializeToString(deterministic=True))
    return _compare(shipped, path, part_name)


def _halve(model: onnx.ModelProto) -> None:
    """Stores large weights as float16; they are cast once, when the file is loaded."""
    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= _SMALL:
            continue
        graph.initializer.remove(weight)
        stored = f"{weight.name}.half"
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [weight.name], to=TensorProto.FLOAT, name=stored)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _compare(net: nn.Module, path: Path, part_name: str) -> Error:
    part = PARTS[part_name]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    apart = []
    for _ in range(_TRIALS):
        # As smooth as pictures are: noise is nothing that the network was made for.
        coarse = torch.rand(2, 1, 3, part.side // 8, part.side // 8, generator=generator)
        warped, resting = (
            functional.interpolate(crop, (part.side, part.side), mode="bicubic").clamp(0, 1)
            for crop in coarse
        )
        inputs = (warped, resting, 0.3 * torch.randn(1, part.features, generator=generator))
        with torch.no_grad():
            expected = net(*inputs).numpy()
        names = ("warped", "resting", "features")
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        apart.append(np.abs(session.run(None, feed)[0] - expected))
    return Error(float(np.max(apart)), float(np.mean(apart)))
