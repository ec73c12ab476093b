"""Claims and a key in, a small signed document out, and the way back.

The documents are JSON Web Signatures (RFC 7515) in compact form with Ed25519 (RFC 8037): consent
records, statements about calls, lines of the audit log, access tokens. `typ` in the signed header
says which of them one is, so that none passes for another; `kid` is the RFC 7638 thumbprint of the
key that signed it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from live.errors import BadSignature, UnknownKey

LONGEST = 16_384
"""Characters of a document that is looked at."""

_ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS(algorithms=[_ALGORITHM])


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The key as a JSON Web Key with its `kid`."""
    return {**_members(key), "kid": key_id(key)}


def key_id(key: Ed25519PublicKey) -> str:
    """The key's thumbprint (RFC 7638, RFC 8037)."""
    canonical = json.dumps(_members(key), sort_keys=True, separators=(",", ":"))
    return _base64url(sha256(canonical.encode()).digest())


def _members(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: Mapping[str, Any], key: Ed25519PrivateKey, typ: str) -> str:
    """The claims, signed; the same claims give the same text."""
    headers = {"typ": typ, "kid": key_id(key.public_key())}
    return _JWS.encode(payload(claims), key, algorithm=_ALGORITHM, headers=headers)


def payload(claims: Mapping[str, Any]) -> bytes:
    """The claims as they are signed: the document's middle part, decoded."""
    text = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def opened(
    document: str, keys: Mapping[str, Ed25519PublicKey], typ: str, *, longest: int = LONGEST
) -> dict[str, Any]:
    """The claims of a document of this type that one of `keys`, by `kid`, has signed.

    Raises `UnknownKey` where another key has, and `BadSignature` for anything else; what the
    document holds is not repeated.
    """
    text = document.strip()
    if len(text) > longest:
        raise BadSignature(f"a signed document has at most {longest} characters; this is none")
    if not text.isascii():
        raise BadSignature("this is no signed document: it has signs that none has")
    try:
        headers = _JWS.get_unverified_header(text)
    except jwt.InvalidTokenError as error:
        raise BadSignature("this is no signed document, or a part of it is missing") from error
    if headers.get("typ") != typ:
        raise BadSignature(f"this is a signed document of another kind; expected is {typ}")
    if not _is_canonical(text):
        raise BadSignature("the document was changed: it is not written as it would be signed")
    key = keys.get(str(headers.get("kid")))
    if key is None:
        raise UnknownKey("signed with a key that is not known here; see docs/disclosure.md")
    try:
        claims = json.loads(_JWS.decode(text, key, algorithms=[_ALGORITHM]))
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise BadSignature("the signature does not fit: the document was changed") from error
    if not isinstance(claims, dict):
        raise BadSignature("a signed document holds a JSON object; this holds something else")
    return claims


def _is_canonical(text: str) -> bool:
    """Whether every part is the base64url of its bytes: the last digit of one has spare bits."""
    return all(
        _base64url(urlsafe_b64decode(part + "=" * (-len(part) % 4))) == part
        for part in text.split(".")
    )
