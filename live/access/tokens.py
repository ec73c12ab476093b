"""Scopes and a lifetime in, a bearer token out, and the way back.

A token is a JSON Web Token (RFC 7519) that the operator's signing key has signed with Ed25519. It
is good for this operator's servers only: whoever else is believed in other matters grants none.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jwt

from live.access.scopes import EVERYTHING, Scope, effective
from live.errors import BadRequest, InvalidToken
from live.keys import OperatorKeys

LONGEST_LIFETIME_S = 90 * 86_400
"""A revoked token is remembered for this long."""
LONGEST_LABEL = 60
SKEW_S = 60
"""What clocks may differ by."""

_TYPE = "visavis-access"
_AUDIENCE = "visavis"
_ALGORITHM = "EdDSA"
_LONGEST = 2048
_REQUIRED = ["aud", "exp", "iat", "iss", "jti", "scope"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do."""

    scopes: frozenset[Scope]
    """All that follow from those of the token."""
    id: str = ""
    """The token's; empty where none was asked for."""
    issued_at: int = 0
    expires_at: int = 0
    """Unix seconds."""
    label: str = ""
    """What the operator calls the token."""


FREE = Grant(EVERYTHING)
"""Where no token is asked for."""


def issue(
    keys: OperatorKeys,
    scopes: Iterable[Scope],
    lifetime_s: int,
    *,
    label: str = "",
    now: float | None = None,
) -> str:
    """A new token; raises `BadRequest` for a lifetime, label or scopes that it cannot have.

    `now`: Unix seconds at which it begins; the present unless said.
    """
    words = sorted(set(scopes))
    if not words:
        raise BadRequest("a token needs a scope: session, speak, avatars or admin")
    if not 1 <= lifetime_s <= LONGEST_LIFETIME_S:
        raise BadRequest(f"a token lives for 1 second to {LONGEST_LIFETIME_S // 86_400} days")
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise BadRequest(f"a label has at most {LONGEST_LABEL} printable characters")
    issued_at = int(time.time() if now is None else now)
    claims: dict[str, Any] = {
        "iss": keys.id,
        "aud": _AUDIENCE,
        "iat": issued_at,
        "exp": issued_at + lifetime_s,
        "jti": secrets.token_hex(8),
        "scope": " ".join(words),
    }
    if label:
        claims["label"] = label
    return jwt.encode(claims, keys.signing, _ALGORITHM, {"typ": _TYPE, "kid": keys.id})


def read(token: str, keys: OperatorKeys) -> Grant:
    """What a token grants; raises `InvalidToken`, which repeats nothing of it.

    Whether it was revoked is another question: see `live.access.revocations`.
    """
    if len(token) > _LONGEST:
        raise InvalidToken("this is no access token; ask whoever runs the server for one")
    try:
        headers = jwt.get_unverified_header(token)
        if headers.get("typ") != _TYPE:
            raise InvalidToken("this document is signed, but it is no access token")
        claims = jwt.decode(
            token,
            keys.signing.public_key(),
            [_ALGORITHM],
            {"require": _REQUIRED},
            audience=_AUDIENCE,
            issuer=keys.id,
            leeway=SKEW_S,
        )
        return _grant(claims)
    except jwt.ExpiredSignatureError as error:
        raise InvalidToken("the access token has expired; ask for another one") from error
    except jwt.ImmatureSignatureError as error:
        raise InvalidToken("the access token is of the future; set this machine's clock") from error
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidToken("the access token was not made by this server, or is broken") from error


def _grant(claims: dict[str, Any]) -> Grant:
    """Raises `ValueError` for claims that `issue` would not have made."""
    issued_at, expires_at = int(claims["iat"]), int(claims["exp"])
    if expires_at - issued_at > LONGEST_LIFETIME_S:
        raise ValueError("a token without a reasonable end")
    scopes = [Scope(word) for word in str(claims["scope"]).split()]
    return Grant(
        effective(scopes), claims["jti"], issued_at, expires_at, str(claims.get("label", ""))
    )
