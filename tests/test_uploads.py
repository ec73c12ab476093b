"""Every portrait that a stranger may send, through the server's HTTP interface."""

from __future__ import annotations

import asyncio
import io
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from aiohttp import FormData
from PIL import Image, ImageCms, PngImagePlugin
from yarl import URL

from engines import avatars as built_in
from engines import portraits
from engines.errors import UnusablePortrait
from engines.types import Portrait, Rgb
from live.avatar_files import decoded
from live.workshop import Workshop
from tests import consents
from tests.fakes import FakeRenderer, FakeTracker, face
from tests.http_fakes import client, rooms

SIDE = 256


def original() -> Rgb:
    """A portrait that is neither symmetrical nor grey, `(256, 192, 3)`."""
    rgb = decoded(built_in.contents("leo").portrait)
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[:, : SIDE * 3 // 4]
    small[: SIDE // 4, : SIDE // 4] = (250, 20, 20)  # tells the corners apart
    return np.ascontiguousarray(small, np.uint8)


def encoded(extension: str, picture: np.ndarray[Any, Any]) -> bytes:
    """An image file; `picture` in OpenCV's order of channels."""
    done, data = cv2.imencode(extension, picture)
    assert done
    return data.tobytes()


def jpeg() -> bytes:
    return encoded(".jpg", original()[..., ::-1])


def png() -> bytes:
    return encoded(".png", original()[..., ::-1])


def sixteen_bit() -> bytes:
    return encoded(".png", original()[..., ::-1].astype(np.uint16) * 257)


def with_alpha() -> bytes:
    opaque = np.full((*original().shape[:2], 1), 255, np.uint8)
    return encoded(".png", np.concatenate([original()[..., ::-1], opaque], 2))


def rotated_by_exif() -> bytes:
    """Stored lying on its side, with the note of how to turn it (6: by 90° clockwise)."""
    lying = encoded(".jpg", np.rot90(original())[..., ::-1])
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + b"MM\0\x2a\0\0\0\x08" + b"\0\x01" + entry + b"\0\0\0\0"
    return lying[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + lying[2:]


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def grey_png(width: int, height: int, rows: int) -> bytes:
    """A black PNG file that says one size and has `rows` rows."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    line = bytes(width + 1)
    data = b"".join(packer.compress(line) for _ in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def cmyk() -> bytes:
    data = io.BytesIO()
    Image.fromarray(original()).convert("CMYK").save(data, "jpeg", quality=95)
    return data.getvalue()


def workshop() -> Workshop:
    """Reads pictures as the server does, and finds a face in each that has room for one."""
    return Workshop(
        FakeTracker(),
        FakeRenderer(),
        lambda image: Portrait(portraits.decode(image), (face(),)),
    )


def form(image: bytes, **more: str) -> FormData:
    """An upload with a consent for what the picture looks like, where it is one."""
    try:
        rgb = portraits.decode(image)
    except UnusablePortrait:
        rgb = original()
    data = FormData(default_to_multipart=True)
    for name, value in {"consent": consents.granted(rgb).document, **more}.items():
        data.add_field(name, value)
    data.add_field("image", io.BytesIO(image), filename="me", content_type="image/png")
    return data


async def uploaded(folder: Path, image: bytes) -> tuple[int, dict[str, Any]]:
    """What is answered to an upload; the next one, a good one, has to be taken."""
    async with client(rooms(folder, furnish=workshop)) as server:
        answer = await server.post("/avatars", data=form(image, id="me"))
        body = await answer.json(content_type=None)
        assert (await server.post("/avatars", data=form(png(), id="next"))).status == 201
        return answer.status, body


@pytest.mark.parametrize(
    "image", [jpeg, png, sixteen_bit, with_alpha, rotated_by_exif, cmyk], ids=lambda it: it.__name__
)
def test_unusual_pictures_are_kept_as_they_look(image: Callable[[], bytes], tmp_path: Path) -> None:
    status, body = asyncio.run(uploaded(tmp_path, image()))
    assert status == 201, body
    kept = decoded((tmp_path / "me/portrait.png").read_bytes()).astype(int)
    assert kept.shape == original().shape
    assert np.abs(kept - original()).mean() < 3
    assert b"Exif" not in (tmp_path / "me/portrait.png").read_bytes()


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"not an image at all", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (b"\x89PNG\r\n\x1a\n", "not_an_image"),
        (b"\xff\xd8\xff\xe0", "not_an_image"),
        (grey_png(1, 1, 1), "too_small"),
    ],
)
def test_pictures_that_are_none(image: bytes, reason: str, tmp_path: Path) -> None:
    status, body = asyncio.run(uploaded(tmp_path, image))
    assert (status, body["reason"]) == (422, reason)
    assert not (tmp_path / "me").exists()


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("image", [jpeg, png], ids=lambda it: it.__name__)
def test_pictures_that_are_cut_off(image: Callable[[], bytes], cut: float, tmp_path: Path) -> None:
    whole = image()
    status, body = asyncio.run(uploaded(tmp_path, whole[: int(cut * len(whole))]))
    assert (status, body["reason"]) == (422, "not_an_image")


@pytest.mark.parametrize("rows", [10_000, 10])
def test_a_hundred_megapixels_are_refused_before_they_are_decoded(
    rows: int, tmp_path: Path
) -> None:
    image = grey_png(10_000, 10_000, rows)
    process = psutil.Process()
    before, start = process.memory_info().rss, time.process_time()
    status, body = asyncio.run(uploaded(tmp_path, image))
    assert (status, body["reason"]) == (422, "too_large")
    assert process.memory_info().rss - before < 100 << 20
    assert time.process_time() - start < 2


@pytest.mark.parametrize(("extension", "taken"), [(".webp", True), (".png", True), (".gif", False)])
def test_an_animated_picture_is_its_first_frame_or_refused(
    extension: str, taken: bool, tmp_path: Path
) -> None:
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(original()[..., ::-1]), np.zeros_like(original())]
    animation.durations = [100, 100]
    done, data = cv2.imencodeanimation(extension, animation)
    assert done
    status, body = asyncio.run(uploaded(tmp_path, data.tobytes()))
    if not taken:
        assert (status, body["reason"]) == (422, "not_an_image")
        return
    assert status == 201
    kept = decoded((tmp_path / "me/portrait.png").read_bytes()).astype(int)
    assert np.abs(kept - original()).mean() < 5


def with_secrets(kind: str) -> bytes:
    """The portrait with everything that a camera, an editor or an attacker may add to the file."""
    image, data = Image.fromarray(original()), io.BytesIO()
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "SECRET description", "SECRET artist"
    exif.get_ifd(0x8825)[1] = "SECRET north"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"exif": exif, "icc_profile": profile + b"SECRET"}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", "SECRET text")
        texts.add_itxt("XML:com.adobe.xmp", "<x>SECRET xmp</x>", zip=True)
        more["pnginfo"] = texts
    else:
        more["xmp"] = b"<x>SECRET xmp</x>"
    if kind == "JPEG":
        more |= {"comment": b"SECRET comment", "quality": 95}
    image.save(data, kind, **more)
    # Valid as a page and as an archive, too.
    return data.getvalue() + b"<script>SECRET()</script>PK\5\6" + bytes(18)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_of_a_file_is_kept_but_its_pixels(kind: str, tmp_path: Path) -> None:
    image = with_secrets(kind)
    assert b"SECRET" in image
    status, body = asyncio.run(uploaded(tmp_path, image))
    assert status == 201, body
    for file in (tmp_path / "me").iterdir():
        kept = file.read_bytes()
        assert not any(
            word in kept for word in (b"SECRET", b"<script", b"PK\5\6", b"eXIf", b"iCCP")
        )
    png = (tmp_path / "me/portrait.png").read_bytes()
    chunks, place = set(), 8
    while place < len(png):
        chunks.add(png[place + 4 : place + 8])
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    assert chunks == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..\\..\\x",
        "/etc/cron.d/x",
        "a\0b.png",
        "x.png\r\nX-Injected: 1",
        "\u202egnp.exe",
        "C" * 5000,
    ],
)
def test_the_name_of_a_file_means_nothing(name: str, tmp_path: Path) -> None:
    """However it is written in the form."""

    async def scene() -> None:
        async with client(rooms(tmp_path / "avatars", furnish=workshop)) as server:
            data = form(png(), id="me", name="Me")
            for options, _, _ in data._fields:
                if "filename" in options:
                    options["filename"] = name
            answer = await server.post("/avatars", data=data)
            assert answer.status in (201, 400)
            assert "X-Injected" not in answer.headers
            assert name not in await answer.text()

    asyncio.run(scene())
    names = {path.name for path in tmp_path.rglob("*")}
    assert names <= {"avatars", "me", "portrait.png", "matte.png", "record.json"} | names_kept()


def names_kept() -> set[str]:
    """Of the files that an avatar is made of, and of the operator's own."""
    return {"consent.jws", "seal.jws", "keys", "consents", "audit.jsonl", "audit.jsonl.head"}


@pytest.mark.parametrize("bad", ["../me", "..", ".hidden", "me/you", "me%2f..", "ME", "mé", "a\nb"])
def test_ids_that_lead_elsewhere(bad: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with client(rooms(tmp_path / "avatars", furnish=workshop)) as server:
            answer = await server.post("/avatars", data=form(png(), id=bad))
            assert answer.status == 400
            assert bad not in await answer.text()
            encoded = "".join(f"%{byte:02x}" for byte in bad.encode())
            for path in (f"/avatars/{encoded}", f"/avatars/{encoded}/portrait.png"):
                address = URL(f"http://{server.host}:{server.port}{path}", encoded=True)
                assert (await server.session.get(address)).status == 404

    asyncio.run(scene())
    assert not list(tmp_path.rglob("portrait.png"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Ada\r\nSet-Cookie: a=b", "Ada Set-Cookie: a=b"),
        ("  Ada \u2028 Lovelace\t", "Ada Lovelace"),
        (
            "<img src=x onerror=alert(1)>",
            "<img src=x onerror=alert(1)>",
        ),  # text, as texts are shown
        ("Zoë 🙂", "Zoë 🙂"),
        ("abc\u202etxt.exe", None),  # turned round
        ("a\u200bb", None),  # of no width
        ("a\u2066b\u2069", None),
        ("a\ufeffb", None),
        ("a\x1b[31mb", None),
        ("a\x00b", None),
    ],
)
def test_names_are_one_line_of_what_can_be_seen(
    name: str, kept: str | None, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with client(rooms(tmp_path, furnish=workshop)) as server:
            answer = await server.post("/avatars", data=form(png(), id="me", name=name))
            if kept is None:
                assert answer.status == 400
                assert name not in await answer.text()
            else:
                assert answer.status == 201
                assert (await answer.json())["name"] == kept

    asyncio.run(scene())
