"""One frame at a time goes through a lane: a stream, a context, and memory for both ends.

```
arrays ─copy─► pinned ─queue─► device ─► context ─► device ─queue─► pinned ─copy─► arrays
               └──────────── one graph, once it was recorded ────────────┘ ▲ one wait, asleep
```
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.tensorrt.constants import Constants
from engines.backends.tensorrt.engine import Engine, Tensor
from engines.backends.tensorrt.graph import Graphs
from engines.errors import DeviceLost, EngineError

_log = logging.getLogger(__name__)


class Slot:
    """A tensor's two ends, pinned and on the device."""

    def __init__(self, engine: Engine, tensor: Tensor, opened: ExitStack) -> None:
        """Raises `DeviceFull`; `opened` frees it."""
        cuda = engine.runtime.cuda
        self.tensor = tensor
        self.address = cuda.allocate(tensor.size)
        opened.callback(cuda.free, self.address)
        self.pinned = cuda.pin(tensor.size)
        opened.callback(cuda.unpin, self.pinned)
        flat = cuda.view(self.pinned, tensor.size)
        self.array: NDArray[Any] = flat.view(tensor.dtype).reshape(tensor.shape)
        """The pinned end."""


class Lane:
    """All that a frame needs, allocated beforehand. Not thread-safe: `Lanes` lends it out."""

    def __init__(self, engine: Engine, inputs: Sequence[Tensor], *, graphs: bool = True) -> None:
        """For frames that bring these inputs. Raises `DeviceFull` before anything is allocated.

        `graphs`: whether frames are recorded and replayed where that is possible.
        """
        self.thread = 0
        """Who used it last."""
        self._engine = engine
        self._cuda = engine.runtime.cuda
        self._records = graphs and not engine.captures_itself
        self._ran = False
        self._set: int | None = None
        self._inputs: dict[str, Slot] = {}
        with ExitStack() as opened:
            tensors = (*inputs, *engine.outputs, *engine.unwanted)
            self._claim(engine.activations + sum(each.size for each in tensors), opened)
            self._memory = opened.enter_context(ExitStack())
            self._open(opened, graphs=graphs)
            for tensor in inputs:
                self._inputs[tensor.name] = Slot(engine, tensor, self._memory)
            self._opened = opened.pop_all()

    def _open(self, opened: ExitStack, *, graphs: bool) -> None:
        engine, cuda = self._engine, self._cuda
        self._stream = cuda.stream()
        opened.callback(cuda.drop_stream, self._stream)
        self._event = cuda.event()
        opened.callback(cuda.drop_event, self._event)
        self._outputs = [Slot(engine, tensor, self._memory) for tensor in engine.outputs]
        unwanted = [(each.name, self._allocated(each.size)) for each in engine.unwanted]
        activations = self._allocated(engine.activations) if engine.activations else 0
        self._context = engine.context(graphs=graphs)
        opened.callback(self.__dict__.pop, "_context")  # TensorRT frees what nobody holds
        if activations:
            give = self._context.set_device_memory
            engine.runtime.tell("set_device_memory", give, activations, engine.activations)
        for name, address in [
            (each.tensor.name, each.address) for each in self._outputs
        ] + unwanted:
            self._point(name, address)
        self._graphs = Graphs(cuda, self._stream)
        opened.callback(self._graphs.close)
        opened.callback(cuda.settle, self._stream)

    def make_ready(self, inputs: Sequence[Tensor]) -> None:
        """Allocates what frames that bring these inputs need beside what is there already."""
        missing = [tensor for tensor in inputs if tensor.name not in self._inputs]
        if missing:
            self._claim(sum(tensor.size for tensor in missing), self._memory)
            for tensor in missing:
                self._inputs[tensor.name] = Slot(self._engine, tensor, self._memory)

    def run(
        self, constants: Constants, inputs: Mapping[Tensor, NDArray[Any]]
    ) -> Sequence[NDArray[Any]]:
        """One frame: the outputs, which are the caller's.

        After an error the lane is to be closed: what it had begun may still be on its way.
        """
        cuda = self._cuda
        self.make_ready(tuple(inputs))
        for tensor, array in inputs.items():
            np.copyto(self._inputs[tensor.name].array, array)
        if not self._graphs.replay(constants.number):
            self._begin(constants, tuple(inputs))
        cuda.record(self._event, self._stream)
        cuda.wait(self._event)
        return [slot.array.copy() for slot in self._outputs]

    def close(self) -> None:
        """Frees it all, when its work has ended; calling it twice does no harm."""
        self._opened.close()

    def _begin(self, constants: Constants, inputs: Sequence[Tensor]) -> None:
        """Queues a frame that is not recorded yet, or records it and queues that."""
        if self._set != constants.number:
            for tensor in self._engine.inputs:
                bound = constants.addresses.get(tensor.name)
                self._point(tensor.name, bound or self._inputs[tensor.name].address)
            self._set = constants.number
        # TensorRT sets itself up in a context's first frame, which therefore cannot be recorded.
        if self._records and self._ran and self._record(constants, inputs):
            self._graphs.replay(constants.number)
            return
        self._queue(inputs)
        self._ran = True

    def _record(self, constants: Constants, inputs: Sequence[Tensor]) -> bool:
        try:
            self._graphs.record(constants.number, lambda: self._queue(inputs))
        except DeviceLost:
            raise
        except EngineError as error:
            self._records = False
            # Its words, not itself: a record that is kept would keep this lane.
            name, why = self._engine.name, str(error)
            _log.warning("the network %r runs without CUDA graphs: %s", name, why)
            return False
        return True

    def _queue(self, inputs: Sequence[Tensor]) -> None:
        cuda, stream = self._cuda, self._stream
        for tensor in inputs:
            slot = self._inputs[tensor.name]
            cuda.to_device(slot.address, slot.pinned, tensor.size, stream)
        try:
            self._engine.runtime.ask("execute_async_v3", self._context.execute_async_v3, stream)
        except EngineError:
            cuda.settle(stream)  # where the device is why, this finds out
            cuda.use()
            raise
        for slot in self._outputs:
            cuda.to_host(slot.pinned, slot.address, slot.tensor.size, stream)

    def _point(self, name: str, address: int) -> None:
        ask = self._engine.runtime.ask
        ask("set_tensor_address", self._context.set_tensor_address, name, address)

    def _allocated(self, size: int) -> int:
        address = self._cuda.allocate(size)
        self._memory.callback(self._cuda.free, address)
        return address

    def _claim(self, size: int, opened: ExitStack) -> None:
        what = f"one more lane of {self._engine.name!r}"
        opened.callback(self._engine.runtime.memory.claim(size, what).close)
