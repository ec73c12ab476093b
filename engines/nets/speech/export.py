"""The trained listener becomes an ONNX file, written node by node: small, and of a fixed signature.

`mel (1, t, 80)` and six states go in; `phones (1, t, 40)` log-probabilities, `curves (1, t, k)` in
0…1 and the six next states come out. Input `state_x` takes what output `next_x` gave; at the
beginning all are zeros. Weights are stored in 16 bits and cast to 32 once, when the file is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from engines import atomic_file
from engines.articulation import CURVES
from engines.log_mel import BANDS
from engines.nets.speech.network import Listener, States
from engines.nets.speech.training import LOOK_AHEAD_FRAMES
from engines.phones import PHONES

_OPSET, _IR = 17, 9
_FLOAT = TensorProto.FLOAT


def write(net: Listener, path: Path, *, version: str, training_sha256: str) -> None:
    """Writes `path`, with the look-ahead, the curves' names and where it comes from inside."""
    model = _Graph(net).model()
    helper.set_model_props(
        model,
        {
            "look_ahead_frames": str(LOOK_AHEAD_FRAMES),
            "curves": json.dumps(CURVES),
            "phones": json.dumps(PHONES),
            "version": version,
            "training_sha256": training_sha256,
        },
    )
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write(path, model.SerializeToString())


class _Graph:
    """Nodes and weights of a listener."""

    def __init__(self, net: Listener) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._net = net

    def model(self) -> onnx.ModelProto:
        """The whole graph."""
        states = [f"state_{name}" for name in States._fields]
        after = [f"next_{name}" for name in States._fields]
        self._hear()
        self._remember()
        self._answer()
        shapes = [tuple(state.shape) for state in self._net.initial()]
        graph = helper.make_graph(
            self._nodes,
            "speech",
            [
                helper.make_tensor_value_info("mel", _FLOAT, (1, "frames", BANDS)),
                *map(_value, states, shapes),
            ],
            [
                helper.make_tensor_value_info("phones", _FLOAT, (1, "frames", len(PHONES))),
                helper.make_tensor_value_info("curves", _FLOAT, (1, "frames", len(CURVES))),
                *map(_value, after, shapes),
            ],
            self._weights,
        )
        imports = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(
            graph, producer_name="visavis", ir_version=_IR, opset_imports=imports
        )

    def _hear(self) -> None:
        """Frames of 80 bands to frames of features, `(t, 1, width)`."""
        self._add("Transpose", ["mel"], ["bands"], perm=(0, 2, 1))
        self._convolve(self._net.first, "first", "bands", "low")
        self._convolve(self._net.second, "second", "low", "high")
        self._add("Transpose", ["high"], ["heard"], perm=(2, 0, 1))

    def _remember(self) -> None:
        """Both recurrent layers."""
        self._recur(self._net.third, "third", "heard")
        self._recur(self._net.fourth, "fourth", "third")

    def _answer(self) -> None:
        """Both heads."""
        self._add("Concat", ["third", "fourth"], ["remembered"], axis=2)
        self._linear(self._net.phones, "phones", "remembered", "logits")
        readiness = self._weight("readiness", self._net.readiness)
        self._add("Add", ["logits", readiness], ["ready_logits"])
        self._add("LogSoftmax", ["ready_logits"], ["log_probabilities"], axis=2)
        self._add("Softmax", ["logits"], ["probabilities"], axis=2)
        self._add("Concat", ["fourth", "probabilities"], ["known"], axis=2)
        hidden, last = self._net.curves[0], self._net.curves[2]
        assert isinstance(hidden, nn.Linear)
        assert isinstance(last, nn.Linear)
        self._linear(hidden, "curves_hidden", "known", "hidden_sums")
        self._add("Relu", ["hidden_sums"], ["hidden"])
        self._linear(last, "curves_last", "hidden", "curve_sums")
        self._add("Sigmoid", ["curve_sums"], ["curves_in_time"])
        for inner, outer in (("log_probabilities", "phones"), ("curves_in_time", "curves")):
            self._add("Transpose", [inner], [outer], perm=(1, 0, 2))

    def _convolve(self, layer: nn.Conv1d, name: str, given: str, out: str) -> None:
        held = layer.kernel_size[0] - 1
        weight = self._weight(f"{name}.weight", layer.weight)
        assert layer.bias is not None
        bias = self._weight(f"{name}.bias", layer.bias)
        self._add("Concat", [f"state_{name}", given], [f"{name}_given"], axis=2)
        self._add("Conv", [f"{name}_given", weight, bias], [f"{name}_sums"])
        self._add("Relu", [f"{name}_sums"], [out])
        starts, ends, axes = (
            self._constant(f"{name}.{which}", np.array([value], np.int64))
            for which, value in (("from", -held), ("to", np.iinfo(np.int64).max), ("axis", 2))
        )
        self._add("Slice", [f"{name}_given", starts, ends, axes], [f"next_{name}"])

    def _recur(self, layer: nn.LSTM, name: str, given: str) -> None:
        weights = [
            self._weight(f"{name}.{kind}", _gates(getattr(layer, f"{kind}_l0"))[None])
            for kind in ("weight_ih", "weight_hh")
        ]
        biases = torch.cat([_gates(layer.bias_ih_l0), _gates(layer.bias_hh_l0)])
        bias = self._weight(f"{name}.bias", biases[None])
        states = [f"state_{name}", f"state_{name}_cell"]
        self._add(
            "LSTM",
            [given, *weights, bias, "", *states],
            [f"{name}_rows", f"next_{name}", f"next_{name}_cell"],
            hidden_size=layer.hidden_size,
        )
        axis = self._constant(f"{name}.direction", np.array([1], np.int64))
        self._add("Squeeze", [f"{name}_rows", axis], [name])

    def _linear(self, layer: nn.Linear, name: str, given: str, out: str) -> None:
        weight = self._weight(f"{name}_head.weight", layer.weight.T)
        bias = self._weight(f"{name}_head.bias", layer.bias)
        self._add("MatMul", [given, weight], [f"{name}_products"])
        self._add("Add", [f"{name}_products", bias], [out])

    def _weight(self, name: str, value: Tensor) -> str:
        """Stored in half precision; the name of the cast to float."""
        half = value.detach().numpy().astype(np.float16)
        stored = self._constant(f"{name}.half", np.ascontiguousarray(half))
        self._add("Cast", [stored], [name], to=_FLOAT)
        return name

    def _constant(self, name: str, value: np.ndarray) -> str:
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def _add(self, kind: str, given: list[str], out: list[str], **attributes: object) -> None:
        self._nodes.append(helper.make_node(kind, given, out, **attributes))


def _gates(rows: Tensor) -> Tensor:
    """From torch's order of gates (input, forget, cell, output) to ONNX's (i, o, f, c)."""
    i, f, c, o = rows.chunk(4)
    return torch.cat([i, o, f, c])


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _FLOAT, shape)
