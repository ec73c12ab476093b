"""A network with some of its inputs fixed, for devices whose memory is the host's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from engines.errors import EngineError
from engines.types import Network


class BoundNetwork:
    """Gives a network the same arrays for some of its inputs at each call; as thread-safe as it."""

    def __init__(self, network: Network, name: str, constants: Mapping[str, NDArray[Any]]) -> None:
        """Raises `EngineError` for inputs that the network does not have, or of other shapes."""
        for input_, value in constants.items():
            shape = network.inputs.get(input_)
            if shape is None:
                known = ", ".join(network.inputs)
                raise EngineError(f"the network {name!r} has no input {input_!r}; it has: {known}")
            if len(shape) != value.ndim or any(
                size not in (-1, own) for size, own in zip(shape, value.shape, strict=True)
            ):
                raise EngineError(
                    f"the network {name!r} takes {input_!r} of {shape}, not of {value.shape}"
                )
        self._network: Network | None = network
        self._name = name
        self._constants = dict(constants)
        self.inputs: Mapping[str, tuple[int, ...]] = {
            input_: shape for input_, shape in network.inputs.items() if input_ not in constants
        }
        """Names and shapes of what is still to be given, in order."""
        self.outputs: Mapping[str, tuple[int, ...]] = network.outputs
        """Names and shapes of what comes out, in order."""
        self._order = tuple(network.inputs)

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with more of its inputs fixed."""
        return BoundNetwork(self, self._name, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep."""
        if self._network is None:
            raise EngineError(f"the network {self._name!r} was closed")
        given = {**self._constants, **dict(zip(self.inputs, inputs, strict=True))}
        return self._network(*(given[input_] for input_ in self._order))

    def close(self) -> None:
        """Lets go of the arrays and the network, which stays open for others."""
        self._network = None
        self._constants.clear()
