"""Small networks for tests of backends, as ONNX files; needs the package `onnx`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from engines.types import ModelSpec

SIDE = 16


def sampler(folder: Path, rank: int = 4, precision: str = "fp32") -> ModelSpec:
    """`picture` (1, 3, 16, 16) is convolved, `constant` added, and the sum read at `grid`.

    With rank 5 the sum is sampled as a volume of depth 1. With fp16 weights and layers are fp16,
    inputs and outputs fp32.
    """
    half = precision == "fp16"
    kind = np.float16 if half else np.float32
    weights = np.random.default_rng(1).normal(0, 0.3, (3, 3, 3, 3)).astype(kind)
    grid_shape = [1, SIDE, SIDE, 2] if rank == 4 else [1, 1, SIDE, SIDE, 3]
    out_shape = [1, 3, SIDE, SIDE] if rank == 4 else [1, 3, 1, SIDE, SIDE]

    def floats(name: str, shape: Sequence[int]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["picture"], ["p"], to=to),
        helper.make_node("Cast", ["constant"], ["c"], to=to),
        helper.make_node("Conv", ["p", "weights"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["y", "c"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["flat"], to=TensorProto.FLOAT),
    ]
    initializers = [numpy_helper.from_array(weights, "weights")]
    if rank == 5:
        shape = np.array([1, 3, 1, SIDE, SIDE], np.int64)
        initializers.append(numpy_helper.from_array(shape, "shape"))
        nodes.append(helper.make_node("Reshape", ["flat", "shape"], ["volume"]))
    source = "flat" if rank == 4 else "volume"
    nodes.append(helper.make_node("GridSample", [source, "grid"], ["out"], align_corners=0))
    inputs = [
        floats("picture", [1, 3, SIDE, SIDE]),
        floats("grid", grid_shape),
        floats("constant", [1, 3, SIDE, SIDE]),
    ]
    graph = helper.make_graph(nodes, "sampler", inputs, [floats("out", out_shape)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = folder / f"sampler{rank}.{precision}.onnx"
    content = model.SerializeToString()
    path.write_bytes(content)
    return ModelSpec("sampler", path, hashlib.sha256(content).hexdigest())


def inputs(seed: int = 0) -> tuple[np.ndarray[Any, np.dtype[np.float32]], ...]:
    """A picture, a grid that reaches over the edges, a constant."""
    random = np.random.default_rng(seed)
    picture = random.random((1, 3, SIDE, SIDE), np.float32)
    grid = random.uniform(-1.2, 1.2, (1, SIDE, SIDE, 2)).astype(np.float32)
    constant = random.normal(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    return picture, grid, constant
