"""An offer goes to a server, its answer comes back: our own server, or any other by URL.

* `OfferAnswer`: one endpoint takes the offer of a connection that sends and receives. It is asked
  with the SDP itself (`application/sdp`), or with JSON (`{"sdp": …, "type": "offer"}`).
* `PublishPlay`: a WHIP endpoint (RFC 9725) takes what is sent, a WHEP endpoint
  (draft-ietf-wish-whep) gives what is received, each by a connection of its own.

A bearer token goes with every request; an endpoint that answers with a redirection that keeps the
method (307, 308) is followed. What has a session's address (`Location`) is ended by DELETE there.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlencode, urljoin, urlsplit

from benchmarks.call import CallFailed, CallPlan
from live.errors import BadRequest

Leg = Literal["both", "send", "receive"]
"""What one connection of a call is for."""

_SDP, _JSON = "application/sdp", "application/json"
_LIMIT_S = 20.0
_LARGEST = 1 << 20
_KEEPS_METHOD = (307, 308)
_REDIRECTIONS = 3
_OTHER_FORMAT = (400, 415, 422)
"""What an endpoint that wants JSON answers to an SDP."""
_QUOTED = 200
"""Characters of an error's text."""


class Target(Protocol):
    """A server that can be called."""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The connections of a call, in the order in which they are made."""

    def dial(self, leg: Leg, sdp: str) -> str:
        """The answer to a connection's offer; raises `CallFailed`."""

    def report(self) -> dict[str, Any] | None:
        """What the server says of the call; `None` where it says nothing."""

    def hang_up(self) -> None:
        """Ends the call at the server, where it can be told."""


class Answer(NamedTuple):
    """A server's answer to a request."""

    status: int
    type: str
    location: str | None
    """Absolute."""
    body: bytes


@dataclass
class OfferAnswer:
    """One endpoint for both ways."""

    url: str
    token: str | None = None
    format: Literal["sdp", "json", "auto"] = "auto"
    """`auto`: SDP, and JSON where that is refused."""
    legs: tuple[Leg, ...] = ("both",)
    _session: str | None = None

    def dial(self, leg: Leg, sdp: str) -> str:
        """The answer; raises `CallFailed`."""
        plain, packed = (_SDP, sdp), (_JSON, json.dumps({"sdp": sdp, "type": "offer"}))
        ways = {"sdp": [plain], "json": [packed]}.get(self.format, [plain, packed])
        for media_type, body in ways:
            answer = ask("POST", self.url, self.token, media_type, body)
            if answer.status not in _OTHER_FORMAT:
                break
        self._session = answer.location
        return described(answer)

    def report(self) -> dict[str, Any] | None:
        """The session as it describes itself in JSON."""
        if self._session is None:
            return None
        answer = ask("GET", self._session, self.token)
        if answer.status != 200 or "json" not in answer.type:
            return None
        found = _parsed(answer)
        return found if isinstance(found, dict) else None

    def hang_up(self) -> None:
        """Deletes the session."""
        if self._session is not None:
            ask("DELETE", self._session, self.token)
            self._session = None


@dataclass
class PublishPlay:
    """A WHIP endpoint and a WHEP endpoint."""

    publish: str
    play: str
    token: str | None = None
    legs: tuple[Leg, ...] = ("send", "receive")
    _sessions: dict[Leg, str] = field(default_factory=dict)

    def dial(self, leg: Leg, sdp: str) -> str:
        """The answer; raises `CallFailed`."""
        url = self.publish if leg == "send" else self.play
        answer = ask("POST", url, self.token, _SDP, sdp)
        if answer.location is not None:
            self._sessions[leg] = answer.location
        return described(answer)

    def report(self) -> None:
        """None: neither protocol has one."""

    def hang_up(self) -> None:
        """Deletes both sessions, the player's first."""
        for leg in reversed(self.legs):
            if (session := self._sessions.pop(leg, None)) is not None:
                ask("DELETE", session, self.token)


def own(address: str, plan: CallPlan) -> OfferAnswer:
    """A server of ours, or the stock one of `benchmarks.serving`, which has the same routes."""
    query = {"avatar": plan.avatar} | ({"driver": plan.driver} if plan.driver else {})
    return OfferAnswer(f"{address}/sessions?{urlencode(query)}", format="sdp")


def named(
    offer: str | None, publish: str | None, play: str | None, token_file: Path | None
) -> Target | None:
    """The target that the options name; `None`: none. Raises `BadRequest` for half of one.

    The token is in a file, as a command line is seen by everybody and kept in the record.
    """
    for option, url in (("--offer", offer), ("--whip", publish), ("--whep", play)):
        if url is not None and urlsplit(url).scheme not in ("http", "https"):
            raise BadRequest(f"{option}: {url!r} is no http or https URL")
    token = _read(token_file)
    if offer is not None:
        if publish is not None or play is not None:
            raise BadRequest("name either --offer, or --whip with --whep")
        return OfferAnswer(offer, token)
    if publish is None and play is None:
        return None
    if publish is None or play is None:
        raise BadRequest("a pair has two URLs: --whip is where to send, --whep where to receive")
    return PublishPlay(publish, play, token)


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"--token-file: {file} cannot be read ({type(error).__name__})") from error


def described(answer: Answer) -> str:
    """The SDP of an answer; raises `CallFailed` where it has none."""
    if not 200 <= answer.status < 300:
        text = answer.body.decode("utf-8", "replace")[:_QUOTED].strip()
        raise CallFailed(f"the server answered {answer.status}: {text}")
    if "json" in answer.type:
        found = _parsed(answer)
        sdp = found.get("sdp") if isinstance(found, Mapping) else None
    else:
        sdp = answer.body.decode("utf-8", "replace")
    if not isinstance(sdp, str) or not sdp.startswith("v=0"):
        raise CallFailed(
            f"the server answered {answer.status} with {answer.type or 'no type'} that holds no"
            " SDP; it has to answer the POST itself with its answer and all of its candidates"
        )
    return sdp


def _parsed(answer: Answer) -> object:
    try:
        found: object = json.loads(answer.body)
    except ValueError:
        raise CallFailed(f"the server answered {answer.status} with JSON that is none") from None
    return found


def ask(
    method: str,
    url: str,
    token: str | None,
    media_type: str | None = None,
    body: str | None = None,
) -> Answer:
    """One request; raises `CallFailed` where nobody answers."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    for _ in range(_REDIRECTIONS):
        data = None if body is None else body.encode()
        if not url.startswith(("http://", "https://")):
            raise CallFailed("a server led to what is no http or https URL")
        answer = _once(urllib.request.Request(url, data, headers, method=method))  # noqa: S310  (checked)
        if answer.status not in _KEEPS_METHOD or answer.location is None:
            return answer
        url = answer.location
    raise CallFailed(f"{_REDIRECTIONS} redirections in a row from a server; name the last address")


def _once(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=_LIMIT_S) as response:  # noqa: S310  (as above)
            return _answer(response.status, response)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error)
    except OSError as error:
        place = urlsplit(request.full_url).netloc
        raise CallFailed(f"no server answers at {place}: {type(error).__name__}") from error


def _answer(status: int, response: Any) -> Answer:
    location = response.headers.get("Location")
    return Answer(
        status,
        response.headers.get("Content-Type", "").lower(),
        None if location is None else urljoin(response.geturl(), location),
        response.read(_LARGEST),
    )
