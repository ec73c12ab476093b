from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from live import openapi
from live.problems import CONTENT_TYPE
from live.server import application
from live.settings import Settings
from tests.http_fakes import FRAGMENT, OFFER, rooms
from tests.voices import ToneVoice

SCHEMA = schemathesis.openapi.from_dict(openapi.document())
schemathesis.serializer.alias(["application/sdp", "application/trickle-ice-sdpfrag"], "text/plain")
schemathesis.serializer.alias(["audio/wav"], "application/octet-stream")
load_all_checks()
CHECKED: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "status_code_conformance",  # no description has a 500
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
    )
]


def routes(app: web.Application) -> set[tuple[str, str]]:
    """Every method and path of the interface; the page's files are none of it."""
    found = set()
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method != "HEAD" and path not in ("/", "/{file}"):
            found.add((route.method, path))
    return found


def test_the_description_has_every_route_and_no_other(tmp_path: Path) -> None:
    described = {
        (method.upper(), path)
        for path, methods in openapi.document()["paths"].items()
        for method in methods
        if method != "parameters"
    }
    assert described == routes(application(rooms(tmp_path)))


def test_every_refusal_is_a_problem() -> None:
    for methods in openapi.document()["paths"].values():
        for operation in methods.values():
            if isinstance(operation, list):
                continue
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [CONTENT_TYPE]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with fake parts on a thread of its own."""
    folder = tmp_path_factory.mktemp("avatars")
    often = Settings.model_validate({"server": {"posts_per_minute": 1_000_000}})
    parts = rooms(folder, places=10_000, settings=often, voice=lambda name: ToneVoice())
    server = TestServer(application(parts))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start_server(), loop).result(10)
    asyncio.run_coroutine_threadsafe(parts.prepared.warm(), loop).result(10)
    yield f"http://{server.host}:{server.port}"
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked_is_answered_as_described(
    case: schemathesis.Case[Any], address: str
) -> None:
    case.call_and_validate(base_url=address, checks=CHECKED, timeout=10)


def test_a_running_call_is_answered_as_described(address: str) -> None:
    """What random secret ids never reach."""
    opened = requests.post(
        f"{address}/sessions?avatar=ada",
        data=OFFER,
        headers={"Content-Type": "application/sdp"},
        timeout=10,
    )
    call = address + opened.headers["Location"]
    answers = {
        ("/sessions", "POST"): opened,
        ("/sessions/{secret}", "GET"): requests.get(call, timeout=10),
        ("/sessions/{secret}", "PATCH"): requests.patch(
            call,
            data=FRAGMENT,
            headers={"Content-Type": "application/trickle-ice-sdpfrag"},
            timeout=10,
        ),
        ("/sessions/{secret}/settings", "PATCH"): requests.patch(
            f"{call}/settings", json={"mirror": True, "background": "#203040"}, timeout=10
        ),
        ("/sessions/{secret}/say", "POST"): requests.post(
            f"{call}/say", json={"text": "Hello."}, timeout=10
        ),
        ("/sessions/{secret}/interrupt", "POST"): requests.post(f"{call}/interrupt", timeout=10),
        ("/sessions/{secret}", "DELETE"): requests.delete(call, timeout=10),
    }
    for (path, method), answer in answers.items():
        assert answer.ok, (path, method, answer.text)
        SCHEMA[path][method].validate_response(answer)
