"""Tokens that are good no more: the operator writes the list, running servers read it.

The list is one signed document beside the operator's keys, replaced as a whole. A token is listed
for as long as it could be used; "all until now" takes the place of many. Where the list is there
and cannot be believed, no token is.
"""

from __future__ import annotations

import fcntl
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engines import atomic_file
from live import signed
from live.access.tokens import LONGEST_LIFETIME_S, SKEW_S, Grant
from live.errors import BadRequest, BadSignature, Conflict, InvalidToken
from live.keys import OperatorKeys

FILE = "revoked-tokens.jws"
MOST = 2_000
"""Tokens that are listed at once."""

_TYPE = "visavis-revoked-tokens"
_LONGEST = 1 << 17
"""Characters of the list."""
_ID = re.compile(r"[0-9a-f]{16}")
_READ_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Revoked:
    """What the list says."""

    until: int = 0
    """Every token that was issued by then, Unix seconds."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Ids, and when each was revoked."""

    def covers(self, grant: Grant) -> bool:
        """Whether a token is one of them."""
        return grant.issued_at <= self.until or grant.id in self.tokens


def check_id(id: str) -> str:
    """A token's id, or `BadRequest`."""
    if not _ID.fullmatch(id):
        raise BadRequest("a token's id has 16 hexadecimal digits; `visavis token show` tells it")
    return id


class Revocations:
    """The list of one operator. Methods block for a moment: it is a small file."""

    def __init__(
        self, folder: Path, keys: OperatorKeys, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`folder` is that of the operator's keys; `clock` gives seconds."""
        self._file = folder / FILE
        self._keys = keys
        self._clock = clock
        self._known: Revoked | None = Revoked()
        self._version: tuple[int, int, int] | None = None
        self._look_at = -1.0

    def check(self, grant: Grant) -> None:
        """Raises `InvalidToken` where the token was revoked, or nobody can tell."""
        known = self._fresh()
        if known is None:
            raise InvalidToken("no token is taken until the operator has mended the server's list")
        if known.covers(grant):
            raise InvalidToken("the access token was revoked; ask for another one")

    def has(self, grant: Grant) -> bool:
        """Whether the token is known to be revoked."""
        known = self._fresh()
        return known is not None and known.covers(grant)

    def revoke(self, id: str) -> None:
        """Lists a token; raises `BadRequest`, `Conflict`, and `BadSignature` for a broken list."""
        check_id(id)
        with self._locked():
            listed = self._read()
            now = int(time.time())
            tokens = {
                one: at
                for one, at in listed.tokens.items()
                if at > now - LONGEST_LIFETIME_S - SKEW_S
            }
            if len(tokens) >= MOST and id not in tokens:
                raise Conflict(
                    f"{MOST} tokens are revoked already; revoke every one that there is by"
                    " `visavis token revoke --all`, and grant anew what is needed"
                )
            self._write(Revoked(listed.until, {**tokens, id: now}))

    def revoke_all(self) -> None:
        """Revokes every token that was issued until now."""
        with self._locked():
            self._write(Revoked(int(time.time())))

    def _fresh(self) -> Revoked | None:
        """What the file says, looked at once a second; `None`: it cannot be believed."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _READ_AGAIN_S
            version = self._present_version()
            if version != self._version:
                self._version = version
                try:
                    self._known = self._read()
                except (BadSignature, OSError) as error:
                    self._known = None
                    _log.error("%s cannot be believed, so no token is: %s", self._file, error)
        return self._known

    def _present_version(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> Revoked:
        try:
            text = self._file.read_text("ascii")
        except FileNotFoundError:
            return Revoked()
        except UnicodeDecodeError as error:
            raise BadSignature("the list of revoked tokens is no signed document") from error
        claims = signed.opened(text, self._keys.own, _TYPE, longest=_LONGEST)
        return Revoked(int(claims["until"]), claims["tokens"])

    def _write(self, listed: Revoked) -> None:
        claims = {"v": 1, "until": listed.until, "tokens": listed.tokens}
        document = signed.sign(claims, self._keys.signing, _TYPE)
        atomic_file.write(self._file, document.encode() + b"\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, on this machine."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._file.with_name(f".{FILE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
