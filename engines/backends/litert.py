"""LiteRT on the CPU: a `.tflite` file (or one in a zip archive) goes in, a `Network` comes out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends import signature
from engines.backends.bound import BoundNetwork
from engines.backends.signature import Port
from engines.errors import EngineError
from engines.types import Examined, ModelSpec, Network


class LiteRt:
    """The backend."""

    name = "litert"

    def examine(self) -> Examined:
        """Whether it works on this machine: where this module can be imported, it does."""
        return Examined(True, version("ai-edge-litert"), "CPU")

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> LitertNetwork:
        """A network that runs on `threads` threads; one is fastest for nets of a few milliseconds.

        Its outputs come in the order of `spec.outputs`. Raises `EngineError` where the file is not
        such a model, or has other inputs or outputs than the spec says.
        """
        return LitertNetwork(spec, threads)


load = LiteRt()
"""The backend; called, it loads a network."""


class LitertNetwork:
    """One interpreter with its buffers. Not thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        """See `LiteRt.__call__`."""
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
        taken, given = interpreter.get_input_details(), interpreter.get_output_details()
        self._takes = signature.declared(spec.name, _ports(taken), spec.inputs)
        gives = signature.declared(spec.name, _ports(given), spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(gives)
        """Names and shapes, in the order in which they are given."""
        self._inputs = _numbers(taken, self._takes)
        self._outputs = _numbers(given, gives)
        self._interpreter: Interpreter | None = interpreter
        self._aside = Aside()

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep.

        Raises `EngineError` for arrays that the network does not take; the next call works.
        """
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        for index, value in zip(self._inputs, inputs, strict=True):
            interpreter.set_tensor(index, value)
        with self._aside():
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


def _ports(details: list[dict[str, Any]]) -> dict[str, Port]:
    return {
        detail["name"]: Port(tuple(map(int, detail["shape"])), np.dtype(detail["dtype"]))
        for detail in details
    }


def _numbers(details: list[dict[str, Any]], ports: Mapping[str, Port]) -> list[int]:
    """The interpreter's own numbers of some tensors, in order."""
    numbers = {detail["name"]: int(detail["index"]) for detail in details}
    return [numbers[name] for name in ports]
