"""The one table of which route asks for which scope.

A route that is not in it is refused wherever tokens are asked for, so a new one cannot be open by
oversight. Addresses below `/sessions/{secret}` are secrets themselves, as in RFC 9725: whoever has
one may follow, trickle into and end that call; having it say something takes a scope of its own.
So is an enrolment's: what is done there was allowed when it was opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from live.access.scopes import Scope
from live.bodies import WAV


class Posts(Enum):
    """Which requests of a route are calls or uploads."""

    NONE = auto()
    ALL = auto()
    SOUNDS = auto()
    """Those that bring one; a text costs little."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks for."""

    scopes: frozenset[Scope] = frozenset()
    """Any one of these; none: no token."""
    counted: bool = True
    """Whether requests are counted, by token or else by address; those for files of the page and
    for health are not, and a token is not looked at."""
    posts: Posts = Posts.NONE
    """Which requests are calls and uploads, whose number in a minute the operator limits."""

    @property
    def is_open(self) -> bool:
        """Whether no token is asked for."""
        return not self.scopes

    def is_post(self, content_type: str) -> bool:
        """Whether a request with a body of this media type is a call or an upload."""
        return self.posts is Posts.ALL or (self.posts is Posts.SOUNDS and content_type in WAV)


def _any_of(*scopes: Scope, posts: Posts = Posts.NONE) -> Rule:
    return Rule(frozenset(scopes), posts=posts)


_FILE = Rule(counted=False)
_OPEN = Rule()
_SECRET = Rule()
"""Open to who has the address."""

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/"): _FILE,
    ("GET", "/{file}"): _FILE,
    ("GET", "/livez"): _FILE,
    ("GET", "/readyz"): _FILE,
    ("GET", "/openapi.json"): _FILE,
    ("GET", "/.well-known/jwks.json"): _FILE,
    ("GET", "/metrics"): _any_of(Scope.ADMIN),
    ("GET", "/voices"): _any_of(Scope.SESSION, Scope.SPEAK),
    ("GET", "/avatars"): _any_of(Scope.SESSION, Scope.AVATARS),
    ("GET", "/avatars/{id}"): _any_of(Scope.SESSION, Scope.AVATARS),
    ("GET", "/avatars/{id}/portrait.png"): _any_of(Scope.SESSION, Scope.AVATARS),
    ("POST", "/avatars"): _any_of(Scope.AVATARS, posts=Posts.ALL),
    ("DELETE", "/avatars/{id}"): _any_of(Scope.AVATARS),
    ("POST", "/sessions"): _any_of(Scope.SESSION, posts=Posts.ALL),
    ("GET", "/sessions/{secret}"): _SECRET,
    ("PATCH", "/sessions/{secret}"): _SECRET,
    ("DELETE", "/sessions/{secret}"): _SECRET,
    ("PATCH", "/sessions/{secret}/settings"): _any_of(Scope.SESSION),
    ("POST", "/sessions/{secret}/say"): _any_of(Scope.SPEAK, posts=Posts.SOUNDS),
    ("POST", "/sessions/{secret}/interrupt"): _any_of(Scope.SPEAK),
    ("GET", "/sessions/{secret}/speech"): _any_of(Scope.SPEAK),
    ("POST", "/consents"): _any_of(Scope.ADMIN, posts=Posts.ALL),
    ("GET", "/consents/{id}"): _any_of(Scope.AVATARS),
    ("DELETE", "/consents/{id}"): _any_of(Scope.ADMIN),
    # Whoever has the code of a consent takes it back, token or none.
    ("POST", "/consents/{id}/withdraw"): _OPEN,
    ("POST", "/enrolments"): _any_of(Scope.AVATARS, posts=Posts.ALL),
    ("GET", "/enrolments/{secret}/camera"): _SECRET,
    # Whoever sees a picture may ask whether it is synthetic.
    ("POST", "/verify"): _OPEN,
}
"""By method and the route's canonical path; `HEAD` is as `GET`."""


def rule_of(method: str, path: str) -> Rule | None:
    """The rule of a route; `None`: it has none, and must not be reached."""
    return RULES.get(("GET" if method == "HEAD" else method, path))
