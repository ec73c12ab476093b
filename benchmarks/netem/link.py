"""Faults go in, a link with them comes out, by which a call can be led and which counts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from benchmarks.netem.descriptions import destination, led_to, without_candidates
from benchmarks.netem.model import Fates, Faults
from live.errors import VisavisError

_STOP_LIMIT_S = 5.0


class LinkFailed(VisavisError):
    """A link did not come up, has ended, or cannot be led through."""


@dataclass(slots=True)
class Counts(Fates):
    """What became of the datagrams of one direction since the link came up."""

    passed: int = 0
    """Let through, each copy."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An outage, by `time.monotonic`, which all processes of a machine share."""

    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Passage:
    """What a link has done."""

    up: Counts
    """From the client to the server."""
    down: Counts
    late_ms: Sequence[float]
    """By how much datagrams left later than was due, the latest 10,000 since they were asked for
    last: what the link itself costs."""
    cpu_s: float
    """Of its process, since it began."""


@dataclass
class Link:
    """A line between one client's end and one or more servers'; a process of its own."""

    up: Faults = field(default_factory=Faults)
    """From the client to the server."""
    down: Faults = field(default_factory=Faults)
    seed: int = 0

    def __enter__(self) -> Self:
        """Begins; raises `LinkFailed`."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.netem.carrier", str(self.seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.change(up=self.up, down=self.down)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends."""
        self._stop()

    def change(self, *, up: Faults | None = None, down: Faults | None = None) -> None:
        """From now on these; `None`: as before. What is under way stays as it was."""
        self.up, self.down = up or self.up, down or self.down
        self._ask("change", up=up and asdict(up), down=down and asdict(down))

    def cut(self, seconds: float) -> Cut:
        """From now on nothing passes, either way, for as long."""
        return Cut(**self._ask("cut", seconds=seconds))

    def passage(self) -> Passage:
        """What has passed so far."""
        told = self._ask("count")
        up, down = (Counts(**told.pop(name)) for name in ("up", "down"))
        return Passage(up=up, down=down, **told)

    def entrance(self, address: str, port: int) -> tuple[str, int]:
        """Where a client has to send what is to come to this UDP port; raises `LinkFailed`."""
        return address, self._ask("open", address=address, port=port)["port"]

    def offer(self, sdp: str) -> str:
        """A client's offer as the server is to get it."""
        return without_candidates(sdp)

    def answer(self, sdp: str) -> str:
        """The server's answer as the client is to get it; raises `LinkFailed`."""
        to = destination(sdp)
        if to is None:
            raise LinkFailed("the answer has no host candidate over UDP and IPv4 to lead to")
        return led_to(sdp, *self.entrance(*to))

    def _ask(self, what: str, **values: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": what, **values}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise LinkFailed(f"the link's process has ended, exit code {self.process.wait()}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise LinkFailed(f"the link could not {what}: {told['error']}")
        return told

    def _stop(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended by itself
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
