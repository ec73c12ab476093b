"""TensorRT in numpy, in the place of the module `tensorrt` or `tensorrt_rtx`, on a `FakeGpu`.

Its plans are descriptions in JSON. Its engines compute: each output depends on every number of
every input and on nothing else, so that a wrong address, order, size or moment gives a wrong
result. As the real one it raises nothing: it logs and returns `None` or `False`. It frees what
nobody holds. `test_tensorrt_surface.py` compares it with the real bindings.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.tensorrt.cuda import Cuda
from engines.backends.tensorrt.engine import Runtime as OurRuntime
from engines.backends.tensorrt.memory import DeviceMemory
from engines.types import ModelSpec
from tests.tensorrt_fake_cuda import FakeGpu, Stream

Shapes = Mapping[str, tuple[tuple[int, ...], str]]
"""Names, shapes and dtypes."""


class TensorIOMode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class TensorLocation(IntEnum):
    DEVICE = 0
    HOST = 1


class DataType(IntEnum):
    FLOAT = 0
    INT32 = 3
    UINT8 = 5


class ExecutionContextAllocationStrategy(IntEnum):
    STATIC = 0
    USER_MANAGED = 2


class CudaGraphStrategy(IntEnum):
    DISABLED = 0
    WHOLE_GRAPH_CAPTURE = 1


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1


class ILogger:
    Severity = Severity


ENUMS = (
    TensorIOMode,
    TensorLocation,
    DataType,
    ExecutionContextAllocationStrategy,
    CudaGraphStrategy,
)

_DTYPES = {DataType.FLOAT: np.float32, DataType.INT32: np.int32, DataType.UINT8: np.uint8}


def nptype(trt_type: DataType) -> type:
    return _DTYPES[trt_type]


def plan(
    inputs: Shapes,
    outputs: Shapes,
    *,
    activations: int = 4096,
    host: str = "",
    function: str = "",
) -> bytes:
    """A plan; `host`: a tensor that it wants on the host; `function`: one of the device's."""
    whole = {"inputs": inputs, "outputs": outputs, "activations": activations, "host": host}
    return b"plan" + json.dumps({**whole, "function": function}).encode()


def computed(
    inputs: Sequence[NDArray[Any]], shape: tuple[int, ...], dtype: str, which: int
) -> NDArray[Any]:
    """What an engine gives for its inputs, in their order, as its output number `which`."""
    whole = np.concatenate([each.astype(np.float64).ravel() for each in inputs])
    weights = 1 + np.arange(whole.size) % 7
    mixed = whole + (weights * whole).sum() + which
    if dtype == "uint8":
        mixed = np.floor(np.abs(mixed) * 100) % 256
    return np.resize(mixed, shape).astype(dtype)


class FakeLog(ILogger):
    """As `log.LOG`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening: list[list[str]] = []

    def log(self, severity: Severity, msg: str) -> None:
        with self._lock:
            for each in self._listening:
                each.append(msg)

    @contextmanager
    def errors(self) -> Iterator[list[str]]:
        heard: list[str] = []
        self._listening.append(heard)
        try:
            yield heard
        finally:
            self._listening = [each for each in self._listening if each is not heard]


class _Part:
    """Anything of TensorRT's: knows the device and the log, and is counted while it lives."""

    kind = ""

    def __init__(self, gpu: FakeGpu, log: FakeLog) -> None:
        self._gpu = gpu
        self._log = log
        gpu.parts[self.kind] += 1

    def __del__(self) -> None:
        self._gpu.parts[self.kind] -= 1

    def _fails(self, function: str) -> bool:
        """Whether the call is to fail; it logs why, or raises where that is how."""
        how = self._gpu.how(function)
        if how == "raise":
            raise RuntimeError(f"{function} raised")
        if how:
            self._log.log(Severity.ERROR, f"{function}: {how}")
        return bool(how)


class Runtime(_Part):
    kind = "runtimes"

    def __init__(self, gpu: FakeGpu, logger: FakeLog) -> None:
        super().__init__(gpu, logger)
        if self._fails("Runtime"):
            raise TypeError("factory function returned nullptr")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if self._fails("deserialize_cuda_engine"):
            return None
        if not serialized_engine.startswith(b"plan"):
            self._log.log(Severity.ERROR, "Serialization assertion failed")
            return None
        return ICudaEngine(self, json.loads(serialized_engine[4:]))


class ICudaEngine(_Part):
    kind = "engines"

    def __init__(self, runtime: Runtime, whole: dict[str, Any]) -> None:
        super().__init__(runtime._gpu, runtime._log)
        self._runtime = runtime
        self._inputs: Shapes = whole["inputs"]
        self._outputs: Shapes = whole["outputs"]
        self._host = whole["host"]
        self._function = whole["function"]
        self._all: dict[str, tuple[tuple[int, ...], str]] = {**self._inputs, **self._outputs}
        self.num_io_tensors = len(self._all)
        self.device_memory_size_v2 = int(whole["activations"])

    def get_tensor_name(self, index: int) -> str:
        return list(self._all)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        return self._all[name][0]

    def get_tensor_dtype(self, name: str) -> DataType:
        return next(
            key for key, each in _DTYPES.items() if np.dtype(each).name == self._all[name][1]
        )

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.HOST if name == self._host else TensorLocation.DEVICE

    def create_runtime_config(self) -> IRuntimeConfig | None:
        return None if self._fails("create_runtime_config") else IRuntimeConfig(self)

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy | IRuntimeConfig
    ) -> IExecutionContext | None:
        if self._fails("create_execution_context"):
            return None
        return IExecutionContext(self, strategy)


class IRuntimeConfig(_Part):
    kind = "configs"

    def __init__(self, engine: ICudaEngine) -> None:
        super().__init__(engine._gpu, engine._log)
        self._strategy = ExecutionContextAllocationStrategy.STATIC
        self._graphs = CudaGraphStrategy.DISABLED

    def set_execution_context_allocation_strategy(
        self, strategy: ExecutionContextAllocationStrategy
    ) -> None:
        if not self._fails("set_execution_context_allocation_strategy"):
            self._strategy = strategy

    @property
    def cuda_graph_strategy(self) -> CudaGraphStrategy:
        return self._graphs

    @cuda_graph_strategy.setter
    def cuda_graph_strategy(self, strategy: CudaGraphStrategy) -> None:
        if not self._fails("cuda_graph_strategy"):
            self._graphs = strategy


class IExecutionContext(_Part):
    kind = "contexts of engines"

    def __init__(
        self, engine: ICudaEngine, how: ExecutionContextAllocationStrategy | IRuntimeConfig
    ) -> None:
        super().__init__(engine._gpu, engine._log)
        self._engine = engine
        config = how if isinstance(how, IRuntimeConfig) else None
        managed = config._strategy if config else how
        self._managed = managed == ExecutionContextAllocationStrategy.USER_MANAGED
        self._records = config is not None and bool(config._graphs)
        self._addresses: dict[str, int] = {}
        self._memory = (0, 0)
        self._ran = False
        self._pending = [0]

    def __del__(self) -> None:
        self._gpu.check(not self._pending[0], "a context freed under work that is under way")
        super().__del__()

    def set_device_memory(self, memory: int, size: int) -> None:
        if not self._fails("set_device_memory"):
            self._gpu.check(size >= self._engine.device_memory_size_v2, "too little memory")
            self._memory = (memory, size)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if self._fails("set_tensor_address"):
            return False
        self._gpu.check(name in self._engine._all, f"an address of {name}, which is not there")
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if self._fails("execute_async_v3"):
            return False
        gpu, engine = self._gpu, self._engine
        with gpu.lock:
            stream = gpu.stream_of(stream_handle, "a frame")
            gpu.check(engine._all.keys() == self._addresses.keys(), "a frame without all addresses")
            needed = engine.device_memory_size_v2
            gpu.check(self._memory[0] or not needed or not self._managed, "a frame without memory")
            if stream.recording is not None and (self._records or not self._ran):
                stream.spoilt = True  # its first frame sets it up; it cannot record within a record
            self._ran = True
            self._put(stream, dict(self._addresses))
        return True

    def _put(self, stream: Stream, addresses: dict[str, int]) -> None:
        """Addresses are those of now, whatever is set later; so are those of a graph."""
        gpu, engine, memory, pending = self._gpu, self._engine, self._memory, self._pending

        def work() -> None:
            pending[0] = 0
            if gpu.computes:
                _frame(gpu, engine, addresses, memory)

        pending[0] = int(stream.recording is None)
        stream.put(work)


def _frame(
    gpu: FakeGpu, engine: ICudaEngine, addresses: dict[str, int], memory: tuple[int, int]
) -> None:
    if memory[1]:
        gpu.block(*memory, "a frame's own memory")[:] = 0x5A
    inputs = [
        gpu.block(addresses[name], _size(shape, dtype), f"the input {name}")
        .view(dtype)
        .reshape(shape)
        for name, (shape, dtype) in engine._inputs.items()
    ]
    whole = engine._outputs.items()
    if engine._function:
        results = gpu.functions[engine._function](*inputs)
    else:
        results = [
            computed(inputs, tuple(shape), dtype, which)
            for which, (_, (shape, dtype)) in enumerate(whole)
        ]
    for (name, (shape, dtype)), result in zip(whole, results, strict=True):
        out = gpu.block(addresses[name], _size(shape, dtype), f"the output {name}")
        out[:] = np.ascontiguousarray(result).view(np.uint8).ravel()


def _size(shape: Sequence[int], dtype: str) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


class FakeTrt:
    """The module; `FakeRtx` is that of TensorRT-RTX."""

    ILogger = ILogger
    TensorIOMode, TensorLocation, DataType, ExecutionContextAllocationStrategy, _ = ENUMS

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self.nptype = nptype

    def Runtime(self, logger: FakeLog) -> Runtime:  # noqa: N802
        return Runtime(self._gpu, logger)


class FakeRtx(FakeTrt):
    CudaGraphStrategy = CudaGraphStrategy


class Machine:
    """A fake device with a fake TensorRT and our runtime on it."""

    def __init__(
        self,
        gpu: FakeGpu | None = None,
        *,
        rtx: bool = False,
        share: float = 0.9,
        reserve: int = 1 << 20,
    ) -> None:
        self.gpu = gpu or FakeGpu()
        self.module = (FakeRtx if rtx else FakeTrt)(self.gpu)
        self.cuda = Cuda(self.gpu)
        self.memory = DeviceMemory(self.cuda, share=share, reserve=reserve)
        self.runtime = OurRuntime(self.module, FakeLog(), self.cuda, self.memory)


def spec(name: str = "net") -> ModelSpec:
    return ModelSpec(name, Path("net.onnx"), "")
