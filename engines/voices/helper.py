"""A program that answers requests by pipe: a line goes in, a line and bytes come out, in time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from engines.errors import VoiceUnavailable

_LONGEST_LINE = 4_000_000
_BLOCK = 1 << 16


class Helper:
    """A child process of one thread's; only `kill` may be called from others."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Raises `VoiceUnavailable` where it cannot be started."""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            raise VoiceUnavailable(
                f"the voice's program cannot be started ({error.strerror})"
            ) from error
        self._read = bytearray()

    def __enter__(self) -> Helper:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the program at once."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def kill(self) -> None:
        """Makes it, and whoever waits for its answer, end at once."""
        self._process.kill()

    def ask(self, request: Mapping[str, Any]) -> None:
        """Sends a request, which is short enough to fit into a pipe."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise _died() from error

    def answer(self, timeout_s: float) -> Any:
        """The next line, as JSON."""
        until = time.monotonic() + timeout_s
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > _LONGEST_LINE:
                raise _died()
            self._read += self._more(until)
        line = self._taken(end + 1)
        try:
            return json.loads(line)
        except ValueError as error:
            raise _died() from error

    def content(self, size: int, timeout_s: float) -> bytes:
        """The next `size` bytes."""
        until = time.monotonic() + timeout_s
        while len(self._read) < size:
            self._read += self._more(until)
        return self._taken(size)

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    def _more(self, until: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        if not select.select([pipe], [], [], max(until - time.monotonic(), 0))[0]:
            raise VoiceUnavailable("the voice's program does not answer in time; try again")
        block = os.read(pipe, _BLOCK)
        if not block:
            raise _died()
        return block


def _died() -> VoiceUnavailable:
    return VoiceUnavailable("the voice's program broke off; try again or choose another voice")
