"""The server's health and keys, and whether something was made here."""

from __future__ import annotations

from live.openapi.operations import ok, operation
from live.openapi.schemas import (
    Json,
    json_body,
    object_of,
    ref,
    text,
)


def health() -> Json:
    """`/livez`, `/readyz`, `/metrics` and this description."""
    alive = object_of({"status": {"const": "alive"}})
    ready = object_of({"status": {"const": "ready"}, "free": {"type": "integer", "minimum": 1}})
    return {
        "/livez": {"get": operation("Whether the server is alive", ok(json_body(alive)))},
        "/readyz": {
            "get": operation("Whether the next call would be served", ok(json_body(ready)), 503)
        },
        "/metrics": {"get": operation("Prometheus series", ok({"text/plain": {"schema": text()}}))},
        "/openapi.json": {"get": operation("This description", ok(json_body({"type": "object"})))},
    }


def keys() -> Json:
    """`/.well-known/jwks.json`."""
    key = object_of({name: text() for name in ("kty", "crv", "x", "kid", "use", "alg")})
    keys = object_of({"keys": {"type": "array", "items": key, "minItems": 1}})
    described = {"application/jwk-set+json": {"schema": keys}}
    about = "The keys that statements about calls and other documents are signed with"
    return {"/.well-known/jwks.json": {"get": operation(about, ok(described))}}


def verify() -> Json:
    """`/verify`."""
    file: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
    verifying = operation(
        "Whether a picture or film was made here, and what is known of it; nothing is kept",
        ok(json_body(ref("Verdict"))),
        *(400, 403, 413, 415, 422, 429, 503),
        body={
            "application/octet-stream": {"schema": {}},
            "multipart/form-data": {"schema": object_of({"file": file})},
        },
    )
    return {"/verify": {"post": verifying}}
