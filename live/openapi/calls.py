"""Calls, and what is said in them."""

from __future__ import annotations

from live.openapi.operations import answer, ok, operation, path_parameter
from live.openapi.schemas import (
    Json,
    json_body,
    object_of,
    ref,
    text,
)


def sessions() -> Json:
    """`/sessions` and what lies below it, but for speech."""
    secret = path_parameter("secret", text())
    sdp = {"application/sdp": {"schema": text(description="SDP (RFC 8866)")}}
    fragment = {"application/trickle-ice-sdpfrag": {"schema": text(description="RFC 8840")}}
    opened = answer(
        201, sdp, Location="The call's secret address.", ETag="Its ICE state.", Link="ICE servers."
    )
    avatar = {"name": "avatar", "in": "query", "required": True, "schema": text()}
    driver = {
        "name": "driver",
        "in": "query",
        "description": "What moves the avatar: the camera, the voice, or what is better founded.",
        "schema": text(default="auto", examples=["auto", "face", "speech"]),
    }
    shape = {
        "name": "shape",
        "in": "query",
        "description": "Of the picture: the avatar's square, or 16:9 with the avatar in the middle."
        " The operator's unless said.",
        "schema": text(enum=["square", "wide"]),
    }
    match = {"name": "If-Match", "in": "header", "schema": text()}
    done = answer(204, None)
    return {
        "/sessions": {
            "post": operation(
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
                parameters=[avatar, driver, shape],
            ),
        },
        "/sessions/{secret}": {
            "parameters": [secret],
            "get": operation("How the call goes", ok(json_body(ref("Report"))), 404),
            "patch": operation(
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
            "delete": operation("Ends the call", answer(200, None), 403, 404),
        },
        "/sessions/{secret}/settings": {
            "parameters": [secret],
            "patch": operation(
                "Changes the running call",
                done,
                *_REFUSALS,
                body=json_body(ref("CallSettings")),
            ),
        },
    }


_REFUSALS = (400, 403, 404, 409, 413, 415, 422, 429, 503)
"""Of what asks a running call to do something."""


def speech() -> Json:
    """`/voices`, and what lets an avatar speak."""
    secret = path_parameter("secret", text())
    said = answer(202, json_body(object_of({"utterance": text()})))
    wav: Json = {"audio/wav": {"schema": {}}}
    ends = object_of({"interrupted": {"type": "array", "items": ref("End")}})
    return {
        "/voices": {"get": operation("Every voice", ok(json_body(ref("Voices"))))},
        "/sessions/{secret}/say": {
            "parameters": [secret],
            "post": operation(
                "Lets the avatar say a text, or speak with a sound (WAV)",
                said,
                *_REFUSALS,
                body=json_body(ref("Say")) | wav,
            ),
        },
        "/sessions/{secret}/interrupt": {
            "parameters": [secret],
            "post": operation("Makes silence at once", ok(json_body(ends)), 403, 404, 409),
        },
        "/sessions/{secret}/speech": {
            "parameters": [secret],
            "get": operation(
                "A WebSocket that takes sound as it is made (docs/api.md)",
                {"101": {"description": "The WebSocket begins."}},
                400,
                403,
                404,
                409,
            ),
        },
    }
