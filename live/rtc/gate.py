"""Between a receiver's jitter buffer and its decoder: what is lost is asked for, by the clock.

A lost packet is asked for again and again (`live.rtc.lost`). Once it is overdue a keyframe is asked
for as well, and whichever comes first is taken: the packet, and then nothing is lost, or the newest
keyframe that is there as a whole, and then what waited before it is dropped.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from live.clock import MILLISECOND, SECOND, now_ns
from live.rtc.access import private
from live.rtc.estimate import StandingQueueEstimator
from live.rtc.jitter import ArrivedFrame, PromptJitterBuffer
from live.rtc.keyframes import begins_keyframe, is_keyframe
from live.rtc.lost import LostPackets
from live.rtc.outlets import OutletQueue

_LEAST_PATIENCE_NS = 120 * MILLISECOND
_GIVE_UP_NS = SECOND
"""After which a packet is not waited for even where no keyframe comes."""
_KEYFRAME_AGAIN_NS = 100 * MILLISECOND
"""On top of a round trip. Chromium makes one every 300 ms at most, so that more requests do no
harm; and a request may be lost, too."""
_WITHOUT_KEYFRAME_NS = 3 * SECOND


class Gate:
    """Of one receiver. Everything runs on the event loop."""

    def __init__(self, receiver: RTCRtpReceiver, buffer: PromptJitterBuffer) -> None:
        """Closed: before the first keyframe there is nothing to decode."""
        self._of = receiver
        self._buffer = buffer
        lost = private(receiver, "nack_generator")
        self._lost = lost if isinstance(lost, LostPackets) else None
        self._video = private(receiver, "kind") == "video"
        self._closed_ns: int | None = now_ns() if self._video else None
        # A stream begins with a keyframe; only if this one does not, one is asked for.
        self._refused = False
        self._asked_keyframe_ns = now_ns()
        self._ssrc = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._repairing: asyncio.Task[None] | None = None

    async def take(self, ssrc: int) -> None:
        """A packet of the stream `ssrc` has come into the buffer; hands on what is whole now."""
        self._ssrc = ssrc
        if not self._video:
            self._buffer.pass_over_lost_sound()
        elif self._buffer.broken:
            self._buffer.broken = False
            self._close()
        self._hand_on()
        if self._video and (self._closed_ns is not None or self._is_repairing):
            await self._repair()

    @property
    def _is_repairing(self) -> bool:
        lost = self._lost
        return lost is not None and (
            lost.hopeless or lost.next_ns() is not None or self._alarm is not None
        )

    def _close(self) -> None:
        """Lets no frame pass before the next keyframe, which is asked for at once."""
        self._closed_ns = now_ns()
        self._refuse()

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            self._asked_keyframe_ns = 0

    def _hand_on(self) -> None:
        while (frame := self._buffer.pop()) is not None:
            self._pass_on(frame)

    def _pass_on(self, frame: ArrivedFrame) -> None:
        """Gives a frame to the decoder, if it can be decoded."""
        codec = private(self._of, "codecs").get(frame.payload_type)
        if codec is None:
            return
        if self._closed_ns is not None:
            # Some encoders refresh in strips and never send a keyframe: not to wait for ever.
            waited_ns = now_ns() - self._closed_ns
            if not is_keyframe(codec.name, frame.data) and waited_ns < _WITHOUT_KEYFRAME_NS:
                self._refuse()
                return
            self._closed_ns, self._refused = None, False
        frame.timestamp = private(self._of, "timestamp_mapper").map(frame.timestamp)
        taker = self._of._track._queue if self._of._track is not None else None
        if isinstance(taker, OutletQueue) and taker.encoded is not None:
            taker.encoded.deliver_encoded(frame.data, frame.timestamp, frame.captured_ns)
            return
        waiting = private(self._of, "decoder_queue")
        waiting.put((codec, frame))
        if getattr(waiting, "overrun", False):
            waiting.overrun = False
            self._close()

    async def _repair(self) -> None:
        """Asks for what is to be asked for now, and comes back when there will be more."""
        now = now_ns()
        lost = self._lost
        wanted = self._closed_ns is not None
        if lost is not None:
            lost.forget_before(self._buffer.head)
            lost.queue_ns = self._queue_ns
            wanted = self._is_stuck(lost, now) or wanted
            for numbers in _rising(lost.due(now)):
                await self._of._send_rtcp_nack(self._ssrc, numbers)
        if wanted and now >= self._asked_keyframe_ns + self._keyframe_interval_ns:
            self._asked_keyframe_ns = now
            await self._of._send_rtcp_pli(self._ssrc)
        if lost is not None:
            self._wake(self._next_ns(lost, wanted))

    def _is_stuck(self, lost: LostPackets, now: int) -> bool:
        """Whether a keyframe is needed to go on; where one is there, goes on with it."""
        since_ns = lost.since_ns
        overdue = since_ns is not None and now - since_ns >= self._patience_ns
        if not (lost.hopeless or overdue):
            return False
        if self._buffer.skip_to(self._begins_keyframe):
            self._go_on(lost)
            return lost.hopeless
        if since_ns is not None and now - since_ns >= _GIVE_UP_NS and self._buffer.skip():
            self._close()
            self._go_on(lost)
        return True

    def _go_on(self, lost: LostPackets) -> None:
        lost.hopeless = False
        self._hand_on()
        lost.forget_before(self._buffer.head)

    def _begins_keyframe(self, packet: RtpPacket) -> bool:
        codec = private(self._of, "codecs").get(packet.payload_type)
        data: bytes = packet._data  # type: ignore[attr-defined]  # set by aiortc
        return codec is not None and begins_keyframe(codec.name, packet.payload, data)

    @property
    def _queue_ns(self) -> int:
        estimator = private(self._of, "remote_bitrate_estimator")
        if not isinstance(estimator, StandingQueueEstimator):
            return 0
        return round(estimator.queue_ms * MILLISECOND)

    @property
    def _patience_ns(self) -> int:
        round_trip_ns = self._lost.answer_ns if self._lost is not None else 0
        return max(_LEAST_PATIENCE_NS, 2 * round_trip_ns + 30 * MILLISECOND)

    @property
    def _keyframe_interval_ns(self) -> int:
        round_trip_ns = self._lost.answer_ns if self._lost is not None else SECOND // 2
        return round_trip_ns + _KEYFRAME_AGAIN_NS

    def _next_ns(self, lost: LostPackets, wanted: bool) -> int | None:
        times = [lost.next_ns()]
        if wanted:
            times.append(self._asked_keyframe_ns + self._keyframe_interval_ns)
        elif lost.since_ns is not None:
            times.append(lost.since_ns + self._patience_ns)
        return min((one for one in times if one is not None), default=None)

    def _wake(self, at_ns: int | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if at_ns is not None:
            delay_s = max(at_ns - now_ns(), MILLISECOND) / SECOND
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        if private(self._of, "decoder_thread") is not None:  # else it has been stopped
            self._repairing = asyncio.ensure_future(self._repair())


def _rising(numbers: list[int]) -> list[list[int]]:
    """Sequence numbers in order, parted where they begin anew: aiortc's requests fail over that."""
    parted = [i for i, (before, after) in enumerate(pairwise(numbers), 1) if after < before]
    bounds = [0, *parted, len(numbers)]
    return [numbers[start:end] for start, end in pairwise(bounds) if start < end]
