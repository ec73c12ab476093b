"""An open file in, a verdict out, by a child process that has limits and is always ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

import live
from live.errors import BadRequest, TooLarge, Unprocessable, VisavisError, WrongType
from live.keys import OperatorKeys
from live.provenance.certificates import pem
from live.verification import media
from live.verification.verdict import Verdict, parsed
from live.verification.windows import Tell

_LONGEST_ANSWER = 1 << 20
_LONGEST_DETAIL = 500
_ERRORS = (BadRequest, TooLarge, Unprocessable, WrongType)
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL", "TZ")
"""Of the environment: the rest may hold secrets, and the child decodes what a stranger has made."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    size: int = 4 << 30
    """Bytes of the file."""
    wall_s: float = 240.0
    cpu_s: int = 150
    search_cpu_s: float = 90.0
    """Of searching for marks; what was not looked at by then is said."""
    search_wall_s: float = 150.0
    """The same by the clock."""
    memory: int = 1 << 30
    """Bytes that the child allocates."""


class Verifier:
    """Looks at files on behalf of one operator."""

    def __init__(
        self,
        keys: OperatorKeys,
        certificate: Callable[[], x509.Certificate | None],
        limits: Limits | None = None,
    ) -> None:
        """What is marked with `keys` and signed with `certificate` is this operator's.

        The certificate is asked for with each file: it may be made or renewed meanwhile.
        """
        self._marks = [key.hex() for key in (keys.mark, *keys.former_marks)]
        self._certificate = certificate
        self.limits = limits or Limits()

    async def verify(self, descriptor: int, tell: Tell = lambda done, parts: None) -> Verdict:
        """What can be told of an open regular file, which is read from its beginning.

        `tell` hears how far that is.

        Raises `BadRequest` for an empty file, `WrongType` for what is no picture or film,
        `TooLarge`, and `Unprocessable` for what cannot be decoded within the limits.
        """
        size = os.fstat(descriptor).st_size
        if size > self.limits.size:
            raise TooLarge(
                f"the file has {size / 2**20:.0f} MiB; at most {self.limits.size >> 20} MiB are"
                " looked at: cut out the part that matters, without encoding it again"
            )
        media.medium(os.pread(descriptor, media.HEAD, 0))  # most nonsense costs no process
        certificate = await asyncio.to_thread(self._certificate)
        request = {
            "file": descriptor,
            "marks": self._marks,
            "certificate": pem(certificate) if certificate else None,
            "search_cpu_s": self.limits.search_cpu_s,
            "search_wall_s": self.limits.search_wall_s,
            "memory": self.limits.memory,
            "cpu_s": self.limits.cpu_s,
        }
        answer = await self._ask(json.dumps(request).encode(), descriptor, tell)
        if "error" in answer:
            raise _error(answer)
        try:
            return parsed(answer.get("verdict"))
        except ValueError as error:
            raise _gave_up() from error

    async def _ask(self, request: bytes, descriptor: int, tell: Tell) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # not from the folder that the user happens to be in
            "-m",
            "live.verification",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(descriptor,),
            env=_environment(),
            start_new_session=True,
            limit=_LONGEST_ANSWER,
        )
        try:
            async with asyncio.timeout(self.limits.wall_s):
                line = await _exchange(process, request, tell)
        except TimeoutError as error:
            raise _too_slow() from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()
        if not line:
            raise _too_slow() if process.returncode == -signal.SIGXCPU else _gave_up()
        answer = _object(line)
        if answer is None:
            raise _gave_up()
        return answer


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


async def _exchange(process: asyncio.subprocess.Process, request: bytes, tell: Tell) -> bytes:
    """Sends the request and takes the line that is the answer; empty: there was none."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(request)
        await process.stdin.drain()
    process.stdin.close()
    while line := await process.stdout.readline():
        match _object(line):
            case {"done": int(done), "of": int() | None as parts}:
                tell(done, parts)
            case _:
                break
    await process.wait()
    return line


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    root = str(Path(live.__file__).parents[1])
    return kept | _ONE_THREAD | {"PYTHONPATH": root}


def _error(answer: dict[str, Any]) -> VisavisError:
    """One of ours by its name; the child has decoded a stranger's file and is not believed all."""
    kind = next((one for one in _ERRORS if one.__name__ == answer["error"]), Unprocessable)
    return kind(str(answer.get("detail"))[:_LONGEST_DETAIL])


def _too_slow() -> Unprocessable:
    return Unprocessable(
        "looking at this file took longer than is given to one; cut out the part that matters,"
        " without encoding it again"
    )


def _gave_up() -> Unprocessable:
    return Unprocessable(
        "the decoder gave up on this file: it is damaged, or made to take more memory than is given"
        " to one"
    )
