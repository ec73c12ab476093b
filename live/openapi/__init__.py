"""The description of the HTTP interface: OpenAPI 3.1, as `GET /openapi.json` gives it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from live.access.rules import rule_of
from live.openapi import calls, checks, faces
from live.openapi.operations import refusal
from live.openapi.schemas import Json, all_schemas
from live.verification.schema import schemas as verdicts

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
            checks.health()
            | checks.keys()
            | faces.avatars()
            | faces.consents()
            | calls.sessions()
            | calls.speech()
            | faces.enrolments()
            | checks.verify()
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
                operation["responses"].setdefault(str(status), refusal(status))
    return paths
