"""The few calls of CUDA's driver interface that running a network needs, each code checked.

Handles and addresses are plain integers. Every thread that calls has the device's primary context
made current first, which is the one that TensorRT uses. `cuda-bindings` lets go of the GIL in each
call, so that a thread that waits for its frame holds up no other.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import threading
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.tensorrt.missing import Missing
from engines.errors import BackendUnavailable, DeviceFull, DeviceLost, EngineError

_log = logging.getLogger(__name__)

_MEND = "pip install cuda-bindings; `pip install 'visavis[rtx]'` brings it with TensorRT-RTX"
_FULL = "CUDA_ERROR_OUT_OF_MEMORY"
_LOST = frozenset(
    f"CUDA_ERROR_{name}"
    for name in (
        *("DEINITIALIZED", "NO_DEVICE", "INVALID_DEVICE", "DEVICE_UNAVAILABLE", "EXTERNAL_DEVICE"),
        *("CONTEXT_IS_DESTROYED", "SYSTEM_DRIVER_MISMATCH", "SYSTEM_NOT_READY", "UNKNOWN"),
        *("ECC_UNCORRECTABLE", "NVLINK_UNCORRECTABLE", "CONTAINED", "HARDWARE_STACK_ERROR"),
        *("ILLEGAL_ADDRESS", "MISALIGNED_ADDRESS", "INVALID_ADDRESS_SPACE", "INVALID_PC"),
        *("ILLEGAL_INSTRUCTION", "ASSERT", "LAUNCH_FAILED", "LAUNCH_TIMEOUT"),
        *("MPS_CONNECTION_FAILED", "MPS_RPC_FAILURE", "MPS_CLIENT_TERMINATED"),
    )
)
"""Codes after which this process can use the device no more: it is gone, or its context is."""


class Cuda:
    """The first device that CUDA shows; thread-safe. Once it is lost every call raises so."""

    def __init__(self, api: Any = None) -> None:
        """`api`: the module `cuda.bindings.driver`, unless another stands in for it.

        Raises `BackendUnavailable` where the package, the driver or a device is missing.
        """
        self.lost = ""
        """Why the device can be used no more; empty: it can."""
        self._api = _bindings() if api is None else api
        self._current = threading.local()
        self._fault = ""
        try:
            self._ask("cuInit", 0)
            self._device = self._ask("cuDeviceGet", 0)
            self._context = self._ask("cuDevicePrimaryCtxRetain", self._device)
        except EngineError as error:
            raise BackendUnavailable(
                f"the NVIDIA device cannot be used ({self._fault or error}); `nvidia-smi` says more"
            ) from error

    def close(self) -> None:
        """Lets go of the device, after everything on it was freed; a second time does no harm."""
        context, self._context = self._context, None
        if context is not None:
            self._free("cuDevicePrimaryCtxRelease", self._device)

    def use(self) -> None:
        """Makes the device current in this thread, as each call here does before it is made.

        Raises `DeviceLost` where it is lost.
        """
        if self.lost:
            raise DeviceLost(self.lost)
        if not getattr(self._current, "set", False):
            self._ask("cuCtxSetCurrent", self._context)
            self._current.set = True

    def free_memory(self) -> tuple[int, int]:
        """Bytes of the device that nobody uses, and bytes in all."""
        free, total = self._do("cuMemGetInfo")
        return int(free), int(total)

    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the device; raises `DeviceFull`."""
        return int(self._do("cuMemAlloc", size))

    def free(self, address: int) -> None:
        """Frees what `allocate` gave."""
        self._free("cuMemFree", address)

    def pin(self, size: int) -> int:
        """The address of `size` page-locked bytes of the host, which the device itself copies."""
        return int(self._do("cuMemHostAlloc", size, 0))

    def unpin(self, address: int) -> None:
        """Frees what `pin` gave; no view of it may be used any more."""
        self._free("cuMemFreeHost", address)

    @staticmethod
    def view(address: int, size: int) -> NDArray[np.uint8]:
        """Pinned memory as an array of `size` bytes."""
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def to_device(self, device: int, host: int, size: int, stream: int) -> None:
        """Queues a copy from pinned memory."""
        self._do("cuMemcpyHtoDAsync", device, host, size, stream)

    def to_host(self, host: int, device: int, size: int, stream: int) -> None:
        """Queues a copy into pinned memory."""
        self._do("cuMemcpyDtoHAsync", host, device, size, stream)

    def stream(self) -> int:
        """A queue of work of its own, which waits for no other."""
        return int(self._do("cuStreamCreate", self._api.CUstream_flags.CU_STREAM_NON_BLOCKING))

    def drop_stream(self, stream: int) -> None:
        """Ends a stream."""
        self._free("cuStreamDestroy", stream)

    def finish(self, stream: int) -> None:
        """Waits for all that is queued; a fault of the device shows here at the latest."""
        self._do("cuStreamSynchronize", stream)

    def settle(self, stream: int) -> None:
        """As `finish`, before its memory is freed: never raises, and a lost device has no work."""
        with suppress(EngineError):
            self.finish(stream)

    def event(self) -> int:
        """A mark in a stream that a thread can wait for asleep, without turning on a core."""
        flags = self._api.CUevent_flags
        return int(
            self._do("cuEventCreate", flags.CU_EVENT_BLOCKING_SYNC | flags.CU_EVENT_DISABLE_TIMING)
        )

    def drop_event(self, event: int) -> None:
        """Ends an event."""
        self._free("cuEventDestroy", event)

    def record(self, event: int, stream: int) -> None:
        """Sets the mark behind what is queued so far."""
        self._do("cuEventRecord", event, stream)

    def wait(self, event: int) -> None:
        """Waits, asleep, until the device has reached the mark."""
        self._do("cuEventSynchronize", event)

    def begin_capture(self, stream: int) -> None:
        """What this thread queues from now on is recorded and not done."""
        mode = self._api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._do("cuStreamBeginCapture", stream, mode)

    def end_capture(self, stream: int) -> int:
        """The graph of what was recorded; raises `EngineError` where something forbade recording.

        The stream works as before either way.
        """
        graph = int(self._do("cuStreamEndCapture", stream))
        if not graph:
            raise EngineError("CUDA: cuStreamEndCapture recorded nothing")
        return graph

    def instantiate(self, graph: int) -> int:
        """A graph made ready for launches."""
        return int(self._do("cuGraphInstantiate", graph, 0))

    def drop_graph(self, graph: int) -> None:
        """Ends a recorded graph; what was made of it stays."""
        self._free("cuGraphDestroy", graph)

    def launch(self, executable: int, stream: int) -> None:
        """Queues a whole graph by one call."""
        self._do("cuGraphLaunch", executable, stream)

    def drop_executable(self, executable: int) -> None:
        """Ends what `instantiate` gave."""
        self._free("cuGraphExecDestroy", executable)

    def _do(self, function: str, *arguments: Any) -> Any:
        self.use()
        return self._ask(function, *arguments)

    def _ask(self, function: str, *arguments: Any) -> Any:
        try:
            code, *values = getattr(self._api, function)(*arguments)
        # A function or a code that the bindings, or the driver, do not know.
        except (AttributeError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"CUDA: {function} cannot be called ({error}); install cuda-bindings of the major"
                " version of the driver's CUDA"
            ) from error
        if code != self._api.CUresult.CUDA_SUCCESS:
            raise self._error(function, code)
        return values[0] if len(values) == 1 else values

    def _free(self, function: str, handle: int) -> None:
        """Never raises: what is freed is not used any more, and a lost device freed it all."""
        try:
            self._do(function, handle)
        except DeviceLost:
            return
        except EngineError as error:
            _log.warning("%s", error)

    def _error(self, function: str, code: Any) -> EngineError:
        name = str(getattr(code, "name", code))
        self._fault = f"CUDA: {function} answers {name}"
        if name == _FULL:
            return DeviceFull(
                "the device has no memory left (CUDA: out of memory); end other programs that use"
                " it, or fewer sessions"
            )
        if name in _LOST:
            self.lost = (
                f"the device went away ({self._fault}); `nvidia-smi` says more, and the program has"
                " to be started anew to use it again"
            )
            return DeviceLost(self.lost)
        return EngineError(self._fault)


def check_installed() -> None:
    """Raises `Missing` where cuda-bindings is not there; imports and opens nothing of it."""
    try:
        found = importlib.util.find_spec("cuda.bindings.driver")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise Missing("the package cuda-bindings is not installed", _MEND)


def _bindings() -> Any:
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise Missing(f"the package cuda-bindings cannot be imported ({error})", _MEND) from error
