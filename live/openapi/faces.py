"""Avatars, consents and enrolments."""

from __future__ import annotations

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
from live.openapi.operations import answer, ok, operation, path_parameter
from live.openapi.schemas import (
    Json,
    json_body,
    object_of,
    record_properties,
    ref,
    text,
)
from live.routes.enrolments import CODE_LIMIT
from live.signed import LONGEST

_UPLOAD_REFUSALS = (400, 403, 409, 413, 415, 422, 429, 503)
"""Of what takes a portrait."""


def avatars() -> Json:
    """`/avatars`."""
    one = path_parameter("id", {"type": "string", "pattern": f"^{ID_PATTERN}$"})
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
            "get": operation("Every avatar that a call can show", ok(json_body(catalogue))),
            "post": operation(
                "Adds an avatar",
                answer(201, json_body(ref("Avatar")), Location="Its address."),
                *_UPLOAD_REFUSALS,
                body={"multipart/form-data": {"schema": form}},
            ),
        },
        "/avatars/{id}": {
            "parameters": [one],
            "get": operation("One avatar", ok(json_body(ref("Avatar"))), 403, 404),
            "delete": operation(
                "Removes an added avatar and ends the calls in which it is shown",
                ok(json_body(removed)),
                403,
                404,
                409,
            ),
        },
        "/avatars/{id}/portrait.png": {
            "parameters": [one],
            "get": operation(
                "Its portrait", ok(png) | {"304": {"description": "Unchanged."}}, 403, 404
            ),
        },
    }


def consents() -> Json:
    """`/consents`, but for withdrawal."""
    one = path_parameter("id", text(pattern=f"^{CONSENT_ID_PATTERN}$"))
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
            "post": operation(
                "Signs a record that a portrait may be shown",
                answer(201, json_body(granted), Location="Of the record."),
                *_UPLOAD_REFUSALS,
                body={"multipart/form-data": {"schema": form}},
            ),
        },
        "/consents/{id}": {
            "parameters": [one],
            "get": operation(
                "One record, and whether it holds now",
                ok(json_body(object_of(record_properties() | standing))),
                400,
                403,
                404,
            ),
            "delete": operation(
                "Revokes a record; what is shown by it ends within 5 seconds",
                ok(json_body(object_of({"revoked": text()}))),
                400,
                403,
                404,
                409,
                503,
                parameters=[reason],
            ),
        },
    }


def enrolments() -> Json:
    """`/enrolments`, and the withdrawal of what they brought about."""
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
            "post": operation(
                "Begins the enrolment of a person who is before the camera",
                answer(201, json_body(opened), Location="Of the camera's WebSocket."),
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
            "parameters": [path_parameter("secret", text())],
            "get": operation(
                "A WebSocket that takes pictures and sound, and says what to do (docs/api.md)",
                {"101": {"description": "The WebSocket begins."}},
                400,
                403,
                404,
            ),
        },
        "/consents/{id}/withdraw": {
            "parameters": [path_parameter("id", text(pattern=f"^{CONSENT_ID_PATTERN}$"))],
            "post": operation(
                "Takes a consent back by the code that its person was given",
                ok(json_body(withdrawn)),
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
