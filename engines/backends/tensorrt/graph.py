"""CUDA graphs: a frame's whole work, recorded once, is queued by one call from then on.

What is recorded holds addresses, among them those of bound constants, so each lane keeps one graph
for each set of constants that it has run with lately. A graph whose constants were freed is never
launched again: sets are told apart by numbers that do not come back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from engines.backends.tensorrt.cuda import Cuda
from engines.errors import EngineError

_KEPT = 8


class Graphs:
    """The graphs of one stream, the least lately used dropped first. Not thread-safe."""

    def __init__(self, cuda: Cuda, stream: int, *, kept: int = _KEPT) -> None:
        """None yet; `kept`: how many at most."""
        self._cuda = cuda
        self._stream = stream
        self._kept = kept
        self._executables: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._executables)

    def replay(self, number: int) -> bool:
        """Queues the graph of that number; `False`: there is none."""
        executable = self._executables.get(number)
        if executable is None:
            return False
        self._executables.move_to_end(number)
        self._cuda.launch(executable, self._stream)
        return True

    def record(self, number: int, queue: Callable[[], None]) -> None:
        """Records what `queue` queues; nothing of it is done before a `replay`.

        Raises what `queue` raises, and `EngineError` where it cannot be recorded; the stream then
        works as before.
        """
        self._cuda.begin_capture(self._stream)
        try:
            queue()
        except BaseException:
            self._abandon()
            raise
        graph = self._cuda.end_capture(self._stream)
        try:
            self._executables[number] = self._cuda.instantiate(graph)
        finally:
            self._cuda.drop_graph(graph)
        if len(self._executables) > self._kept:
            _, oldest = self._executables.popitem(last=False)
            self._cuda.drop_executable(oldest)

    def close(self) -> None:
        """Drops them all."""
        while self._executables:
            self._cuda.drop_executable(self._executables.popitem()[1])

    def _abandon(self) -> None:
        """Ends a recording that failed: the stream can do nothing else until then."""
        with suppress(EngineError):  # the first error tells more
            self._cuda.drop_graph(self._cuda.end_capture(self._stream))
