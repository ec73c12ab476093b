"""LiteRT on the CPU: a `.tflite` file (or one in a zip archive) goes in, a `Network` comes out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from engines.backends.bound import BoundNetwork
from engines.errors import EngineError
from engines.types import ModelSpec, Network


def load(spec: ModelSpec, *, threads: int = 1) -> Network:
    """A network that runs on `threads` threads; one is fastest for nets of a few milliseconds.

    Its outputs come in the order of `spec.outputs`. Raises `EngineError` where the file is not such
    a model, or has other inputs or outputs than the spec says.
    """
    return LitertNetwork(spec, threads)


class LitertNetwork:
    """One interpreter with its buffers. Not thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        """See `load`."""
        self._name = spec.name
        try:
            content = _content(spec)
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise EngineError(
                f"the network {spec.name!r} cannot be loaded ({error}); remove its file"
                " so that it is fetched anew"
            ) from error
        taken = _tensors(spec, interpreter.get_input_details(), spec.inputs)
        given = _tensors(spec, interpreter.get_output_details(), spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = {n: shape for n, (_, shape) in taken.items()}
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = {n: shape for n, (_, shape) in given.items()}
        """Names and shapes, in the order in which they are given."""
        self._inputs = [index for index, _ in taken.values()]
        self._outputs = [index for index, _ in given.values()]
        self._interpreter: Interpreter | None = interpreter

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep."""
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineError(f"the network {self._name!r} was closed")
        for index, value in zip(self._inputs, inputs, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._outputs]

    def close(self) -> None:
        """Frees the interpreter; calling it twice does no harm."""
        self._interpreter = None


def _content(spec: ModelSpec) -> bytes:
    if not spec.member:
        return spec.path.read_bytes()
    with zipfile.ZipFile(spec.path) as archive:
        return archive.read(spec.member)


def _tensors(
    spec: ModelSpec, details: list[dict[str, Any]], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Tensor numbers and shapes in the order of `expected`, or in the file's own if it is empty."""
    found = {
        detail["name"]: (detail["index"], tuple(map(int, detail["shape"]))) for detail in details
    }
    for name, shape in expected.items():
        if name not in found or found[name][1] != shape:
            have = {key: own for key, (_, own) in found.items()}
            raise EngineError(f"the network {spec.name!r} has {have}, not {name!r} of {shape}")
    return {name: found[name] for name in expected or found}
