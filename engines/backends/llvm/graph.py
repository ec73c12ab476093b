"""A `.tflite` file goes in, its operations and constants come out (schema: LiteRT's own)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from engines.errors import EngineError

_KINDS = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)
}
_DTYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}


class Operation(NamedTuple):
    """One node of the graph."""

    kind: str
    """As the schema names it, in capitals."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]


class Graph:
    """The operations in the order in which they run; constants are named where they are stored."""

    def __init__(self, content: bytes) -> None:
        """Raises `EngineError` where the file is no such model."""
        try:
            model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(content), 0))
            (self._graph,) = model.subgraphs
            self._buffers = model.buffers
            codes = [
                max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes
            ]
            operations = [_operation(node, codes) for node in self._graph.operators]
        except Exception as error:  # the reader has no errors of its own
            raise EngineError("the file is no .tflite model; fetch it anew") from error
        # Half-precision weights are widened by operations of the graph.
        self._stored = {
            node.outputs[0]: node.inputs[0] for node in operations if node.kind == "DEQUANTIZE"
        }
        self.operations = [node for node in operations if node.kind != "DEQUANTIZE"]
        (self.input,) = map(int, self._graph.inputs)
        self.outputs = {self._name(int(number)): int(number) for number in self._graph.outputs}
        """Their tensors, by name."""

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Of a tensor."""
        return tuple(map(int, self._graph.tensors[tensor].shape))

    @property
    def input_name(self) -> str:
        """Of the one input."""
        return self._name(self.input)

    def is_stored(self, tensor: int) -> bool:
        """Whether its values are in the file."""
        return (
            self._buffers[self._graph.tensors[self._stored.get(tensor, tensor)].buffer].data
            is not None
        )

    def constant(self, tensor: int) -> NDArray[np.float32]:
        """The values of a tensor that is stored in the file; raises `EngineError`."""
        found = self._graph.tensors[self._stored.get(tensor, tensor)]
        data = self._buffers[found.buffer].data
        if data is None or found.type not in _DTYPES:
            raise EngineError("the file has no numbers where its weights should be; fetch it anew")
        values = np.frombuffer(bytes(data), _DTYPES[found.type])
        return values.reshape(found.shape).astype(np.float32)

    def _name(self, tensor: int) -> str:
        return str(self._graph.tensors[tensor].name.decode())


def _operation(node: Any, codes: list[int]) -> Operation:
    options = vars(node.builtinOptions) if node.builtinOptions is not None else {}
    return Operation(
        _KINDS[codes[node.opcodeIndex]],
        tuple(map(int, node.inputs)),
        tuple(map(int, node.outputs)),
        options,
    )
