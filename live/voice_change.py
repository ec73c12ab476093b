"""The peer's own voice on its way back, through a voice skin where one is asked for.

Without a skin the packets pass as they came. With one they are decoded, changed and encoded anew
on a thread of its own (1 ms of CPU for 20 ms of sound), and what comes out carries the time at
which it is to be heard, so that it still belongs to the right picture.

Whoever asks for a skin wants to stay unknown. So nothing ever passes as it came while one is worn:
if it fails, there is silence until the wish is changed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

import av
import numpy as np

from engines.types import Floats
from engines.voice_skins.changes import NO_SKIN
from engines.voice_skins.pitch import PIECE
from engines.voice_skins.skin import DELAY, VoiceSkin
from live.clock import MILLISECOND, VOICE_RATE, ns_from_ticks
from live.measures import Counts
from live.opus import AHEAD, Decoder, Encoder, Piece
from live.resampling import to_int16

logger = logging.getLogger(__name__)

_BEHIND = DELAY + AHEAD
_MOST_PIECES = 50
"""Pieces that wait for the thread: a second."""
_MARGIN_NS = 5 * MILLISECOND
_NOTHING: Floats = np.zeros(0, np.float32)


class VoiceChange:
    """Takes the peer's voice and delivers it as it is to be heard. Lives on the event loop."""

    def __init__(
        self, deliver: Callable[[Piece], None], on_failure: Callable[[], None], counts: Counts
    ) -> None:
        """`deliver` gets every piece; `on_failure` is told when a skin has failed.

        Counts under `dropped.unchanged_sound` what could not be decoded or came too fast.
        """
        self._deliver = deliver
        self._on_failure = on_failure
        self._counts = counts
        self._worn: _Worn | None = None
        self.skin = NO_SKIN

    @property
    def delay_ns(self) -> int:
        """What has to lie between a piece's time and its leaving for the skin to keep up."""
        return 0 if self._worn is None else ns_from_ticks(_BEHIND, VOICE_RATE) + _MARGIN_NS

    def wear(self, skin: str) -> None:
        """Changes the voice from the next piece on; raises `UnknownPart`, and changes nothing then.

        `skin`: a name of `engines.voice_skins.changes.CHANGES`, or `NO_SKIN`. To ask again for the
        one that is worn starts it anew where it has failed.
        """
        if skin == self.skin and (self._worn is None or not self._worn.failed):
            return
        changing = None if skin == NO_SKIN else VoiceSkin(skin)
        self.close()
        self.skin, self._worn = skin, None
        if changing is not None:
            self._worn = _Worn(changing, self._changed, self._failed, self._counts)

    def put(self, piece: Piece) -> None:
        """Takes the next piece."""
        if self._worn is not None:
            self._worn.put(piece)
        else:
            self._deliver(piece)

    def close(self) -> None:
        """Lets the thread end; nothing passes any more while a skin is asked for."""
        if self._worn is not None:
            self._worn.close()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread's end; says whether it came."""
        return self._worn is None or self._worn.join(timeout_s)

    def _changed(self, worn: _Worn, piece: Piece) -> None:
        if worn is self._worn:
            self._deliver(piece)

    def _failed(self, worn: _Worn) -> None:
        if worn is self._worn:
            self._on_failure()


class _Worn:
    """A skin and the thread that it works on."""

    def __init__(
        self,
        skin: VoiceSkin,
        deliver: Callable[[_Worn, Piece], None],
        on_failure: Callable[[_Worn], None],
        counts: Counts,
    ) -> None:
        self.failed = False
        self._skin = skin
        self._deliver, self._on_failure = deliver, on_failure
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._waiting: deque[Piece] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="voice-skin", daemon=True)

    def put(self, piece: Piece) -> None:
        if self._thread.ident is None:
            self._thread.start()
        with self._condition:
            self._waiting.append(piece)
            overrun = len(self._waiting) > _MOST_PIECES
            if overrun:
                self._waiting.popleft()
            self._condition.notify()
        if overrun:
            self._counts.add("dropped.unchanged_sound")

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify()

    def join(self, timeout_s: float) -> bool:
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work(_Stream(self._skin))
        except Exception as error:  # whatever it was: silence, and word of it
            logger.error("a voice skin has failed: %s", type(error).__name__)
            self.failed = True
            self._tell(self._on_failure, self)

    def _work(self, stream: _Stream) -> None:
        while (piece := self._next()) is not None:
            try:
                sound = stream.decoded(piece)
            except av.FFmpegError as error:
                self._counts.add("dropped.unchanged_sound")
                logger.info("a piece of sound could not be decoded: %s", type(error).__name__)
                continue
            for changed in stream.changed(piece, sound):
                self._tell(self._deliver, self, changed)

    def _next(self) -> Piece | None:
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._waiting)
            return None if self._closed else self._waiting.popleft()

    def _tell(self, what: Callable[..., None], *values: object) -> None:
        with suppress(RuntimeError):  # the loop may have gone, and the peer with it
            self._loop.call_soon_threadsafe(what, *values)


class _Stream:
    """Packets in, packets of the changed voice out."""

    def __init__(self, skin: VoiceSkin) -> None:
        self._skin = skin
        self._decoder: Decoder | None = None
        self._encoder = Encoder()
        self._held = _NOTHING
        """Decoded, and not yet a whole piece."""

    def decoded(self, piece: Piece) -> Floats:
        """What a piece adds: itself, and silence for what is missing before it.

        Raises `av.FFmpegError`.
        """
        if self._decoder is None or not self._decoder.continued_by(piece):
            self._begin(piece)
        assert self._decoder is not None
        if self._decoder.gap_before(piece) < 0:  # it comes again, or too late
            return _NOTHING
        self._held = np.concatenate((self._held, self._decoder.silence_before(piece)))
        return self._decoder.decoded(piece)

    def changed(self, piece: Piece, sound: Floats) -> Iterator[Piece]:
        """The packets that are ready with the sound of `piece`."""
        first = -len(self._held)
        self._held = np.concatenate((self._held, sound))
        while len(self._held) >= PIECE:
            samples = to_int16(self._skin(self._held[:PIECE]))
            self._held = self._held[PIECE:]
            pts_ns = piece.pts_ns + ns_from_ticks(first - _BEHIND, VOICE_RATE)
            yield Piece(self._encoder(samples), piece.ticks + first, pts_ns, piece.captured_ns)
            first += PIECE

    def _begin(self, piece: Piece) -> None:
        """A new stretch: what the skin still holds belongs to another time."""
        self._decoder = Decoder(piece.ticks)
        self._held = _NOTHING
        for _ in range(-(-DELAY // PIECE)):
            self._skin(np.zeros(PIECE, np.float32))
