"""A trained refiner becomes an ONNX file of static shapes; its weights are stored in 16 bits."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from engines.nets.refiner.network import PARTS, Refiner, window

OPSET = 18
_SMALL = 256
_TRIALS = 8


class _Shipped(nn.Module):
    """The network with its window, so that nothing can reach the rim of a crop."""

    def __init__(self, net: Refiner, side: int) -> None:
        super().__init__()
        self.net = net
        self.window: Tensor
        self.register_buffer("window", window(side))

    def forward(self, warped: Tensor, resting: Tensor, features: Tensor) -> Tensor:
        correction: Tensor = self.net(warped, resting, features)
        return correction * self.window


@dataclass(frozen=True, slots=True)
class Error:
    """How far ONNX Runtime is from torch on random inputs."""

    largest: float
    mean: float


def write(net: Refiner, part_name: str, path: Path, version: str) -> Error:
    """Writes `path` and compares it with the network it was made of."""
    part = PARTS[part_name]
    shipped = _Shipped(net, part.side).eval()
    # Two tensors: one given twice would become one input.
    warped, resting = torch.rand(2, 1, 3, part.side, part.side)
    inputs = (warped, resting, torch.randn(1, part.features))
    file = io.BytesIO()
    program = torch.onnx.export(
        shipped,
        inputs,
        input_names=["warped", "resting", "features"],
        output_names=["correction"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(file)
    model = onnx.load_from_string(file.getvalue())
    _halve(model)
    helper.set_model_props(model, {"part": part_name, "version": version})
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
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
        inputs = (
            torch.rand(1, 3, part.side, part.side, generator=generator),
            torch.rand(1, 3, part.side, part.side, generator=generator),
            torch.randn(1, part.features, generator=generator),
        )
        with torch.no_grad():
            expected = net(*inputs).numpy()
        names = ("warped", "resting", "features")
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        apart.append(np.abs(session.run(None, feed)[0] - expected))
    return Error(float(np.max(apart)), float(np.mean(apart)))
