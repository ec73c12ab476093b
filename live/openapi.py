"""The description of the HTTP interface: OpenAPI 3.1, as `GET /openapi.json` gives it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from live import problems
from live.avatars import ID_PATTERN, NAME_LIMIT
from live.consent import TEXT_LIMIT, Whose

Json = dict[str, Any]

_MEANINGS = {
    400: "The request cannot be understood.",
    403: "No statement of whose face it is, or asked by another site's page.",
    404: "There is no such thing.",
    409: "It does not fit the present state.",
    412: "`If-Match` names another state.",
    413: "More than is taken here.",
    415: "Another media type than is taken here.",
    422: "Understood, but it cannot be done; for a portrait `reason` says why.",
    429: "Too many requests; `Retry-After` says when to try again.",
    503: "Full, or not ready; `Retry-After` says when to try again.",
}

_COUNT: Json = {"type": "integer", "minimum": 0}


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
        "paths": _health() | _avatars() | _sessions(),
        "components": {"schemas": _schemas()},
    }


def _health() -> Json:
    alive = _object({"status": {"const": "alive"}})
    ready = _object({"status": {"const": "ready"}, "free": {"type": "integer", "minimum": 1}})
    return {
        "/livez": {"get": _operation("Whether the server is alive", _ok(_json(alive)))},
        "/readyz": {
            "get": _operation("Whether the next call would be served", _ok(_json(ready)), 503)
        },
        "/metrics": {
            "get": _operation("Prometheus series", _ok({"text/plain": {"schema": _text()}}))
        },
        "/openapi.json": {"get": _operation("This description", _ok(_json({"type": "object"})))},
    }


def _avatars() -> Json:
    one = _path_parameter("id", {"type": "string", "pattern": f"^{ID_PATTERN}$"})
    form = _object(
        {
            "image": {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "A portrait: one face, from the front.",
            },
            "id": _text(pattern=f"^{ID_PATTERN}$", description="Made of the name where missing."),
            "name": _text(maxLength=NAME_LIMIT),
            "statement": _text(enum=list(Whose), description="Whose face it is."),
            "statement_text": _text(
                minLength=1, maxLength=TEXT_LIMIT, description="What that rests on."
            ),
        },
        optional=("id", "name"),
    )
    catalogue = _object({"avatars": {"type": "array", "items": _ref("Avatar")}})
    removed = _object({"ended_calls": {"type": "integer", "minimum": 0}})
    png: Json = {"image/png": {"schema": {}}}
    return {
        "/avatars": {
            "get": _operation("Every avatar that a call can show", _ok(_json(catalogue))),
            "post": _operation(
                "Adds an avatar",
                _answer(201, _json(_ref("Avatar")), Location="Its address."),
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
            "get": _operation("One avatar", _ok(_json(_ref("Avatar"))), 403, 404),
            "delete": _operation(
                "Removes an added avatar and ends the calls in which it is shown",
                _ok(_json(removed)),
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
    secret = _path_parameter("secret", _text())
    sdp = {"application/sdp": {"schema": _text(description="SDP (RFC 8866)")}}
    fragment = {"application/trickle-ice-sdpfrag": {"schema": _text(description="RFC 8840")}}
    opened = _answer(
        201, sdp, Location="The call's secret address.", ETag="Its ICE state.", Link="ICE servers."
    )
    avatar = {"name": "avatar", "in": "query", "required": True, "schema": _text()}
    driver = {
        "name": "driver",
        "in": "query",
        "description": "What moves the avatar; `auto` chooses.",
        "schema": _text(default="auto", examples=["auto", "face"]),
    }
    match = {"name": "If-Match", "in": "header", "schema": _text()}
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
            "get": _operation("How the call goes", _ok(_json(_ref("Report"))), 404),
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
                400,
                403,
                404,
                409,
                413,
                415,
                422,
                429,
                503,
                body=_json(_ref("CallSettings")),
            ),
        },
    }


def _schemas() -> Json:
    return {
        "Problem": _object(
            {
                "type": _text(),
                "title": _text(),
                "status": {"type": "integer"},
                "detail": _text(description="For people."),
                "reason": _text(description="For programs; of a portrait that cannot be used."),
            },
            optional=("reason",),
        ),
        "Avatar": _object(
            {
                "id": _text(),
                "name": _text(),
                "description": _text(description="Who one sees."),
                "built_in": {"type": "boolean"},
                "statement": _text(enum=list(Whose), description="Whose face it is."),
                "statement_text": _text(),
                "portrait": _text(format="uri-reference"),
            }
        ),
        "CallSettings": {
            "type": "object",
            "description": "What is left out stays as it is.",
            "properties": {
                "avatar": _text(),
                "driver": _text(),
                "background": _text(pattern="^(keep|blur|colour|green|#[0-9a-fA-F]{6})$"),
                "mirror": {"type": "boolean"},
                "calibrate": {"type": "boolean", "description": "Take the neutral face anew."},
            },
            "additionalProperties": False,
        },
        "Milliseconds": {
            "type": ["object", "null"],
            "description": "Percentiles of the last seconds; null where nothing was measured.",
            "properties": {name: {"type": "number"} for name in ("p50", "p95", "p99")},
        },
        "Report": _object(
            {
                "state": _text(examples=["connecting", "tracking", "lost_face", "idle", "closed"]),
                "mode": _text(description="The driver."),
                "avatar": _text(),
                "codec": {"type": ["string", "null"], "description": "Of the video."},
                "frames": _object({"in": _COUNT, "out": _COUNT, "dropped": _map(_COUNT)}),
                "fps": _object({"in": {"type": "number"}, "out": {"type": "number"}}),
                "rooms_ms": _map(_ref("Milliseconds")),
                "latency_ms": _ref("Milliseconds"),
                "voice_latency_ms": _ref("Milliseconds"),
                "av_skew_ms": {"type": ["number", "null"]},
            }
        ),
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
        operation["responses"][str(status)] = {
            "description": _MEANINGS[status],
            "content": {problems.CONTENT_TYPE: {"schema": _ref("Problem")}},
        }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters is not None:
        operation["parameters"] = parameters
    return operation


def _answer(status: int, content: Json | None, **headers: str) -> Json:
    answer: Json = {"description": "Done."}
    if content is not None:
        answer["content"] = content
    if headers:
        answer["headers"] = {
            name: {"description": meaning, "schema": _text()} for name, meaning in headers.items()
        }
    return {str(status): answer}


def _ok(content: Json) -> Json:
    return _answer(200, content)


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _object(properties: Json, optional: tuple[str, ...] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def _text(**more: Any) -> Json:
    return {"type": "string", **more}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _path_parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}
