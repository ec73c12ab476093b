"""Networks on a TensorRT engine: arrays go in, arrays come out; many threads, one engine.

A call takes a lane, runs one frame in it and gives it back. After a lane's first two frames it
allocates nothing on the device and waits for it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends.tensorrt.constants import Constants
from engines.backends.tensorrt.engine import Engine, Runtime, Tensor
from engines.backends.tensorrt.lane import Lane
from engines.backends.tensorrt.lanes import Lanes
from engines.backends.tensorrt.memory import DeviceMemory
from engines.errors import EngineError
from engines.types import ModelSpec, Seat

LANES = 16
"""How many sessions one network serves at once at most; memory is as a rule the narrower bound."""


def load(
    runtime: Runtime, plan: bytes, spec: ModelSpec, *, lanes: int = LANES, graphs: bool = True
) -> TensorRtNetwork:
    """A network of a compiled plan; its lanes are made by seats and calls, `lanes` at most.

    It takes its inputs in the order of `spec.inputs` and gives its outputs in that of
    `spec.outputs`; where these are empty, in the engine's own. `graphs`: whether frames are
    recorded as CUDA graphs. Raises `EngineError` where the plan cannot be loaded or is another
    network, `DeviceFull`, `DeviceLost`.
    """
    engine = Engine(runtime, plan, spec)

    def lane(inputs: Sequence[Tensor]) -> Lane:
        return Lane(engine, inputs, graphs=graphs)

    several = Lanes(f"the network {spec.name!r}", lane, engine.close, most=lanes)
    return TensorRtNetwork(engine, several, Constants(engine, {}, None), own=True)


class TensorRtNetwork:
    """An engine's network, or the same with some inputs bound. Thread-safe.

    Closing the first one refuses frames to all that are bound to it; their constants are freed when
    they are closed themselves.
    """

    def __init__(self, engine: Engine, lanes: Lanes, constants: Constants, *, own: bool) -> None:
        """`own`: whether engine and lanes go with it. Use `load`."""
        self._engine = engine
        self._lanes = lanes
        self._constants = constants
        self._own = own
        self._aside = Aside()
        self._tensors = [each for each in engine.inputs if each.name not in constants.addresses]
        self.inputs: Mapping[str, tuple[int, ...]] = {
            each.name: each.shape for each in self._tensors
        }
        """Names and shapes of what is still to be given, in order."""
        self.outputs: Mapping[str, tuple[int, ...]] = {
            each.name: each.shape for each in engine.outputs
        }
        """Names and shapes of what comes out, in order."""

    @property
    def memory(self) -> DeviceMemory:
        """The account that it and all other networks on its device draw on."""
        return self._engine.runtime.memory

    def bind(self, **constants: NDArray[Any]) -> TensorRtNetwork:
        """The same network with these inputs fixed: they cross to the device now, once.

        Raises `EngineError` for inputs that it does not have or that do not fit, `DeviceFull`.
        """
        known = {tensor.name: tensor for tensor in self._tensors}
        for name in constants.keys() - known.keys():
            raise EngineError(
                f"the network {self._engine.name!r} has no input {name!r} to bind; it has:"
                f" {', '.join(known) or 'none'}"
            )
        arrays = {known[name]: array for name, array in constants.items()}
        self._check(arrays)
        more = Constants(self._engine, arrays, self._constants)
        return TensorRtNetwork(self._engine, self._lanes, more, own=False)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs one frame; the arrays returned are the caller's to keep.

        Raises `EngineError` for inputs that do not fit, `DeviceFull` where a lane is needed and
        there is no room, `DeviceLost`.
        """
        if len(inputs) != len(self._tensors):
            raise EngineError(
                f"the network {self._engine.name!r} takes {len(self._tensors)} inputs"
                f" ({', '.join(self.inputs)}), not {len(inputs)}"
            )
        given = dict(zip(self._tensors, inputs, strict=True))
        self._check(given)
        # Outermost: who waits for a turn must hold nothing that another one waits for in its turn.
        with self._aside(), self._constants.held, self._lanes.lent(self._tensors) as lane:
            return lane.run(self._constants, given)

    def seat(self) -> Seat:
        """Room for one session more, allocated now, so that no frame of it has to wait or fail.

        Raises `DeviceFull`, before anything is allocated.
        """
        with self._constants.held:
            return self._lanes.grow(self._tensors)

    def close(self) -> None:
        """Takes no frame any more and frees what it holds, as soon as frames that run have ended.

        Does not wait for them. Calling it twice does no harm, nor does another thread's call.
        """
        self._constants.held.close()
        if self._own:
            self._lanes.close()

    def _check(self, arrays: Mapping[Tensor, NDArray[Any]]) -> None:
        for tensor, array in arrays.items():
            fault = _fault(tensor, array)
            if fault:
                raise EngineError(
                    f"the network {self._engine.name!r} takes {tensor.name!r} {fault}"
                )


def _fault(tensor: Tensor, array: NDArray[Any]) -> str:
    """What is wrong with an array that is to be this input; empty: nothing."""
    if array.shape != tensor.shape:
        return f"of {tensor.shape}, not of {array.shape}"
    if array.dtype != tensor.dtype:
        return f"as {tensor.dtype}, not as {array.dtype}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "of finite numbers only"
    return ""
