"""What the server's process and its workers tell each other, as values and as text, both ways.

A worker listens on a Unix socket that only the server's process can open. Requests for calls go to
it as they came, with two headers beside them: what they may do (`GRANT_HEADER`), and, where a call
is opened, under which secret id (`SECRET_HEADER`). Back come answers, and one stream of lines
(`GET /watch`), each a JSON object: how the worker is, or a call that has ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from live.access.scopes import Scope
from live.access.tokens import Grant
from live.errors import BadRequest

GRANT_HEADER = "Visavis-Grant"
"""What the request may do: `grant_to_header`."""
SECRET_HEADER = "Visavis-Secret"  # noqa: S105
"""Under which secret id the call is to be found; of `POST /sessions`."""

WATCH = "/watch"
"""`GET`: lines without end (`State`, `Ended`); the first one comes at once."""
END_CALLS = "/calls/end"
"""`POST`: an `EndCalls` as JSON; answers `{"ended": n}` when they have ended."""
METRICS = "/metrics"
"""`GET`: the worker's own Prometheus text."""


@dataclass(frozen=True, slots=True)
class State:
    """How a worker is; told once a second, and at once when a call begins or ends."""

    ready: bool
    """Whether its parts are loaded."""
    trouble: str
    """Why they could not be loaded when it was last tried; empty: nothing is wrong."""
    calls: int
    """That it holds."""
    free: int
    """How many more it would take: one after another, their turns fit."""
    why_full: str
    """Why it takes no more, for people; empty where it does."""
    step: int
    """The number of the cheapest step at which any of its calls is drawn (`live.load.steps`)."""
    pictures: float
    """Drawn since the process began, counted in ones that are drawn in full."""
    cpu_s: float
    """CPU seconds of the process since it began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has left the worker, whatever ended it."""

    secret: str


@dataclass(frozen=True, slots=True)
class EndCalls:
    """Which calls are to end: those that show an avatar, or those of these secret ids.

    With `avatar`, what was prepared of it is dropped, too.
    """

    reason: str
    """As the client is told."""
    avatar: str = ""
    secrets: tuple[str, ...] = ()


Line = State | Ended

T = TypeVar("T")

_STATE = TypeAdapter(State)
_END_CALLS = TypeAdapter(EndCalls)


def to_line(line: Line) -> bytes:
    """One line of the stream, with its end."""
    told = {"ended": line.secret} if isinstance(line, Ended) else {"state": asdict(line)}
    return json.dumps(told).encode() + b"\n"


def from_line(text: bytes) -> Line:
    """The way back; raises `BadRequest`."""
    match _object(text):
        case {"ended": str(secret)}:
            return Ended(secret)
        case {"state": values}:
            return _checked(_STATE, values)
    raise BadRequest("a worker's line says neither how it is nor which call has ended")


def end_calls_to_body(wanted: EndCalls) -> bytes:
    """The body of `END_CALLS`."""
    return json.dumps(asdict(wanted)).encode()


def end_calls_from_body(values: Mapping[str, Any]) -> EndCalls:
    """The way back, from the JSON object; raises `BadRequest`."""
    return _checked(_END_CALLS, values)


def grant_to_header(grant: Grant) -> str:
    """A grant as a header's value; the token's label, which the operator chose, stays here."""
    values = {
        "scopes": sorted(grant.scopes),
        "id": grant.id,
        "issued_at": grant.issued_at,
        "expires_at": grant.expires_at,
    }
    return json.dumps(values)


def grant_from_header(text: str) -> Grant:
    """The way back; raises `BadRequest`."""
    match _object(text):
        case {
            "scopes": [*scopes],
            "id": str(id),
            "issued_at": int(issued_at),
            "expires_at": int(expires_at),
        } if all(scope in set(Scope) for scope in scopes):
            return Grant(frozenset(map(Scope, scopes)), id, issued_at, expires_at)
    raise BadRequest(f"{GRANT_HEADER} is not what a request may do")


def _object(text: str | bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise BadRequest("what the other process says is not a JSON object")
    return values


def _checked(adapter: TypeAdapter[T], values: object) -> T:
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        raise BadRequest("what the other process says lacks something or has too much") from error
