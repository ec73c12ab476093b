"""Inputs that stay the same for many frames: they cross to the device once, all lanes read them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.tensorrt.engine import Engine, Tensor
from engines.backends.tensorrt.held import Held

_numbers = itertools.count()


class Constants:
    """Arrays on the device, freed when they were closed and no frame reads them."""

    def __init__(
        self, engine: Engine, arrays: Mapping[Tensor, NDArray[Any]], more_of: Constants | None
    ) -> None:
        """`more_of`: others that go with them, and stay as long as these do.

        Raises `DeviceFull`, and `EngineError` where the others were closed.
        """
        self.number = next(_numbers)
        """Tells it from all others that there ever were."""
        with ExitStack() as opened:
            if more_of is not None:
                opened.enter_context(more_of.held)
            inherited = more_of.addresses if more_of is not None else {}
            self.addresses: Mapping[str, int] = {**inherited, **_uploaded(engine, arrays, opened)}
            """Where each input lies."""
            self.held: Held = Held(f"the network {engine.name!r}", opened.pop_all().close)
            """A frame is a use of it."""


def _uploaded(
    engine: Engine, arrays: Mapping[Tensor, NDArray[Any]], opened: ExitStack
) -> dict[str, int]:
    if not arrays:
        return {}
    cuda = engine.runtime.cuda
    size = sum(tensor.size for tensor in arrays)
    claim = engine.runtime.memory.claim(size, f"what is bound to {engine.name!r}")
    opened.callback(claim.close)
    addresses: dict[str, int] = {}
    with ExitStack() as passing:
        stream = cuda.stream()
        passing.callback(cuda.drop_stream, stream)
        for tensor, array in arrays.items():
            address = addresses[tensor.name] = cuda.allocate(tensor.size)
            opened.callback(cuda.free, address)
            pinned = cuda.pin(tensor.size)
            passing.callback(cuda.unpin, pinned)
            passing.callback(cuda.settle, stream)
            view = cuda.view(pinned, tensor.size).view(tensor.dtype).reshape(tensor.shape)
            np.copyto(view, array)
            cuda.to_device(address, pinned, tensor.size, stream)
        cuda.finish(stream)
    return addresses
