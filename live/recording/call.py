"""A call's end of its recording: it begins once the client knows, and the client knows how it ends.

Used on the event loop, but for `show`, which the worker calls.
"""

from __future__ import annotations

from collections.abc import Callable

from live.clock import SessionClock
from live.consent.authority import Permit
from live.disclosure import Stamped
from live.label import Label
from live.measures import Counts
from live.recording.recorder import End, Recorder
from live.recording.recordings import Recordings

NOTICE = "This call is being recorded: the avatar's picture, and all sound that is sent with it."
_ENDS = {
    End.LONGEST: "The recording of this call has reached its longest length, and has ended.",
    End.DISK_FULL: "The recording of this call has ended: there is no room for more.",
}
_FAILED = "This call is not recorded any more: the recording has failed, and nothing of it is kept."


class CallRecording:
    """What a session knows of its recording."""

    def __init__(
        self,
        recordings: Recordings | None,
        session: str,
        label: Label,
        *,
        clock: SessionClock,
        counts: Counts,
        send: Callable[..., bool],
    ) -> None:
        """`send`: a message's type and values; says whether the client was told."""
        self.state = "off" if recordings is None else "waiting"
        """`off`, `waiting` for the client to be told, `on`, or how it has ended (`End`)."""
        self._send = send
        self._untold: End | None = None
        self._recorder: Recorder | None = None
        if recordings is not None:
            self._recorder = recordings.recorder(
                session, label, clock=clock, counts=counts, on_end=self._note_end
            )

    @property
    def is_wanted(self) -> bool:
        """Whether the call is recorded from when the client knows of it."""
        return self._recorder is not None

    def note(self, permit: Permit, driver: str) -> None:
        """The avatar that is shown from now on, and what drives it."""
        if self._recorder is not None:
            self._recorder.note(permit, driver)

    def show(self, stamped: Stamped) -> None:
        """A picture that leaves; on the worker's thread."""
        if self._recorder is not None:
            self._recorder.show(stamped)

    def hear(self, data: bytes, ticks: int) -> None:
        """A packet of the voice that leaves."""
        if self._recorder is not None:
            self._recorder.hear(data, ticks)

    def tell(self) -> None:
        """Tells the client what it does not know yet, as soon as it can be told."""
        if self.state == "waiting" and self._recorder is not None:
            if self._send("state", state="recording", message=NOTICE):
                self.state = "on"
                self._recorder.begin()
        elif self._untold is not None:
            message = _ENDS.get(self._untold, _FAILED)
            if self._send("state", state="recording_ended", reason=self._untold, message=message):
                self._untold = None

    def stop(self) -> None:
        """The call has ended; its film is finished beside whatever comes next."""
        if self._recorder is not None:
            self._recorder.stop()

    def _note_end(self, end: End) -> None:
        """Called on the recorder's thread."""
        self.state = str(end)
        self._untold = None if end is End.CALL_ENDED else end
