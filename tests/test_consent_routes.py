"""`/consents`: granted, shown, revoked; and what is refused, with the reason."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import FormData

from engines import avatars as built_in
from engines import portraits
from live.access.scopes import Scope
from live.audit import AuditLog
from live.avatar_files import decoded
from live.consent.authority import Consents
from live.consent.fingerprint import fingerprint
from live.rooms import Rooms
from tests import consents
from tests.http_fakes import HALVES, OFFER, SDP, Client, form, opened, play, problem, rooms
from tests.test_access import asking, bearer


@pytest.fixture
def own(tmp_path: Path) -> Rooms:
    """Rooms with an authority of their own."""
    log = AuditLog(tmp_path / "log.jsonl", consents.keys())
    return rooms(tmp_path / "avatars", by=Consents(tmp_path / "consents", consents.keys(), log))


def asked(**fields: Any) -> FormData:
    """A form for a record; `None` leaves a field out."""
    said = {"image": HALVES, "basis": "synthetic", "statement": "Drawn by us."} | fields
    data = FormData(default_to_multipart=True)
    for name, value in said.items():
        if isinstance(value, bytes):
            data.add_field(name, io.BytesIO(value), filename="x", content_type="image/png")
        elif value is not None:
            data.add_field(name, value)
    return data


def test_a_record_is_granted_used_shown_and_revoked(own: Rooms) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        answer = await server.post(
            "/consents",
            data=asked(
                subject="emp-4711",
                basis="signed_paper",
                purposes="call",
                modes="face speech",
                days="7",
                document=b"%PDF-1.7",
            ),
        )
        assert answer.status == 201, await answer.text()
        granted = await answer.json()
        claims = granted["claims"]
        assert answer.headers["Location"] == f"/consents/{granted['id']}"
        assert claims["portrait"]["sha256"] == fingerprint(portraits.decode(HALVES)).sha256
        assert (claims["subject"], claims["purposes"]) == ("emp-4711", ["call"])
        assert len(claims["evidence"]["document_sha256"]) == 64

        added = await server.post("/avatars", data=form(image=HALVES, consent=granted["record"]))
        assert added.status == 201, await added.text()
        assert (await added.json())["consent"] == granted["id"]
        shown = await (await server.get(f"/consents/{granted['id']}")).json()
        assert shown == granted | {"standing": "valid", "message": ""}
        await opened(server, "me")

        answer = await server.delete(f"/consents/{granted['id']}?reason=asked%20by%20mail")
        assert (answer.status, await answer.json()) == (200, {"revoked": granted["id"]})
        shown = await (await server.get(f"/consents/{granted['id']}")).json()
        assert shown["standing"] == "revoked"
        body = await problem(
            await server.post(
                "/sessions?avatar=me", data="v=0", headers={"Content-Type": "application/sdp"}
            ),
            403,
        )
        assert "revoked" in body["detail"]
        for path in ("/avatars/me", "/avatars/me/portrait.png"):
            await problem(await server.get(path), 403)
        ids = [each["id"] for each in (await (await server.get("/avatars")).json())["avatars"]]
        assert "me" not in ids
        again = await server.post(
            "/avatars", data=form(image=HALVES, consent=granted["record"], id="two")
        )
        assert "revoked" in (await problem(again, 403))["detail"]

    play(scene, own)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"image": None}, 400, "no picture"),
        ({"image": b"GIF89a"}, 422, "not a picture"),
        ({"basis": None}, 403, "basis"),
        ({"basis": "live_enrolment"}, 403, "before the camera"),
        ({"basis": "own"}, 403, "basis"),
        ({"statement": None}, 403, "statement"),
        ({"statement": "x" * 501}, 403, "statement"),
        ({"subject": "Ada Lovelace"}, 403, "subject"),
        ({"subject": "ada@example.org"}, 403, "subject"),
        ({"purposes": "everything"}, 403, "purposes"),
        ({"purposes": ","}, 403, "purposes"),
        ({"modes": "face,face"}, 403, "modes"),
        ({"days": "0"}, 403, "days"),
        ({"days": "-1"}, 400, "whole number"),
        ({"days": "9999999"}, 400, "whole number"),
        ({"name": "Ada"}, 400, "not known"),
    ],
)
def test_records_that_are_not_granted(
    own: Rooms, tmp_path: Path, fields: dict[str, Any], status: int, words: str
) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        body = await problem(await server.post("/consents", data=asked(**fields)), status)
        assert words in body["detail"]
        assert "Ada" not in str(body)

    play(scene, own)
    assert own.registers.consents.ids() == []


def test_records_that_are_not_there(own: Rooms) -> None:
    async def scene(server: Client, of: Rooms) -> None:
        for path in ("/consents/0123456789abcdef", "/consents/revocations", "/consents/X"):
            await problem(await server.get(path), 404)
            await problem(await server.delete(path), 404)

    play(scene, own)


def test_reasons_that_cannot_be_kept(own: Rooms) -> None:
    granted = consents.granted(np.zeros((64, 64, 3), np.uint8), by=own.registers.consents)

    async def scene(server: Client, of: Rooms) -> None:
        path = f"/consents/{granted.record.id}"
        for reason in ("x" * 201, "a%0Ab"):
            await problem(await server.delete(f"{path}?reason={reason}"), 400)
        assert (await (await server.get(path)).json())["standing"] == "valid"
        assert (await server.delete(path)).status == 200
        assert (await server.delete(path)).status == 200

    play(scene, own)


@pytest.mark.parametrize("list_is", [b"", b"x.y.z"])
def test_nothing_opens_while_the_revocation_list_cannot_be_believed(
    own: Rooms, tmp_path: Path, list_is: bytes
) -> None:
    (tmp_path / "consents").mkdir()
    granted = consents.granted(portraits.decode(HALVES), by=own.registers.consents)

    async def scene(server: Client, of: Rooms) -> None:
        (tmp_path / "consents/revocations.jws").write_bytes(list_is)
        answer = await server.post("/avatars", data=form(image=HALVES, consent=granted.document))
        assert "revoked" in (await problem(answer, 403))["detail"]
        await problem(await server.delete(f"/consents/{granted.record.id}"), 403)
        await problem(await server.get("/avatars/ada/portrait.png"), 403)
        await problem(await server.post("/sessions?avatar=ada", data=OFFER, headers=SDP), 403)
        shown = await (await server.get(f"/consents/{granted.record.id}")).json()
        assert shown["standing"] == "unknown"

    play(scene, own)


def test_only_an_operator_has_a_copy_taken_for_the_picture(tmp_path: Path) -> None:
    rgb = decoded(built_in.contents("leo").portrait)
    small = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA)
    document = consents.granted(np.asarray(small, np.uint8)).document
    done, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done

    async def scene(server: Client, of: Rooms) -> None:
        def copied() -> FormData:
            return form(image=data.tobytes(), consent=document)

        user = bearer(Scope.AVATARS)
        body = await problem(await server.post("/avatars", data=copied(), headers=user), 403)
        assert "looks like a copy" in body["detail"]
        operator = bearer(Scope.AVATARS, Scope.ADMIN)
        answer = await server.post("/avatars", data=copied(), headers=operator)
        assert answer.status == 201, await answer.text()

    play(scene, asking(tmp_path))
