"""What a network takes and gives: names, shapes and types, checked when it is loaded and called.

Runtimes differ in what they do with an array that does not fit: one refuses it in words of its own,
another converts it without a word. Checked here, all refuse alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

ANY = -1
"""A dimension that may have any size."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def takes(self, value: NDArray[Any]) -> bool:
        """Whether an array is of this type and shape."""
        return value.dtype == self.dtype and agree(value.shape, self.shape)


def agree(own: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether two shapes are the same; `ANY` agrees with any size."""
    return len(own) == len(expected) and all(
        ANY in (one, other) or one == other for one, other in zip(own, expected, strict=True)
    )


def declared(network: str, found: Mapping[str, Port], expected: Shapes) -> dict[str, Port]:
    """The file's own ports, in the order of `expected`, or in their own if it is empty.

    Raises `EngineError` where one is missing or has another shape.
    """
    for name, shape in expected.items():
        if name not in found or not agree(found[name].shape, shape):
            raise EngineError(
                f"the network {network!r} has {shapes(found)}, not {name!r} of {shape}; export it"
                " anew, or fetch the file that belongs to this version"
            )
    return {name: found[name] for name in expected or found}


def shapes(ports: Mapping[str, Port]) -> dict[str, tuple[int, ...]]:
    """Names and shapes alone."""
    return {name: port.shape for name, port in ports.items()}


def check(network: str, ports: Mapping[str, Port], values: Sequence[NDArray[Any]]) -> None:
    """Raises `EngineError` unless `values` are what the network takes, in order."""
    if len(values) != len(ports):
        raise EngineError(
            f"the network {network!r} takes {len(ports)} arrays ({', '.join(ports)}), not"
            f" {len(values)}"
        )
    for (name, port), value in zip(ports.items(), values, strict=True):
        if not port.takes(value):
            raise EngineError(
                f"the network {network!r} takes {name!r} of {port.shape} {port.dtype}, not of"
                f" {value.shape} {value.dtype}"
            )


def check_named(
    network: str, ports: Mapping[str, Port], values: Mapping[str, NDArray[Any]]
) -> None:
    """Raises `EngineError` unless each of `values` is what the network takes by that name."""
    for name, value in values.items():
        if name not in ports:
            raise EngineError(
                f"the network {network!r} has no input {name!r}; it has: {', '.join(ports)}"
            )
        check(network, {name: ports[name]}, (value,))
