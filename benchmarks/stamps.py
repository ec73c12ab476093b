"""When each coded picture's first packet came and its last one left, by the server's own process.

Browser, driver and server share one machine and so one monotonic clock: with the time code as the
picture's name, the way is cut exactly, picture by picture, where it enters and leaves the server.
A benchmark's own server process writes two kinds of lines to a file: `t CODE CAPTURED` when the
tracker is given a coded picture, `s CAPTURED SENT` when a picture has been sent; nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from live.clock import now_ns
from live.egress import AvatarTrack

FILE = "stamps"
"""In the folder in which a benchmark's server runs."""


class Passed(NamedTuple):
    """When one picture came to the server and left it, in ns of the monotonic clock."""

    came_ns: int
    left_ns: int


class Stamps:
    """The file's writer; every line is on disk at once, and costs some microseconds."""

    def __init__(self, file: IO[str]) -> None:
        """`file`: opened for appending, by line."""
        self._file = file

    def came(self, number: int, captured_ns: int) -> None:
        """A picture with this time code came to the tracker."""
        self._file.write(f"t {number} {captured_ns}\n")

    def left(self, captured_ns: int) -> None:
        """The picture made of the one captured then has just been sent."""
        self._file.write(f"s {captured_ns} {now_ns()}\n")


@contextmanager
def stamping(folder: Path) -> Iterator[Stamps]:
    """Lets every track of this process note what it has sent."""
    note_sent = AvatarTrack._note_sent
    with (folder / FILE).open("a", buffering=1, encoding="ascii") as file:
        stamps = Stamps(file)

        def noted(self: AvatarTrack) -> None:
            if self._sending is not None:
                stamps.left(self._sending[1])
            note_sent(self)

        setattr(AvatarTrack, "_note_sent", noted)  # noqa: B010  (mypy)
        try:
            yield stamps
        finally:
            setattr(AvatarTrack, "_note_sent", note_sent)  # noqa: B010


def passed(folder: Path) -> dict[int, Passed]:
    """By time code: what has passed so far; empty where nothing was noted."""
    file = folder / FILE
    came: dict[int, int] = {}
    left: dict[int, int] = {}
    text = file.read_text("ascii") if file.is_file() else ""
    for line in text.rpartition("\n")[0].splitlines():  # the last line may be half written
        kind, first, second = line.split()
        (came if kind == "t" else left)[int(first)] = int(second)
    return {
        number: Passed(captured, left[captured])
        for number, captured in came.items()
        if captured in left
    }
