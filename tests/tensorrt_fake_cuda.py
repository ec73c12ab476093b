"""A CUDA device in numpy, in the place of the module `cuda.bindings.driver`.

It is as unkind as it can be. Work that is queued is done only when somebody waits for it. Addresses
of the device are no addresses of the host. Handles are numbers only to who asks for one. Whatever a
real device might forgive is noted in `mistakes`: memory that was freed or never pinned, handles
that are gone, threads without a context, work under way in what is freed. Any call can be made to
fail.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Work = Callable[[], None]


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_DEINITIALIZED = 4
    CUDA_ERROR_DEVICE_UNAVAILABLE = 46
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_ECC_UNCORRECTABLE = 214
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_LAUNCH_FAILED = 719
    CUDA_ERROR_NOT_SUPPORTED = 801
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901


class CUstream_flags(IntEnum):  # noqa: N801
    CU_STREAM_NON_BLOCKING = 1


class CUevent_flags(IntEnum):  # noqa: N801
    CU_EVENT_BLOCKING_SYNC = 1
    CU_EVENT_DISABLE_TIMING = 2


class CUstreamCaptureMode(IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


ENUMS = (CUresult, CUstream_flags, CUevent_flags, CUstreamCaptureMode)

OK = CUresult.CUDA_SUCCESS
LOST = (
    CUresult.CUDA_ERROR_DEINITIALIZED,
    CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE,
    CUresult.CUDA_ERROR_NO_DEVICE,
    CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
    CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
    CUresult.CUDA_ERROR_LAUNCH_FAILED,
    CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
)

FREEING = frozenset(
    (
        *("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy", "cuGraphDestroy"),
        *("cuGraphExecDestroy", "cuDevicePrimaryCtxRelease"),
    )
)
ALLOCATING = frozenset(
    ("cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate", "cuGraphInstantiate")
)
WAITING = frozenset(("cuEventSynchronize", "cuStreamSynchronize"))

_FIRST_ADDRESS = 0x7F00_0000_0000
_GAP = 1 << 20


class Handle:
    """A number only to who asks for it, as those of cuda-bindings."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __int__(self) -> int:
        return self._number


class Stream:
    """Work that waits to be done, or to be recorded."""

    def __init__(self) -> None:
        self.queue: list[Work] = []
        self.done = 0
        self.recording: list[Work] | None = None
        self.spoilt = False
        self.recorder = 0

    def put(self, work: Work) -> None:
        (self.queue if self.recording is None else self.recording).append(work)

    def finish(self, upto: int | None = None) -> None:
        """Does what is queued, or so much that `upto` pieces were done ever."""
        todo = self.queue if upto is None else self.queue[: max(0, upto - self.done)]
        self.queue = self.queue[len(todo) :]
        for work in todo:
            work()
            self.done += 1


def _call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Notes the call, lets it fail where it is to, and answers as cuda-bindings do."""

    @functools.wraps(function)
    def called(gpu: FakeGpu, *arguments: Any) -> tuple[Any, ...]:
        with gpu.lock:
            code = gpu.called(function.__name__)
            if code != OK and function.__name__ == "cuStreamEndCapture" and gpu.lost is None:
                (stream,) = arguments
                gpu.stream_of(stream, "recording").recording = None  # it ends either way
            if code != OK:
                return (code, None)
            given = function(gpu, *arguments)
            if isinstance(given, CUresult):
                return (given, None)
            return (OK, *given) if isinstance(given, tuple) else (OK, given)

    return called


class FakeGpu:
    """The device; an instance stands in for the module, with its enumerations as attributes."""

    def __init__(self, memory: int = 1 << 30) -> None:
        self.memory = memory
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.mistakes: list[str] = []
        self.contexts = 0
        self.blocks: dict[int, NDArray[np.uint8]] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, Stream] = {}
        self.events: dict[int, tuple[Stream, int] | None] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.executables: dict[int, list[Work]] = {}
        self.parts: Counter[str] = Counter()
        self.taken_by_others = 0
        self.computes = True
        self.functions: dict[str, Callable[..., Any]] = {}
        """What engines compute that are not to compute just anything, by name."""
        self.lost: CUresult | None = None
        self._seen: Counter[str] = Counter()
        self._failing: dict[tuple[str, int], CUresult | str] = {}
        self._current: set[int] = set()
        self._numbers = itertools.count(0x1000)
        self._addresses = _FIRST_ADDRESS
        self._graveyard: list[Any] = []

    def fail(self, function: str, nth: int, how: CUresult | str) -> None:
        """The nth call of this name from now on fails so."""
        self._failing[function, self._seen[function] + nth] = how

    def called(self, function: str) -> CUresult:
        """Notes a call; what it is to answer before it does anything."""
        self.calls.append(function)
        self._seen[function] += 1
        how = self._failing.pop((function, self._seen[function]), OK)
        code = CUresult.CUDA_ERROR_INVALID_VALUE if isinstance(how, str) else how
        if code in LOST:
            self.lost = code
            for kind in (self.streams, self.events, self.graphs, self.executables):
                kind.clear()
        if self.lost is not None:
            return self.lost
        before = ("cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent")
        if function.startswith("cu") and function not in before:
            self.check(threading.get_ident() in self._current, f"{function} without a context")
            self.check(self.contexts > 0, f"{function} after the context was released")
        return code

    def how(self, function: str) -> str:
        """As `called`, for TensorRT's calls: how it is to fail; empty: not."""
        with self.lock:
            self.calls.append(function)
            self._seen[function] += 1
            how = self._failing.pop((function, self._seen[function]), "")
            return "the device is lost" if self.lost is not None else str(how)

    def check(self, right: object, mistake: str) -> None:
        if not right and self.lost is None:  # on a lost device nothing can be done rightly
            self.mistakes.append(mistake)

    @property
    def live(self) -> dict[str, int]:
        """What was not freed, by kind; what is on a lost device does not count."""
        kinds = ("blocks", "pinned", "streams", "events", "graphs", "executables")
        found = {kind: len(getattr(self, kind)) for kind in kinds} | {"contexts": self.contexts}
        if self.lost is not None:
            found = {}
        return {kind: count for kind, count in {**found, **self.parts}.items() if count}

    @property
    def allocated(self) -> int:
        return sum(block.size for block in self.blocks.values())

    def block(self, address: int, size: int, what: str) -> NDArray[np.uint8]:
        """Device memory; what is not there is noted."""
        for start, block in self.blocks.items():
            if start <= address and address + size <= start + block.size:
                return block[address - start : address - start + size]
        self.mistakes.append(f"{what}: no device memory of {size} bytes is there")
        return np.zeros(size, np.uint8)

    def host(self, address: int, size: int, what: str) -> NDArray[np.uint8]:
        for start, buffer in self.pinned.items():
            if start <= address and address + size <= start + len(buffer):
                return np.frombuffer(buffer, np.uint8)[address - start : address - start + size]
        self.mistakes.append(f"{what}: no pinned memory of {size} bytes is there")
        return np.zeros(size, np.uint8)

    def stream_of(self, handle: int, what: str) -> Stream:
        self.check(int(handle) in self.streams, f"{what} on a stream that is not there")
        return self.streams.get(int(handle)) or Stream()

    def _number(self) -> int:
        return next(self._numbers)

    def _spoils(self) -> bool:
        """Whether this thread is recording, where allocating is forbidden."""
        mine = [each for each in self.streams.values() if each.recorder == threading.get_ident()]
        for stream in mine:
            stream.spoilt = True
        return bool(mine)

    @_call
    def cuInit(self, Flags: int) -> None:  # noqa: N802
        pass

    @_call
    def cuDeviceGet(self, ordinal: int) -> Handle:  # noqa: N802
        return Handle(ordinal)

    @_call
    def cuDevicePrimaryCtxRetain(self, dev: Handle) -> Handle:  # noqa: N802
        self.contexts += 1
        return Handle(self._number())

    @_call
    def cuDevicePrimaryCtxRelease(self, dev: Handle) -> None:  # noqa: N802
        self.contexts -= 1

    @_call
    def cuCtxSetCurrent(self, ctx: Handle) -> None:  # noqa: N802
        self._current.add(threading.get_ident())

    @_call
    def cuMemGetInfo(self) -> tuple[int, int]:  # noqa: N802
        return self.memory - self.allocated - self.taken_by_others, self.memory

    @_call
    def cuMemAlloc(self, bytesize: int) -> Handle | CUresult:  # noqa: N802
        if self._spoils():
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
        if bytesize < 1:
            return CUresult.CUDA_ERROR_INVALID_VALUE
        if self.allocated + self.taken_by_others + bytesize > self.memory:
            return CUresult.CUDA_ERROR_OUT_OF_MEMORY
        address = self._addresses
        self._addresses += -(-bytesize // _GAP) * _GAP + _GAP
        self.blocks[address] = np.full(bytesize, 0xA5, np.uint8)
        return Handle(address)

    @_call
    def cuMemFree(self, dptr: int) -> CUresult:  # noqa: N802
        self.check(int(dptr) in self.blocks, "device memory freed that is not there")
        self.blocks.pop(int(dptr), None)
        return OK

    @_call
    def cuMemHostAlloc(self, bytesize: int, Flags: int) -> int | CUresult:  # noqa: N802
        if self._spoils():
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
        buffer = ctypes.create_string_buffer(b"\xa5" * bytesize, bytesize)
        address = ctypes.addressof(buffer)
        self.pinned[address] = buffer
        return address

    @_call
    def cuMemFreeHost(self, p: int) -> None:  # noqa: N802
        self.check(p in self.pinned, "pinned memory freed that is not there")
        buffer = self.pinned.pop(p, None)
        if buffer is not None:
            buffer.raw = b"\xdd" * len(buffer)
            self._graveyard.append(buffer)  # so that a stale view reads poison and not the heap

    @_call
    def cuMemcpyHtoDAsync(  # noqa: N802
        self, dstDevice: int, srcHost: int, ByteCount: int, hStream: int
    ) -> None:
        def work() -> None:
            source = self.host(srcHost, ByteCount, "a copy to the device")
            self.block(int(dstDevice), ByteCount, "a copy to the device")[:] = source

        self.stream_of(hStream, "a copy").put(work)

    @_call
    def cuMemcpyDtoHAsync(  # noqa: N802
        self, dstHost: int, srcDevice: int, ByteCount: int, hStream: int
    ) -> None:
        def work() -> None:
            source = self.block(int(srcDevice), ByteCount, "a copy to the host")
            self.host(dstHost, ByteCount, "a copy to the host")[:] = source

        self.stream_of(hStream, "a copy").put(work)

    @_call
    def cuStreamCreate(self, Flags: int) -> Handle:  # noqa: N802
        number = self._number()
        self.check(Flags == CUstream_flags.CU_STREAM_NON_BLOCKING, "a stream that waits for others")
        self.streams[number] = Stream()
        return Handle(number)

    @_call
    def cuStreamDestroy(self, hStream: int) -> None:  # noqa: N802
        stream = self.stream_of(hStream, "destroying")
        self.check(not stream.queue, "a stream destroyed under work that is under way")
        self.check(stream.recording is None, "a stream destroyed while it records")
        self.streams.pop(int(hStream), None)

    @_call
    def cuStreamSynchronize(self, hStream: int) -> CUresult:  # noqa: N802
        stream = self.stream_of(hStream, "waiting")
        if stream.recording is not None:
            stream.spoilt = True
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
        stream.finish()
        return OK

    @_call
    def cuStreamBeginCapture(self, hStream: int, mode: int) -> None:  # noqa: N802
        stream = self.stream_of(hStream, "recording")
        self.check(stream.recording is None, "a recording within a recording")
        stream.recording, stream.spoilt, stream.recorder = [], False, threading.get_ident()

    @_call
    def cuStreamEndCapture(self, hStream: int) -> Handle | CUresult:  # noqa: N802
        stream = self.stream_of(hStream, "recording")
        self.check(stream.recording is not None, "the end of no recording")
        self.check(stream.recorder == threading.get_ident(), "a recording ended by another thread")
        work, stream.recording, stream.recorder = stream.recording, None, 0
        if stream.spoilt:
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
        number = self._number()
        self.graphs[number] = work or []
        return Handle(number)

    @_call
    def cuGraphInstantiate(self, hGraph: int, flags: int) -> Handle:  # noqa: N802
        self.check(int(hGraph) in self.graphs, "a graph that is not there")
        number = self._number()
        self.executables[number] = list(self.graphs.get(int(hGraph), ()))
        return Handle(number)

    @_call
    def cuGraphLaunch(self, hGraphExec: int, hStream: int) -> None:  # noqa: N802
        self.check(int(hGraphExec) in self.executables, "a launch of a graph that is not there")
        stream = self.stream_of(hStream, "a launch")
        for work in self.executables.get(int(hGraphExec), ()):
            stream.put(work)

    @_call
    def cuGraphDestroy(self, hGraph: int) -> None:  # noqa: N802
        self.check(self.graphs.pop(int(hGraph), None) is not None, "a graph freed twice")

    @_call
    def cuGraphExecDestroy(self, hGraphExec: int) -> None:  # noqa: N802
        gone = self.executables.pop(int(hGraphExec), None)
        self.check(gone is not None, "an executable graph freed twice")

    @_call
    def cuEventCreate(self, Flags: int) -> Handle:  # noqa: N802
        self.check(Flags & CUevent_flags.CU_EVENT_BLOCKING_SYNC, "an event waited for awake")
        number = self._number()
        self.events[number] = None
        return Handle(number)

    @_call
    def cuEventDestroy(self, hEvent: int) -> None:  # noqa: N802
        self.check(int(hEvent) in self.events, "an event freed twice")
        self.events.pop(int(hEvent), None)

    @_call
    def cuEventRecord(self, hEvent: int, hStream: int) -> None:  # noqa: N802
        stream = self.stream_of(hStream, "a mark")
        self.check(int(hEvent) in self.events, "a mark of an event that is not there")
        self.events[int(hEvent)] = (stream, stream.done + len(stream.queue))

    @_call
    def cuEventSynchronize(self, hEvent: int) -> None:  # noqa: N802
        marked = self.events.get(int(hEvent))
        self.check(marked is not None, "waiting for an event that was never set")
        if marked is not None:
            stream, upto = marked
            stream.finish(upto)


for _enum in ENUMS:
    setattr(FakeGpu, _enum.__name__, _enum)
