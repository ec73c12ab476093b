"""The lanes of one engine: made as they are needed, lent to one thread at a time, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from engines.backends.tensorrt.engine import Tensor
from engines.backends.tensorrt.lane import Lane
from engines.errors import DeviceFull, EngineError
from engines.types import Seat

_PATIENCE_S = 5.0
"""For a lane to come back: some hundred frames."""


class Lanes:
    """Lends each thread the lane that it had last, as long as nobody else has it. Thread-safe."""

    def __init__(
        self,
        what: str,
        make: Callable[[Sequence[Tensor]], Lane],
        free: Callable[[], None],
        *,
        most: int,
    ) -> None:
        """`make`: a lane for such inputs; `free`: called once, when the last one is gone."""
        self._what = what
        self._make = make
        self._free = free
        self._most = most
        self._changed = threading.Condition()
        self._idle: list[Lane] = []
        self._count = 0
        self._seats = 0
        self._closed = False

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    @contextmanager
    def lent(self, inputs: Sequence[Tensor]) -> Iterator[Lane]:
        """A lane for one frame that brings these inputs; where the frame fails, its lane is closed.

        Raises `DeviceFull` where there is none and no room for one, `EngineError` where it was
        closed.
        """
        lane = self._take(inputs)
        try:
            yield lane
        except BaseException:
            self._drop(lane)
            raise
        self._give_back(lane)

    def grow(self, inputs: Sequence[Tensor]) -> Seat:
        """Room for one thread more, allocated now; raises `DeviceFull`."""
        with self._changed:
            self._check_open()
            if self._seats >= self._most:
                raise DeviceFull(
                    f"{self._what} serves {self._most} sessions at once, not more; end one"
                )
            self._seats += 1
            missing = self._count < self._seats
            self._count += missing
        try:
            if missing:
                self._give_back(self._made(inputs))
        except BaseException:
            self.shrink()
            raise
        return _Seat(self)

    def close(self) -> None:
        """Lends none any more and frees them, those in use as they come back."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
            nothing = not self._count
        for lane in idle:
            self._drop(lane)
        if nothing:
            self._free()

    def _take(self, inputs: Sequence[Tensor]) -> Lane:
        while True:
            with self._changed:
                self._check_open()
                if self._idle:
                    return self._pick()
                grows = self._count < self._most
                self._count += grows
            if grows:
                try:
                    return self._made(inputs)
                except DeviceFull:
                    if not len(self):
                        raise
            self._wait(enough=0 if grows else self._most - 1)

    def _wait(self, *, enough: int) -> None:
        """Until a lane is idle, or there are so few that trying to make one is worth it."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._idle or self._closed or self._count <= enough, _PATIENCE_S
            ):
                raise DeviceFull(f"{self._what} has no lane free; end a session")

    def _pick(self) -> Lane:
        me = threading.get_ident()
        mine = [lane for lane in self._idle if lane.thread == me]
        lane = mine[0] if mine else self._idle[0]
        self._idle.remove(lane)
        lane.thread = me
        return lane

    def _made(self, inputs: Sequence[Tensor]) -> Lane:
        """A lane that was counted already."""
        try:
            lane = self._make(inputs)
        except BaseException:
            self._uncount()
            raise
        lane.thread = threading.get_ident()
        return lane

    def _give_back(self, lane: Lane) -> None:
        with self._changed:
            if not self._closed:
                self._idle.append(lane)
                self._changed.notify()
                return
        self._drop(lane)

    def _drop(self, lane: Lane) -> None:
        try:
            lane.close()
        finally:
            self._uncount()

    def _uncount(self) -> None:
        with self._changed:
            self._count -= 1
            last = self._closed and not self._count
            self._changed.notify()
        if last:
            self._free()

    def shrink(self) -> None:
        """One seat less, and with it a lane that nobody needs any more."""
        with self._changed:
            self._seats -= 1
            if self._closed or not self._idle or self._count <= max(1, self._seats):
                return
            lane = self._idle.pop(0)  # that one lay idle for longest
        self._drop(lane)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(f"{self._what} was closed")


class _Seat:
    """A lane that is there for its holder."""

    def __init__(self, lanes: Lanes) -> None:
        """Counted already."""
        self._lanes: Lanes | None = lanes

    def close(self) -> None:
        """Gives it back; calling it twice does no harm."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.shrink()
