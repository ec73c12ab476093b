"""A compiled plan goes in, an engine on the device comes out: weights that all lanes share.

TensorRT raises next to nothing: what goes wrong is a `None` or a `False` and a line in its log. All
its calls go through `Runtime.ask`, which makes errors of ours of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from engines.backends.tensorrt.cuda import Cuda
from engines.backends.tensorrt.memory import DeviceMemory
from engines.errors import DeviceFull, DeviceLost, EngineError
from engines.types import ModelSpec

if TYPE_CHECKING:
    import tensorrt as trt

_OUT_OF_MEMORY = ("out of memory", "outofmemory", "cudaerrormemoryallocation")

T = TypeVar("T")


class Log(Protocol):
    """TensorRT's logger, of which there is one in a process (`log.LOG`)."""

    def errors(self) -> AbstractContextManager[Sequence[str]]:
        """The errors written meanwhile."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of an engine."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Runtime:
    """TensorRT on one device."""

    def __init__(self, module: Any, log: Log, cuda: Cuda, memory: DeviceMemory) -> None:
        """`module`: `tensorrt` or `tensorrt_rtx`; there has to be a driver, or the process dies."""
        self.module = module
        self.cuda = cuda
        self.memory = memory
        self._log = log
        cuda.use()
        self._runtime: trt.Runtime = self.ask("Runtime", module.Runtime, log)

    def deserialize(self, plan: bytes) -> trt.ICudaEngine:
        """The engine of a plan; raises `EngineError`, `DeviceFull`."""
        return self.ask("deserialize_cuda_engine", self._runtime.deserialize_cuda_engine, plan)

    def ask(self, what: str, call: Callable[..., T | None], *arguments: Any) -> T:
        """What the call gives; raises `EngineError` where that is `None` or `False`.

        `DeviceFull` is raised where the reason given is memory, `DeviceLost` where the device is
        lost.
        """
        given, errors = self._called(what, call, *arguments)
        if given is None or given is False:
            raise self._failed(what, errors)
        return given

    def tell(self, what: str, call: Callable[..., None], *arguments: Any) -> None:
        """As `ask`, of a call that gives nothing: an error in the log is its only sign."""
        _, errors = self._called(what, call, *arguments)
        if errors:
            raise self._failed(what, errors)

    def _called(
        self, what: str, call: Callable[..., T | None], *arguments: Any
    ) -> tuple[T | None, Sequence[str]]:
        self.cuda.use()
        with self._log.errors() as errors:
            try:
                return call(*arguments), errors
            except (RuntimeError, TypeError, ValueError, MemoryError) as error:
                raise self._failed(what, [str(error), *errors]) from error

    def _failed(self, what: str, reasons: Sequence[str]) -> EngineError:
        told = "; ".join(filter(None, reasons))
        if any(sign in told.lower() for sign in _OUT_OF_MEMORY):
            return DeviceFull(
                "the device has no memory left (TensorRT: out of memory); end other programs that"
                " use it, or fewer sessions"
            )
        try:
            self.cuda.free_memory()  # TensorRT does not tell a lost device from any other trouble
        except DeviceLost as lost:
            return lost
        except EngineError:
            pass
        return EngineError(f"TensorRT: {what} failed ({told or 'it does not say why'})")


class Engine:
    """A network's weights on the device, and what it takes and gives."""

    def __init__(self, runtime: Runtime, plan: bytes, spec: ModelSpec) -> None:
        """Raises `EngineError` where the plan is not the network of `spec`, `DeviceFull`."""
        self.runtime = runtime
        self.name = spec.name
        with ExitStack() as opened:
            # Weights take on the device about what the plan takes in its file.
            claim = runtime.memory.claim(len(plan), f"the weights of {spec.name!r}")
            opened.callback(claim.close)
            engine = runtime.deserialize(plan)
            self.inputs = _tensors(runtime.module, engine, spec, spec.inputs, "INPUT")
            outputs = _tensors(runtime.module, engine, spec, spec.outputs, "OUTPUT")
            wanted = len(spec.outputs) or len(outputs)
            self.outputs, self.unwanted = outputs[:wanted], outputs[wanted:]
            self.activations = int(engine.device_memory_size_v2)
            """Bytes that each lane needs beside its inputs and outputs."""
            self._engine: trt.ICudaEngine | None = engine
            self._opened = opened.pop_all()

    @property
    def captures_itself(self) -> bool:
        """Whether its contexts make their own CUDA graphs (TensorRT-RTX)."""
        return hasattr(self.runtime.module, "CudaGraphStrategy")

    def context(self, *, graphs: bool) -> trt.IExecutionContext:
        """A context without memory of its own, which `set_device_memory` gives it.

        `graphs`: whether one that can make its own graphs is to do so.
        """
        engine, module = self._engine, self.runtime.module
        ask, tell = self.runtime.ask, self.runtime.tell
        assert engine is not None
        strategy = module.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self.captures_itself:
            return ask("create_execution_context", engine.create_execution_context, strategy)
        config = ask("create_runtime_config", engine.create_runtime_config)
        tell("allocation strategy", config.set_execution_context_allocation_strategy, strategy)
        if graphs:
            whole = module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            tell("graph strategy", setattr, config, "cuda_graph_strategy", whole)
        return ask("create_execution_context", engine.create_execution_context, config)

    def close(self) -> None:
        """Frees the weights, after all contexts; calling it twice does no harm."""
        self._engine = None
        self._opened.close()


def _tensors(
    module: Any,
    engine: trt.ICudaEngine,
    spec: ModelSpec,
    expected: Mapping[str, tuple[int, ...]],
    mode: str,
) -> tuple[Tensor, ...]:
    """Those of one mode: first those of `expected`, in its order, then the others."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    wanted = getattr(module.TensorIOMode, mode)
    shapes = {
        name: tuple(int(size) for size in engine.get_tensor_shape(name))
        for name in names
        if engine.get_tensor_mode(name) == wanted
    }
    for name, shape in expected.items():
        if not _agree(shapes.get(name), shape):
            raise EngineError(
                f"the engine of {spec.name!r} has {mode.lower()}s {shapes}, not {name!r} of {shape}"
            )
    found: list[Tensor] = []
    for name in {**expected, **shapes}:
        if any(size < 1 for size in shapes[name]):
            raise EngineError(
                f"the engine of {spec.name!r} has {name!r} of {shapes[name]}: name its sizes in the"
                " specification, so that it is compiled for them"
            )
        if engine.get_tensor_location(name) != module.TensorLocation.DEVICE:
            raise EngineError(f"the engine of {spec.name!r} wants {name!r} on the host")
        dtype = np.dtype(module.nptype(engine.get_tensor_dtype(name)))
        found.append(Tensor(name, shapes[name], dtype))
    return tuple(found)


def _agree(own: tuple[int, ...] | None, expected: tuple[int, ...]) -> bool:
    return (
        own is not None
        and len(own) == len(expected)
        and all(wanted in (-1, size) for size, wanted in zip(own, expected, strict=True))
    )
