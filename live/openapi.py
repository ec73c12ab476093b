"""The description of the HTTP interface: OpenAPI 3.1, as `GET /openapi.json` gives it."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """The whole description."""
    return {"openapi": "3.1.0", "info": {"title": "Visavis", "version": "0"}, "paths": {}}
