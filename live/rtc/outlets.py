"""Where a remote track's frames go: to a track's `recv`, or straight to whoever takes them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

import av
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpreceiver import RemoteStreamTrack

_UNTAKEN = 8
"""Decoded frames kept for a slow taker of a track that nobody has redirected."""


@runtime_checkable
class Outlet(Protocol):
    """Where a track's decoded frames go; called on the decoder's thread, must not block."""

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Takes a frame and when its first packet arrived."""

    def end(self) -> None:
        """There will be no more frames."""


@runtime_checkable
class EncodedOutlet(Protocol):
    """Where a track's frames go as they came, undecoded; called on the event loop."""

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        """Takes a frame, its time in RTP ticks and when its first packet arrived."""


@runtime_checkable
class ArrivalTaker(Protocol):
    """An outlet that wants to know how long a frame's packets took; called before `deliver`."""

    def deliver_arrival(self, whole_ns: int) -> None:
        """Takes when the last packet of the next frame arrived."""


def redirect(track: MediaStreamTrack, outlet: Outlet | EncodedOutlet) -> None:
    """Lets a remote track's frames go straight to `outlet`, without a queue between.

    To be called before the connection is up; the track's `recv` yields nothing after that.
    """
    assert isinstance(track, RemoteStreamTrack)
    track._queue = OutletQueue(outlet)


class OutletQueue(asyncio.Queue[Any]):
    """Stands where aiortc's track has its queue; carries the outlet to where frames come up."""

    def __init__(self, outlet: Outlet | EncodedOutlet) -> None:
        """`outlet` may be of both kinds; then it gets what has not been decoded."""
        super().__init__(maxsize=1)
        self.outlet = outlet
        self.encoded = outlet if isinstance(outlet, EncodedOutlet) else None
        self.decoded = outlet if isinstance(outlet, Outlet) else None


class TrackOutlet:
    """The way to a track whose frames are taken with `recv`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, frames: asyncio.Queue[Any]) -> None:
        """`frames`: of the track, on its event loop."""
        self._loop = loop
        self._frames = frames

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Takes a frame."""
        self._put(frame)

    def end(self) -> None:
        """Ends the track."""
        self._put(None)

    def _put(self, frame: av.VideoFrame | av.AudioFrame | None) -> None:
        def put() -> None:
            if self._frames.qsize() >= _UNTAKEN:
                self._frames.get_nowait()
            self._frames.put_nowait(frame)

        with suppress(RuntimeError):  # the loop may have gone, and the taker with it
            self._loop.call_soon_threadsafe(put)
