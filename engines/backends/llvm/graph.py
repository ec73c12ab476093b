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
            self._model = schema.Model.GetRootAsModel(content, 0)
            if self._model.SubgraphsLength() != 1:
                raise ValueError
            self._graph = self._model.Subgraphs(0)
            codes = [
                self._model.OperatorCodes(number)
                for number in range(self._model.OperatorCodesLength())
            ]
            kinds = [
                _KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes
            ]
            operations = [
                _operation(self._graph.Operators(number), kinds)
                for number in range(self._graph.OperatorsLength())
            ]
            (self.input,) = _whole(self._graph.InputsAsNumpy())
            outputs = _whole(self._graph.OutputsAsNumpy())
            self.outputs = {self._name(number): number for number in outputs}
            """Their tensors, by name."""
        except Exception as error:  # the reader has no errors of its own
            raise EngineError("the file is no .tflite model; fetch it anew") from error
        # Half-precision weights are widened by operations of the graph.
        self._stored = {
            node.outputs[0]: node.inputs[0] for node in operations if node.kind == "DEQUANTIZE"
        }
        self.operations = [node for node in operations if node.kind != "DEQUANTIZE"]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Of a tensor."""
        return _whole(self._graph.Tensors(tensor).ShapeAsNumpy())

    @property
    def input_name(self) -> str:
        """Of the one input."""
        return self._name(self.input)

    def is_stored(self, tensor: int) -> bool:
        """Whether its values are in the file."""
        return not self._buffer(self._held(tensor)).DataIsNone()

    def constant(self, tensor: int) -> NDArray[np.float32]:
        """The values of a tensor that is stored in the file; raises `EngineError`."""
        found = self._held(tensor)
        data, dtype = self._buffer(found), _DTYPES.get(found.Type())
        if data.DataIsNone() or dtype is None:
            raise EngineError("the file has no numbers where its weights should be; fetch it anew")
        values = np.asarray(data.DataAsNumpy()).view(dtype)
        return values.reshape(_whole(found.ShapeAsNumpy())).astype(np.float32)

    def _held(self, tensor: int) -> Any:
        """The tensor that is stored in the file."""
        return self._graph.Tensors(self._stored.get(tensor, tensor))

    def _buffer(self, tensor: Any) -> Any:
        return self._model.Buffers(tensor.Buffer())

    def _name(self, tensor: int) -> str:
        return str(self._graph.Tensors(tensor).Name().decode())


def _operation(node: Any, kinds: list[str]) -> Operation:
    kind = kinds[node.OpcodeIndex()]
    options: Mapping[str, Any] = {}
    if kind != "DEQUANTIZE" and node.BuiltinOptions() is not None:
        found = schema.BuiltinOptionsCreator(node.BuiltinOptionsType(), node.BuiltinOptions())
        options = vars(found) if found is not None else {}
    return Operation(kind, _whole(node.InputsAsNumpy()), _whole(node.OutputsAsNumpy()), options)


def _whole(numbers: NDArray[np.int32] | int) -> tuple[int, ...]:
    """A list of the file's; where it has none, the reader says 0."""
    return () if isinstance(numbers, int) else tuple(numbers.tolist())
