"""Every kind of image file, whole, odd, broken and hostile."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from engines.errors import UnusablePortrait
from engines.image_file import LARGEST_SIDE, SMALLEST_SIDE, decode
from engines.types import Rgb

WIDTH, HEIGHT = 96, 128
TURN_RIGHT = 6  # EXIF: to be seen turned clockwise by a quarter


def gradient() -> Rgb:
    """A picture whose every corner has a colour of its own, smooth enough for JPEG."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, 255 - x * 255 // WIDTH], 2).astype(
        np.uint8
    )


PICTURE = Image.fromarray(gradient())


def file(kind: str, image: Image.Image = PICTURE, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def profile(name: str) -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes())  # type: ignore[arg-type]


def sixteen_bit(channels: int) -> bytes:
    picture = gradient()[..., ::-1].astype(np.uint16) * 257
    if channels == 4:
        picture = np.dstack([picture, np.full((HEIGHT, WIDTH), 65535, np.uint16)])
    done, data = cv2.imencode(".png", picture)
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        file("JPEG", quality=98),
        file("JPEG", quality=98, progressive=True),
        file("JPEG", PICTURE.convert("CMYK"), quality=98),
        file("JPEG", quality=98, icc_profile=profile("sRGB")),
        file("JPEG", quality=98, icc_profile=b"nonsense" * 20),
        file("JPEG", quality=98, icc_profile=profile("LAB")),  # of another kind of picture
        file("MPO", quality=98, save_all=True, append_images=[PICTURE.rotate(180)]),
        file("PNG"),
        file("PNG", PICTURE.convert("RGBA")),
        file("PNG", save_all=True, append_images=[PICTURE.rotate(180)]),
        file("PNG", PICTURE.quantize(256)),
        sixteen_bit(3),
        sixteen_bit(4),
        file("WEBP", quality=98),
        file("WEBP", lossless=True, save_all=True, append_images=[PICTURE.rotate(180)]),
    ],
)
def test_the_first_picture_of_a_file_is_read_as_it_looks(data: bytes) -> None:
    rgb, alpha = decode(data)
    assert alpha is None
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert rgb.flags.writeable
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(rgb.astype(int) - gradient()).mean() < 8


@pytest.mark.parametrize("mode", ["L", "I;16", "LA", "1"])
def test_grey_pictures(mode: str) -> None:
    grey = PICTURE.convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert(mode)
    rgb, alpha = decode(file("PNG", image))
    assert alpha is None
    assert (rgb[..., 0] == rgb[..., 2]).all()
    soft = cv2.blur(rgb[..., 0], (15, 15)).astype(int)
    assert np.abs(soft - cv2.blur(np.asarray(grey), (15, 15))).mean() < 6


HELD = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}
"""How the camera stores a picture that is to be seen upright, by its EXIF orientation."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", HELD)
def test_the_camera_may_have_been_held_in_any_way(kind: str, orientation: int) -> None:
    stored = np.ascontiguousarray(HELD[orientation](gradient()))
    data = file(kind, Image.fromarray(stored), exif=exif(orientation))
    assert np.abs(decode(data).rgb.astype(int) - gradient()).mean() < 8


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_is_known_and_shows_a_plain_colour(kind: str) -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[30:100, 20:70] = 255
    image = PICTURE.copy()
    image.putalpha(Image.fromarray(alpha))
    rgb, found = decode(file(kind, image, lossless=True))
    assert found is not None
    np.testing.assert_array_equal(found, alpha)
    inside = rgb[30:100, 20:70].astype(int) - gradient()[30:100, 20:70]
    assert np.abs(inside).max() <= 1
    assert len(np.unique(rgb[alpha == 0], axis=0)) == 1


def test_a_wide_gamut_is_brought_into_srgb() -> None:
    """A file whose profile says that its red and green are swapped looks swapped."""
    swapped = bytearray(profile("sRGB"))
    red, green = swapped.find(b"rXYZ"), swapped.find(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    rgb = decode(file("PNG", icc_profile=bytes(swapped))).rgb
    assert np.abs(rgb[..., [1, 0, 2]].astype(int) - gradient()).mean() < 8


def test_large_pictures_are_made_smaller() -> None:
    large = PICTURE.resize((4800, 6400), Image.Resampling.BILINEAR)
    for data in (file("JPEG", large), file("WEBP", large.resize((2400, 3200)))):
        rgb = decode(data).rgb
        assert rgb.shape == (LARGEST_SIDE, LARGEST_SIDE * 3 // 4, 3)
        small = cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - gradient()).mean() < 8


def hollow_png(width: int, height: int) -> bytes:
    """A PNG file that says it is so large and holds nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + end


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"no image at all", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'/>", "not_an_image"),
        (b"%PDF-1.7\n" * 50, "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 900 900\n", "not_an_image"),
        (file("GIF"), "not_an_image"),
        (file("TIFF"), "not_an_image"),
        (file("BMP"), "not_an_image"),
        (file("JPEG")[:-300], "not_an_image"),
        (file("PNG")[:-300], "not_an_image"),
        (file("WEBP")[:-300], "not_an_image"),
        (hollow_png(900, 900), "not_an_image"),
        (file("PNG", PICTURE.resize((1, 1))), "too_small"),
        (file("PNG", PICTURE.resize((2000, SMALLEST_SIDE - 1))), "too_small"),
        (hollow_png(10_000, 10_000), "too_large"),
        (hollow_png(60_000, 60_000), "too_large"),
        (hollow_png(2**31 - 1, 2**31 - 1), "too_large"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePortrait) as caught:
        decode(data)
    assert caught.value.reason == reason
    assert "send" in str(caught.value)


def progressive(extra_scans: int) -> bytes:
    """Whose last scan is there some more times."""
    whole = file("JPEG", PICTURE.convert("L").resize((900, 1200)), progressive=True)
    tables = whole.rfind(b"\xff\xc4", 0, whole.rfind(b"\xff\xda"))
    return whole[:-2] + whole[tables:-2] * extra_scans + whole[-2:]


def test_a_progressive_picture_of_countless_scans_is_refused_unread() -> None:
    assert decode(progressive(20)).rgb.shape == (1200, 900, 3)
    countless = progressive(5_000)  # as bytes 29 MB, and minutes of a decoder's time
    begun = time.process_time()
    with pytest.raises(UnusablePortrait, match="steps"):
        decode(countless)
    assert time.process_time() - begun < 1


def test_what_hangs_behind_a_picture_is_not_looked_at() -> None:
    """Phones put films there, full of bytes that look like scans; others put programs there."""
    behind = b"\xff\xda\0\2" * 10_000 + b"<script>alert(1)</script>PK\3\4"
    for data in (file("JPEG", quality=98), file("PNG"), file("WEBP", quality=98)):
        assert np.abs(decode(data + behind).rgb.astype(int) - gradient()).mean() < 8
    entropy = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
    noisy = file("WEBP", Image.fromarray(entropy), quality=100)
    assert decode(noisy + behind).rgb.shape == (800, 800, 3)


def with_chunk(name: bytes, content: bytes, times: int = 1) -> bytes:
    """A PNG file with another chunk behind its head."""
    whole = file("PNG")
    check = struct.pack(">I", zlib.crc32(name + content))
    return (
        whole[:33] + (struct.pack(">I", len(content)) + name + content + check) * times + whole[33:]
    )


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000), 9), 3),
        with_chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(50_000_000), 9), 3),
        with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(50_000_000), 9)),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_chunks_that_blow_up_are_refused_early(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UnusablePortrait):
        decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


def test_a_profile_of_megabytes_is_as_none() -> None:
    swapped = profile("sRGB").replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ")
    swapped = swapped.replace(b"tXYZ", b"gXYZ")
    huge = swapped + bytes(2 << 20)
    rgb = decode(file("JPEG", quality=98, icc_profile=huge)).rgb
    assert np.abs(rgb.astype(int) - gradient()).mean() < 8


def test_a_large_transparent_picture_takes_a_few_times_its_size() -> None:
    """In a process of its own, which is given no more."""
    image = file("PNG", Image.new("RGBA", (5000, 5000), (1, 2, 3, 100)), compress_level=1)
    allowed = int(3.5 * 5000 * 5000 * 4)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from engines.image_file import decode\n"
        "data = sys.stdin.buffer.read()\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        f"most = pages * resource.getpagesize() + {allowed}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "decode(data)"
    )
    subprocess.run([sys.executable, "-c", code], input=image, check=True)


SEEDS = [
    file("JPEG", exif=exif(TURN_RIGHT), icc_profile=profile("sRGB")),
    file("JPEG", PICTURE.convert("CMYK")),
    file("PNG", PICTURE.convert("RGBA")),
    file("PNG", PICTURE.quantize(64)),
    file("WEBP"),
    file("WEBP", save_all=True, append_images=[PICTURE.rotate(180)]),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=12),
    st.floats(0.2, 1.0),
)
def test_damaged_files_are_read_or_refused(
    seed: bytes, damage: list[tuple[float, int]], length: float
) -> None:
    data = bytearray(seed[: int(len(seed) * length)])
    for place, value in damage:
        data[int(place * place * len(data))] = value  # more of it near the head
    try:
        pixels = decode(bytes(data))
    except UnusablePortrait:
        return
    assert pixels.rgb.dtype == np.uint8
    assert pixels.rgb.ndim == 3
    assert max(pixels.rgb.shape) <= LARGEST_SIDE
    assert pixels.alpha is None or pixels.alpha.shape == pixels.rgb.shape[:2]


@given(st.binary(max_size=400))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(UnusablePortrait):
        decode(data)
