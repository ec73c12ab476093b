"""How a measured call is made, and what is seen of it, whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.timecode import age_ms
from live.errors import VisavisError

Sink = Literal["track", "display"]


class CallFailed(VisavisError):
    """A measured call did not come about, or its pictures did not come back."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How one call is made."""

    codec: str
    sink: Sink
    """Where the picture is seen: at the track's end, or when a video element shows it."""
    warm_s: float
    """How long the call runs before it is measured."""
    seconds: float
    """How long it is measured."""
    fps: int = 30
    sound: bool = True
    """Whether a microphone is sent."""
    heard: bool = False
    """Whether sound is wanted back, in a browser: then pictures wait for theirs."""
    tuned: bool = True
    """Whether the caller asks for the least delay, as our web client does."""
    avatar: str = "mira"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back in the measured part of a call."""

    ages_ms: Sequence[float]
    """Of each coded picture when it was first seen: from being drawn in the camera's place."""
    sent: int
    repeated: int
    uncoded: int
    seconds: float
    size: tuple[int, int]
    """Width and height of the last picture."""
    first_frame_ms: float
    """From the beginning of the call until a picture with a code had come back."""
    server_cpu_s: float
    caller_cpu_s: float
    others_cpu_s: float
    """Of everything else on the machine meanwhile."""
    caller_ms: Mapping[str, float | None] = field(default_factory=dict)
    """The browser's own means for each picture: encoding, its receive buffer, decoding."""
    report: Mapping[str, Any] | None = None
    """The server's report of the call."""

    @property
    def fps(self) -> float:
        """Different pictures seen in a second."""
        return len(self.ages_ms) / self.seconds


def read_received(received: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The fields of `Seen` that follow from rows of number (−1: none), ticks, width, height."""
    ages: list[float] = []
    numbers: set[int] = set()
    uncoded = 0
    for number, now, _, _ in received:
        if number < 0:
            uncoded += 1
        elif number not in numbers:
            numbers.add(number)
            ages.append(age_ms(number, now))
    return {
        "ages_ms": ages,
        "uncoded": uncoded,
        "repeated": len(received) - uncoded - len(ages),
        "size": (received[-1][2], received[-1][3]) if received else (0, 0),
    }
