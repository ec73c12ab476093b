"""The description of the HTTP interface: OpenAPI 3.1, as `GET /openapi.json` gives it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from live import problems
from live.access.rules import rule_of
from live.avatars import ID_PATTERN, NAME_LIMIT
from live.consent.record import ID_PATTERN as CONSENT_ID_PATTERN
from live.consent.record import (
    REVOCATION_REASON_LIMIT,
    STATEMENT_LIMIT,
    SUBJECT_PATTERN,
    Basis,
)
from live.consent.verdict import Standing
from live.enrolment.phrases import LANGUAGES
from live.openapi_schemas import (
    Json,
    all_schemas,
    json_body,
    object_of,
    record_properties,
    ref,
    text,
)
from live.routes.enrolments import CODE_LIMIT
from live.signed import LONGEST
from live.verification.schema import schemas as verdicts

_MEANINGS = {
    400: "The request cannot be understood.",
    401: "No access token, or one that is not believed; see `WWW-Authenticate`.",
    403: "No consent, no scope for it, or asked by another site's page.",
    404: "There is no such thing.",
    409: "It does not fit the present state.",
    412: "`If-Match` names another state.",
    413: "More than is taken here.",
    415: "Another media type than is taken here.",
    421: "Asked for under a name that is not this machine's.",
    422: "Understood, but it cannot be done; for a portrait `reason` says why.",
    429: "Too many requests; `Retry-After` says when to try again.",
    503: "Full, or not ready; `Retry-After` says when to try again.",
}

_BEARER = "token"


@cache
def document() -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Visavis",
            "version": version("visavis"),
            "summary": "Calls in which a person is seen as an avatar.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _guarded(
            _health()
            | _keys()
            | _avatars()
            | _consents()
            | _sessions()
            | _speech()
            | _enrolments()
            | _verify()
        ),
        "components": {
            "schemas": all_schemas() | verdicts("#/components/schemas/{model}"),
            "securitySchemes": {
                _BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Made by `visavis token grant`. Asked for on any address but"
                    " loopback, and there where the operator wants it. Any one of the scopes that"
                    " an operation names will do; `admin` is every one.",
                }
            },
        },
    }


def _guarded(paths: Json) -> Json:
    """With what the gate asks for before each operation, and what it answers otherwise."""
    for path, operations in paths.items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            rule = rule_of(method.upper(), path)
            assert rule is not None, f"no rule in live/access/rules.py: {method} {path}"
            operation["security"] = [{_BEARER: [scope]} for scope in sorted(rule.scopes)]
            refusals = (421, 429) if rule.is_open else (401, 403, 421, 429)
            for status in refusals if rule.counted else (421,):
                operation["responses"].setdefault(str(status), _refusal(status))
    return paths


def _verify() -> Json:
    file: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
    operation = _operation(
        "Whether a picture or film was made here, and what is known of it; nothing is kept",
        _ok(json_body(ref("Verdict"))),
        *(400, 403, 413, 415, 422, 429, 503),
        body={
            "application/octet-stream": {"schema": {}},
            "multipart/form-data": {"schema": object_of({"file": file})},
        },
    )
    return {"/verify": {"post": operation}}


def _keys() -> Json:
    key = object_of({name: text() for name in ("kty", "crv", "x", "kid", "use", "alg")})
    keys = object_of({"keys": {"type": "array", "items": key, "minItems": 1}})
    described = {"application/jwk-set+json": {"schema": keys}}
    about = "The keys that statements about calls and other documents are signed with"
    return {"/.well-known/jwks.json": {"get": _operation(about, _ok(described))}}


def _health() -> Json:
    alive = object_of({"status": {"const": "alive"}})
    ready = object_of({"status": {"const": "ready"}, "free": {"type": "integer", "minimum": 1}})
    return {
        "/livez": {"get": _operation("Whether the server is alive", _ok(json_body(alive)))},
        "/readyz": {
            "get": _operation("Whether the next call would be served", _ok(json_body(ready)), 503)
        },
        "/metrics": {
            "get": _operation("Prometheus series", _ok({"text/plain": {"schema": text()}}))
        },
        "/openapi.json": {
            "get": _operation("This description", _ok(json_body({"type": "object"})))
        },
    }


def _avatars() -> Json:
    one = _path_parameter("id", {"type": "string", "pattern": f"^{ID_PATTERN}$"})
    form = object_of(
        {
            "image": {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "A portrait: one face, from the front.",
            },
            "id": text(pattern=f"^{ID_PATTERN}$", description="Made of the name where missing."),
            "name": text(maxLength=NAME_LIMIT),
            "consent": text(
                minLength=1, maxLength=LONGEST, description="A signed consent record for it."
            ),
        },
        optional=("id", "name"),
    )
    catalogue = object_of({"avatars": {"type": "array", "items": ref("Avatar")}})
    removed = object_of({"ended_calls": {"type": "integer", "minimum": 0}})
    png: Json = {"image/png": {"schema": {}}}
    return {
        "/avatars": {
            "get": _operation("Every avatar that a call can show", _ok(json_body(catalogue))),
            "post": _operation(
                "Adds an avatar",
                _answer(201, json_body(ref("Avatar")), Location="Its address."),
                400,
                403,
                409,
                413,
                415,
                422,
                429,
                503,
                body={"multipart/form-data": {"schema": form}},
            ),
        },
        "/avatars/{id}": {
            "parameters": [one],
            "get": _operation("One avatar", _ok(json_body(ref("Avatar"))), 403, 404),
            "delete": _operation(
                "Removes an added avatar and ends the calls in which it is shown",
                _ok(json_body(removed)),
                403,
                404,
                409,
            ),
        },
        "/avatars/{id}/portrait.png": {
            "parameters": [one],
            "get": _operation(
                "Its portrait", _ok(png) | {"304": {"description": "Unchanged."}}, 403, 404
            ),
        },
    }


def _sessions() -> Json:
    secret = _path_parameter("secret", text())
    sdp = {"application/sdp": {"schema": text(description="SDP (RFC 8866)")}}
    fragment = {"application/trickle-ice-sdpfrag": {"schema": text(description="RFC 8840")}}
    opened = _answer(
        201, sdp, Location="The call's secret address.", ETag="Its ICE state.", Link="ICE servers."
    )
    avatar = {"name": "avatar", "in": "query", "required": True, "schema": text()}
    driver = {
        "name": "driver",
        "in": "query",
        "description": "What moves the avatar: the camera, the voice, or what is better founded.",
        "schema": text(default="auto", examples=["auto", "face", "speech"]),
    }
    match = {"name": "If-Match", "in": "header", "schema": text()}
    done = _answer(204, None)
    return {
        "/sessions": {
            "post": _operation(
                "Opens a call: camera and microphone in, avatar out",
                opened,
                400,
                403,
                404,
                413,
                415,
                422,
                429,
                503,
                body=sdp,
                parameters=[avatar, driver],
            ),
        },
        "/sessions/{secret}": {
            "parameters": [secret],
            "get": _operation("How the call goes", _ok(json_body(ref("Report"))), 404),
            "patch": _operation(
                "More ICE candidates; ICE restart is not supported",
                done,
                400,
                403,
                404,
                409,
                412,
                413,
                415,
                422,
                body=fragment,
                parameters=[match],
            ),
            "delete": _operation("Ends the call", _answer(200, None), 403, 404),
        },
        "/sessions/{secret}/settings": {
            "parameters": [secret],
            "patch": _operation(
                "Changes the running call",
                done,
                *_REFUSALS,
                body=json_body(ref("CallSettings")),
            ),
        },
    }


_REFUSALS = (400, 403, 404, 409, 413, 415, 422, 429, 503)
"""Of what asks a running call to do something."""


def _speech() -> Json:
    secret = _path_parameter("secret", text())
    said = _answer(202, json_body(object_of({"utterance": text()})))
    wav: Json = {"audio/wav": {"schema": {}}}
    ends = object_of({"interrupted": {"type": "array", "items": ref("End")}})
    return {
        "/voices": {"get": _operation("Every voice", _ok(json_body(ref("Voices"))))},
        "/sessions/{secret}/say": {
            "parameters": [secret],
            "post": _operation(
                "Lets the avatar say a text, or speak with a sound (WAV)",
                said,
                *_REFUSALS,
                body=json_body(ref("Say")) | wav,
            ),
        },
        "/sessions/{secret}/interrupt": {
            "parameters": [secret],
            "post": _operation("Makes silence at once", _ok(json_body(ends)), 403, 404, 409),
        },
        "/sessions/{secret}/speech": {
            "parameters": [secret],
            "get": _operation(
                "A WebSocket that takes sound as it is made (docs/api.md)",
                {"101": {"description": "The WebSocket begins."}},
                400,
                403,
                404,
                409,
            ),
        },
    }


def _consents() -> Json:
    one = _path_parameter("id", text(pattern=f"^{CONSENT_ID_PATTERN}$"))
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = object_of(
        {
            "image": file | {"description": "The portrait that may be shown."},
            "document": file | {"description": "The signed paper, of which the hash is kept."},
            "subject": text(
                pattern=f"^({SUBJECT_PATTERN})?$", description="A pseudonym; random where missing."
            ),
            "basis": text(
                enum=[basis for basis in Basis if basis is not Basis.LIVE_ENROLMENT],
                description="How it was granted; a live enrolment has routes of its own.",
            ),
            "statement": text(minLength=1, maxLength=STATEMENT_LIMIT),
            "purposes": text(examples=["call,render"]),
            "modes": text(examples=["face,speech"]),
            "days": text(examples=["365"], description="That the consent is valid for."),
        },
        optional=("document", "subject", "purposes", "modes", "days"),
    )
    standing = {
        "standing": text(enum=list(Standing), description="Whether it holds now."),
        "message": text(description="Why it does not."),
    }
    granted = object_of(record_properties())
    reason = {"name": "reason", "in": "query", "schema": text(maxLength=REVOCATION_REASON_LIMIT)}
    return {
        "/consents": {
            "post": _operation(
                "Signs a record that a portrait may be shown",
                _answer(201, json_body(granted), Location="Of the record."),
                400,
                403,
                409,
                413,
                415,
                422,
                429,
                503,
                body={"multipart/form-data": {"schema": form}},
            ),
        },
        "/consents/{id}": {
            "parameters": [one],
            "get": _operation(
                "One record, and whether it holds now",
                _ok(json_body(object_of(record_properties() | standing))),
                400,
                403,
                404,
            ),
            "delete": _operation(
                "Revokes a record; what is shown by it ends within 5 seconds",
                _ok(json_body(object_of({"revoked": text()}))),
                400,
                403,
                404,
                409,
                503,
                parameters=[reason],
            ),
        },
    }


def _enrolments() -> Json:
    form = object_of(
        {
            "image": {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "A portrait; without one, it is taken with the camera.",
            },
            "name": text(maxLength=NAME_LIMIT),
            "purposes": text(examples=["call render"], description="With blanks between them."),
            "modes": text(examples=["face speech"], description="With blanks between them."),
            "days": text(examples=["365"], description="That the consent is valid for."),
            "language": text(enum=list(LANGUAGES), description="Of the words to read."),
        },
        optional=("image", "name", "purposes", "modes", "days", "language"),
    )
    opened = object_of(
        {
            "camera": text(description="The secret address of the camera's WebSocket."),
            "agreement": text(description="What the person agrees to."),
            "agreed": text(description="What is sent over the WebSocket to agree to it."),
            "portrait": text(enum=["sent", "taken"]),
            "deadline_s": {"type": "integer", "minimum": 1},
        }
    )
    withdrawn = object_of(
        {
            "id": text(),
            "withdrawn": {"const": True},
            "ended_calls": {"type": "integer", "minimum": 0},
        }
    )
    code = object_of({"code": text(maxLength=CODE_LIMIT, description="As it was shown once.")})
    return {
        "/enrolments": {
            "post": _operation(
                "Begins the enrolment of a person who is before the camera",
                _answer(201, json_body(opened), Location="Of the camera's WebSocket."),
                400,
                403,
                413,
                415,
                422,
                429,
                503,
                body={"multipart/form-data": {"schema": form}},
            ),
        },
        "/enrolments/{secret}/camera": {
            "parameters": [_path_parameter("secret", text())],
            "get": _operation(
                "A WebSocket that takes pictures and sound, and says what to do (docs/api.md)",
                {"101": {"description": "The WebSocket begins."}},
                400,
                403,
                404,
            ),
        },
        "/consents/{id}/withdraw": {
            "parameters": [_path_parameter("id", text(pattern=f"^{CONSENT_ID_PATTERN}$"))],
            "post": _operation(
                "Takes a consent back by the code that its person was given",
                _ok(json_body(withdrawn)),
                400,
                403,
                404,
                409,
                413,
                415,
                429,
                body=json_body(code),
            ),
        },
    }


def _operation(
    summary: str,
    answers: Json,
    *refusals: int,
    body: Json | None = None,
    parameters: list[Json] | None = None,
) -> Json:
    operation: Json = {"summary": summary, "responses": dict(answers)}
    for status in refusals:
        operation["responses"][str(status)] = _refusal(status)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters is not None:
        operation["parameters"] = parameters
    return operation


def _refusal(status: int) -> Json:
    return {
        "description": _MEANINGS[status],
        "content": {problems.CONTENT_TYPE: {"schema": ref("Problem")}},
    }


def _answer(status: int, content: Json | None, **headers: str) -> Json:
    answer: Json = {"description": "Done."}
    if content is not None:
        answer["content"] = content
    if headers:
        answer["headers"] = {
            name: {"description": meaning, "schema": text()} for name, meaning in headers.items()
        }
    return {str(status): answer}


def _ok(content: Json) -> Json:
    return _answer(200, content)


def _path_parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}
