"""How a measured call is made, and what is seen of it, whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from benchmarks.timecode import TICK_MS, WRAP, age_ms
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
    driver: str = ""
    """By its name; empty: the server's own choice."""
    coded: bool = True
    """Whether pictures have to come back with their time code."""
    keeps: bool = False
    """Whether the pictures that came back are kept, too."""
    chirps: bool = False
    """Whether the microphone is one whose sound is known (`benchmarks.chirps`)."""
    synchrony: bool = False
    """Whether the page brings picture and sound together, as our web client does."""


class Row(NamedTuple):
    """One picture that was seen; times in ms on the caller's clock."""

    number: int
    """Its time code; −1: none."""
    at_ms: float
    width: int
    height: int
    received_ms: float | None = None
    """When its last packet came, where the browser tells."""
    decode_ms: float | None = None
    """What decoding took."""
    presented_ms: float | None = None
    """When it was given to the compositor."""

    @property
    def age_ms(self) -> float:
        """From being drawn until it was seen."""
        return age_ms(self.number, round(self.at_ms / TICK_MS) % WRAP)


class Stage(NamedTuple):
    """One part of a picture's way: what it takes in the mean."""

    stage: str
    side: Literal["page", "network", "server", "rest"]
    ms: float
    exact: bool
    """Measured picture by picture on one clock; else by somebody's own counters, or left over."""


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
    """From sending the offer until a picture with a code had been seen."""
    server_cpu_s: float
    caller_cpu_s: float
    others_cpu_s: float
    """Of everything else on the machine meanwhile."""
    at_s: Sequence[float] = ()
    """When each of `ages_ms` was seen, since the first of them."""
    stages: Sequence[Stage] = ()
    """What the mean of `ages_ms` consists of, in the order of the way."""
    report: Mapping[str, Any] | None = None
    """The server's report of the call."""
    shown: Sequence[tuple[int, int]] = ()
    """Pictures sent since the call began: time code, and which of the clip."""
    pictures: Sequence[tuple[float, bytes]] = ()
    """Pictures that came back, where they were to be kept: when, in ms, and as JPEG."""

    @property
    def fps(self) -> float:
        """Different pictures seen in a second."""
        return len(self.ages_ms) / self.seconds


def first_seen(received: Sequence[Row]) -> list[Row]:
    """The coded pictures, each where it was seen first."""
    found: dict[int, Row] = {}
    for row in received:
        if row.number >= 0:
            found.setdefault(row.number, row)
    return list(found.values())


def read_received(received: Sequence[Row]) -> dict[str, Any]:
    """The fields of `Seen` that follow from what came in."""
    rows = first_seen(received)
    uncoded = sum(row.number < 0 for row in received)
    return {
        "ages_ms": [row.age_ms for row in rows],
        "at_s": [(row.at_ms - rows[0].at_ms) / 1000 for row in rows],
        "uncoded": uncoded,
        "repeated": len(received) - uncoded - len(rows),
        "size": (received[-1].width, received[-1].height) if received else (0, 0),
    }
