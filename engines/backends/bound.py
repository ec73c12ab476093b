"""A network with some of its inputs fixed, for devices whose memory is the host's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from engines.backends import signature
from engines.backends.signature import Port
from engines.errors import EngineError
from engines.types import Network


class BoundNetwork:
    """Gives a network the same arrays for some of its inputs at each call; as thread-safe as it."""

    def __init__(
        self,
        network: Network,
        name: str,
        takes: Mapping[str, Port],
        constants: Mapping[str, NDArray[Any]],
    ) -> None:
        """`takes`: the network's inputs, in order.

        Raises `EngineError` for constants that are none of them, or do not fit.
        """
        signature.check_named(name, takes, constants)
        self._network: Network | None = network
        self._name = name
        self._takes = {input_: port for input_, port in takes.items() if input_ not in constants}
        self._constants = dict(constants)
        self._order = tuple(takes)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes of what is still to be given, in order."""
        self.outputs: Mapping[str, tuple[int, ...]] = network.outputs
        """Names and shapes of what comes out, in order."""

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with more of its inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep."""
        if self._network is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        given = {**self._constants, **dict(zip(self._takes, inputs, strict=True))}
        return self._network(*(given[input_] for input_ in self._order))

    def close(self) -> None:
        """Lets go of the arrays and the network, which stays open for others."""
        self._network = None
        self._constants.clear()
