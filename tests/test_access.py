"""Who may ask what: every route with and without tokens, names, origins, rates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError, web
from hypothesis import given
from hypothesis import strategies as st

from live import openapi
from live.access import gate
from live.access.calls import REVOKED, TokenCalls
from live.access.hosts import binds_loopback, names_loopback
from live.access.rates import MOST_CALLERS, Rates, network_of
from live.access.revocations import Revocations
from live.access.rules import RULES, rule_of
from live.access.scopes import Scope
from live.access.tokens import Grant, issue, read
from live.channel import Channel
from live.errors import SettingsError, TooManyRequests
from live.keys import OperatorKeys
from live.rooms import Rooms
from live.server import application
from live.settings import Settings, load
from tests.http_fakes import (
    FRAGMENT,
    OFFER,
    SDP,
    SIGNING,
    TRICKLE,
    Client,
    form,
    play,
    problem,
    rooms,
)
from tests.voices import ToneVoice

KEYS = OperatorKeys(SIGNING, bytes(32))
SECRET = "x" * 32
CONSENT = "c" * 16


def asking(folder: Path, posts: int = 10_000, **access: Any) -> Rooms:
    """A server that asks for tokens."""
    values = {
        "access": {"required": True} | access,
        "keys": {"folder": str(folder / "keys")},
        "server": {"posts_per_minute": posts},
    }
    settings = Settings.model_validate(values)
    return rooms(folder / "avatars", settings=settings, voice=lambda name: ToneVoice())


def bearer(*scopes: Scope, begun: float | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(KEYS, scopes, 3600, now=begun)}"}


def routes(app: web.Application) -> Iterator[tuple[str, str]]:
    for route in app.router.routes():
        assert route.resource is not None
        yield route.method, route.resource.canonical


# The table.


def test_every_route_has_a_rule(tmp_path: Path) -> None:
    missing = [
        f"{method} {path}"
        for method, path in routes(application(rooms(tmp_path)))
        if rule_of(method, path) is None
    ]
    assert not missing, f"say in live/access/rules.py who may ask for {missing}"


def test_a_route_without_a_rule_is_closed_to_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "live.access.rules.RULES", {key: rule for key, rule in RULES.items() if key[1] != "/voices"}
    )

    async def scene(server: Client, of: Rooms) -> None:
        for headers in ({}, bearer(Scope.ADMIN)):
            await problem(await server.get("/voices", headers=headers), 403)

    play(scene, asking(tmp_path))


def filled(path: str) -> str:
    id = CONSENT if path.startswith("/consents") else "ada"  # noqa: A001
    return path.replace("{id}", id).replace("{secret}", SECRET).replace("{file}", "style.css")


@pytest.mark.parametrize("scope", [None, *Scope])
def test_each_route_takes_the_scopes_of_its_rule(tmp_path: Path, scope: Scope | None) -> None:
    """And without one it is 401 with a challenge, or open."""

    async def scene(server: Client, of: Rooms) -> None:
        headers = {} if scope is None else bearer(scope)
        for method, path in routes(application(rooms(tmp_path / "other"))):
            rule = rule_of(method, path)
            assert rule is not None
            answer = await server.request(method, filled(path), headers=headers)
            where = (method, path, answer.status)
            if rule.is_open or scope is Scope.ADMIN or scope in rule.scopes:
                assert answer.status not in (401, 429), where
                assert "WWW-Authenticate" not in answer.headers, where
            elif scope is None:
                assert answer.status == 401, where
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="visavis"'
            else:
                assert answer.status == 403, where
                needed = min(rule.scopes)
                challenge = f'Bearer realm="visavis", error="insufficient_scope", scope="{needed}"'
                assert answer.headers["WWW-Authenticate"] == challenge
                if method != "HEAD":
                    assert repr(str(needed)) in (await problem(answer, 403))["detail"]

    play(scene, asking(tmp_path))


def test_the_description_says_what_each_route_takes() -> None:
    document = openapi.document()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            rule = RULES[method.upper(), path]
            assert {one["token"][0] for one in operation["security"]} == rule.scopes
            assert ("401" in operation["responses"]) == (not rule.is_open)


# Tokens in requests.


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic dXNlcjpwYXNz",
        "Bearer " + "a" * 4000,
        "Bearer a.b.c",
    ],
)
def test_what_is_no_token_is_refused_as_one(tmp_path: Path, value: str) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.get("/avatars", headers={"Authorization": value})
        body = await problem(answer, 401)
        assert body["type"] == "urn:visavis:problem:invalid-token"
        assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')
        # Where none is needed a bad one does no harm.
        assert (await server.get("/", headers={"Authorization": value})).status == 200

    play(scene, asking(tmp_path))


def test_expired_and_revoked_tokens_are_told_apart(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        old = bearer(Scope.SESSION, begun=time.time() - 7200)
        assert (
            "expired" in (await problem(await server.get("/avatars", headers=old), 401))["detail"]
        )
        good = bearer(Scope.SESSION)
        grant = read(good["Authorization"].split()[1], KEYS)
        Revocations(tmp_path / "keys", KEYS).revoke(grant.id)
        body = await problem(await server.get("/avatars", headers=good), 401)
        assert "revoked" in body["detail"]

    play(scene, asking(tmp_path))


def test_two_tokens_are_none(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        one = bearer(Scope.SESSION)["Authorization"]
        headers = [("Authorization", one), ("Authorization", one)]
        await problem(await server.get("/avatars", headers=headers), 401)

    play(scene, asking(tmp_path))


def test_a_call_with_a_token_from_offer_to_end(tmp_path: Path) -> None:
    """Its secret address is enough to follow and end it; to have it speak is not."""

    async def scene(server: Client, of: Rooms) -> None:
        opener, speaker = bearer(Scope.SESSION), bearer(Scope.SPEAK)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | opener)
        assert answer.status == 201
        call = answer.headers["Location"]
        assert (await server.patch(call, data=FRAGMENT, headers=TRICKLE)).status == 204
        assert (await server.get(call)).status == 200
        await problem(await server.patch(f"{call}/settings", json={}), 401)
        assert (await server.patch(f"{call}/settings", json={}, headers=opener)).status == 204
        words = {"text": "Hello."}
        await problem(await server.post(f"{call}/say", json=words), 401)
        await problem(await server.post(f"{call}/say", json=words, headers=opener), 403)
        assert (await server.post(f"{call}/say", json=words, headers=speaker)).status == 202
        assert (await server.post(f"{call}/interrupt", headers=speaker)).status == 200
        assert (await server.delete(call)).status == 200

    play(scene, asking(tmp_path))


def test_a_page_brings_its_token_to_a_websocket(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        opener = bearer(Scope.SESSION)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | opener)
        stream = f"{answer.headers['Location']}/speech"
        token = bearer(Scope.SPEAK)["Authorization"].split()[1]
        offered = ("visavis.v1", f"bearer.{token}")
        async with server.ws_connect(stream, protocols=offered) as socket:
            assert socket.protocol == "visavis.v1"  # the token is not sent back
        wrong = opener["Authorization"].split()[1]
        for protocols, status in [((), 401), (("visavis.v1", f"bearer.{wrong}"), 403)]:
            with pytest.raises(WSServerHandshakeError) as refused:
                await server.ws_connect(stream, protocols=protocols)
            assert refused.value.status == status
        # Nowhere else is it looked for there.
        headers = {"Sec-WebSocket-Protocol": f"bearer.{wrong}"}
        await problem(await server.get("/avatars", headers=headers), 401)

    play(scene, asking(tmp_path))


def test_the_data_channel_obeys_the_token_that_opened_the_call(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for scopes, may_speak in [
            ([Scope.SESSION], False),
            ([Scope.SESSION, Scope.SPEAK], True),
            ([Scope.ADMIN], True),
        ]:
            headers = SDP | bearer(*scopes)
            answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=headers)
            call: Any = of.pool.get(answer.headers["Location"].rsplit("/", 1)[1])
            assert call.request.may_speak == may_speak
            await server.delete(answer.headers["Location"])

    play(scene, asking(tmp_path))


class Wire:
    """The peer's end of a data channel."""

    label = "visavis.v1"
    readyState = "open"  # noqa: N815
    bufferedAmount = 0  # noqa: N815

    def __init__(self) -> None:
        self.told: list[str] = []
        self.hand: Any = None

    def on(self, _: str, hand: Any) -> None:
        self.hand = hand

    def send(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize("may_speak", [True, False])
def test_a_channel_without_the_scope_changes_settings_and_is_silent(may_speak: bool) -> None:
    done: list[str] = []

    async def change(values: Any) -> None:
        done.append("settings")

    async def say(values: Any, ref: str | None) -> None:
        done.append("say")

    async def scene() -> None:
        channel, wire = (
            Channel(
                change,
                say,
                lambda: done.append("interrupt"),
                lambda: {},
                lambda: "",
                may_speak=may_speak,
            ),
            Wire(),
        )
        channel.open(wire)  # type: ignore[arg-type]
        for message in (
            '{"type": "settings", "mirror": true}',
            '{"type": "say", "text": "Hello.", "ref": "r1"}',
            '{"type": "interrupt"}',
        ):
            await wire.hand(message)
        if may_speak:
            assert done == ["settings", "say", "interrupt"]
        else:
            assert done == ["settings"]
            refused = [text for text in wire.told if '"error"' in text]
            assert len(refused) == 2
            assert all("'speak'" in text for text in refused)
            assert '"ref":"r1"' in refused[0]

    asyncio.run(scene())


# Bounds.


def test_a_token_holds_so_many_calls(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        one, other = bearer(Scope.SESSION), bearer(Scope.SESSION)

        async def open_call(token: dict[str, str]) -> Any:
            return await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | token)

        calls = [await open_call(one) for _ in range(2)]
        assert [answer.status for answer in calls] == [201, 201]
        refused = await open_call(one)
        assert refused.headers["Retry-After"]
        assert "2 calls" in (await problem(refused, 429))["detail"]
        assert (await open_call(other)).status == 201
        await server.delete(calls[0].headers["Location"])
        assert (await open_call(one)).status == 201

    play(scene, asking(tmp_path, sessions_per_token=2))


def test_calls_opened_at_the_same_time_are_counted(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        token = bearer(Scope.SESSION)
        asked = (
            server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | token) for _ in range(4)
        )
        statuses = sorted([answer.status for answer in await asyncio.gather(*asked)])
        assert statuses == [201, 429, 429, 429]

    play(scene, asking(tmp_path, sessions_per_token=1))


def test_calls_end_with_their_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_LOOK_AGAIN_S", 0.05)

    async def scene(server: Client, of: Rooms) -> None:
        tokens = bearer(Scope.SESSION), bearer(Scope.SESSION)
        calls: list[Any] = []
        for token in tokens:
            answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | token)
            calls.append(of.pool.get(answer.headers["Location"].rsplit("/", 1)[1]))
        revoked = read(tokens[0]["Authorization"].split()[1], KEYS)
        Revocations(tmp_path / "keys", KEYS).revoke(revoked.id)
        async with asyncio.timeout(3):
            await calls[0].closed.wait()
        assert calls[0].reason == REVOKED
        assert calls[1].reason is None

    play(scene, asking(tmp_path))


def test_without_tokens_calls_are_not_counted(tmp_path: Path) -> None:
    calls = TokenCalls(1, rooms(tmp_path).pool)
    free = Grant(frozenset(Scope))
    calls.add(free, SECRET)
    calls.check(free)


def test_a_token_asks_so_often_and_others_are_not_held_up(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        one, other = bearer(Scope.SESSION), bearer(Scope.SESSION)
        statuses = [(await server.get("/avatars", headers=one)).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert (await server.get("/avatars", headers=other)).status == 200

    play(scene, asking(tmp_path, requests_per_minute=3))


def test_the_posts_of_one_token_are_not_those_of_another(tmp_path: Path) -> None:
    of = asking(tmp_path, posts=2)

    async def scene(server: Client, of: Rooms) -> None:
        one, other = bearer(Scope.SESSION), bearer(Scope.SESSION)
        for expected in (400, 400, 429):
            assert (await server.post("/sessions", headers=SDP | one)).status == expected
        assert (await server.post("/sessions", headers=SDP | other)).status == 400

    play(scene, of)


def test_strangers_ask_so_often_and_the_page_loads_all_the_same(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        guesses = [
            await server.get("/avatars"),
            await server.get(f"/sessions/{SECRET}"),
            await server.get("/nothing"),
        ]
        assert [answer.status for answer in guesses] == [401, 404, 404]
        for path in ("/avatars", f"/sessions/{SECRET}", "/nothing"):
            await problem(await server.get(path), 429)
        for path in ("/", "/style.css", "/livez"):
            assert (await server.get(path)).status == 200
        assert (await server.get("/avatars", headers=bearer(Scope.SESSION))).status == 200

    play(scene, asking(tmp_path, requests_per_minute=3))


def test_no_more_callers_are_known_than_fit() -> None:
    rates = Rates(1, lambda: 0.0)
    for number in range(MOST_CALLERS + 10):
        rates.take(str(number))
    assert len(rates._callers) == MOST_CALLERS
    with pytest.raises(TooManyRequests):
        rates.take(str(MOST_CALLERS + 9))
    rates.take("0")  # forgotten, for it asked first


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        (None, "unknown"),
        ("/tmp/socket", "unknown"),
    ],
)
def test_whom_an_address_stands_for(address: str | None, network: str) -> None:
    assert network_of(address) == network


# Where nothing is asked.


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.7", False),
        ("desk.localhost", False),  # resolves to whatever somebody says
        ("example.org", False),
    ],
)
def test_on_any_address_but_loopback_tokens_are_asked_for(host: str, loopback: bool) -> None:
    assert binds_loopback(host) == loopback
    settings = Settings.model_validate({"server": {"host": host}})
    assert gate.asks_for_tokens(settings) == (not loopback)


def test_on_loopback_everything_is_allowed_until_the_operator_says_so(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for headers in ({}, {"Authorization": "Bearer whatever"}):
            assert (await server.get("/metrics", headers=headers)).status == 200
        assert (await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP)).status == 201

    play(scene, rooms(tmp_path))


OWN_NAMES = ["localhost", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1", "a.localhost"]
FOREIGN_NAMES = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.0.7:8080",
    "0.0.0.0:8080",
    "[::]:8080",
    "localhost:8080@evil.example",
    "localhost:port",
    "[::1",
    "",
]


def test_names_under_which_a_local_server_is_asked_for() -> None:
    assert all(map(names_loopback, OWN_NAMES))
    assert not any(map(names_loopback, FOREIGN_NAMES))


@given(st.text(max_size=40))
def test_any_host_header_is_judged(header: str) -> None:
    assert names_loopback(header) in (True, False)


@pytest.mark.parametrize("name", ["evil.example", "192.168.0.7:8080"])
def test_a_page_whose_name_was_bent_to_this_machine_gets_nothing(tmp_path: Path, name: str) -> None:
    """DNS rebinding: to the browser such a page is of the same site."""

    async def scene(server: Client, of: Rooms) -> None:
        headers = {"Host": name, "Sec-Fetch-Site": "same-origin", "Origin": f"http://{name}"}
        for method, path in [("GET", "/avatars"), ("GET", "/"), ("POST", "/avatars")]:
            data = form() if method == "POST" else None
            answer = await server.request(method, path, headers=headers, data=data)
            body = await problem(answer, 421)
            assert name not in str(body)
        assert (await server.get("/avatars", headers={"Host": "localhost:1"})).status == 200

    play(scene, rooms(tmp_path))


def test_a_proxy_before_an_open_server_is_noticed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        await server.get("/avatars")
        assert "proxy" not in caplog.text
        for _ in range(3):
            await server.get("/avatars", headers={"X-Forwarded-For": "192.0.2.7"})

    play(scene, rooms(tmp_path))
    assert caplog.text.count("set access.required") == 1
    assert "192.0.2.7" not in caplog.text


def test_with_tokens_any_name_will_do(tmp_path: Path) -> None:
    """As a proxy passes it on."""

    async def scene(server: Client, of: Rooms) -> None:
        headers = {"Host": "avatars.example.org"}
        assert (await server.get("/", headers=headers)).status == 200
        await problem(await server.get("/avatars", headers=headers), 401)

    play(scene, asking(tmp_path))


# Other sites.

ORIGIN = "https://meet.example.org"


def test_no_other_site_may_ask_unless_the_operator_says_so(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        answer = await server.options("/sessions", headers=headers)
        await problem(answer, 405)
        plain = await server.get("/avatars", headers={"Origin": ORIGIN})
        for one in (answer, plain):
            assert not [name for name in one.headers if name.startswith("Access-Control")]

    play(scene, rooms(tmp_path))


def test_a_site_that_the_operator_names_holds_a_call(tmp_path: Path) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        there = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}
        for path in ("/sessions", "/avatars", f"/sessions/{SECRET}/say"):
            asked = {**there, "Access-Control-Request-Method": "POST"}
            answer = await server.options(path, headers=asked)
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert {"PATCH", "DELETE"} <= {
                one.strip() for one in answer.headers["Access-Control-Allow-Methods"].split(",")
            }
        token = bearer(Scope.SESSION)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP | there | token)
        assert answer.status == 201
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "ETag", "Link"} <= set(exposed)
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        refused = await server.get("/avatars", headers=there)
        await problem(refused, 401)
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert (await server.delete(answer.headers["Location"], headers=there)).status == 200

    play(scene, asking(tmp_path, origins=[ORIGIN]))


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://meet.example.org", f"{ORIGIN}:8443", f"{ORIGIN}.evil", "null"],
)
def test_a_site_that_looks_like_it_does_not(tmp_path: Path, origin: str) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        there = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        asked = {**there, "Access-Control-Request-Method": "POST"}
        await problem(await server.options("/sessions", headers=asked), 405)
        headers = SDP | there | bearer(Scope.SESSION)
        answer = await server.post("/sessions?avatar=ada", data=OFFER, headers=headers)
        await problem(answer, 403)
        assert "Access-Control-Allow-Origin" not in answer.headers

    play(scene, asking(tmp_path, origins=[ORIGIN]))


@pytest.mark.parametrize(
    "origin", ["*", "meet.example.org", f"{ORIGIN}/", f"{ORIGIN}/page", "null", "ftp://a", ""]
)
def test_origins_are_written_as_browsers_send_them(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"access\.origins"):
        load(overrides={"access": {"origins": [origin]}})
