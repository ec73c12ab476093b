"""What a portrait is known by: copies of it are it, other pictures are not."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from engines import avatars
from engines.types import Rgb
from live.avatar_files import decoded
from live.consent.fingerprint import (
    MOST_DIFFERENT,
    Fingerprint,
    difference,
    fingerprint,
    perceptual,
    pixels_sha256,
    same_portrait,
)

PORTRAITS = {each: decoded(avatars.contents(each).portrait) for each in avatars.ids()}
PRINTS = {each: fingerprint(rgb) for each, rgb in PORTRAITS.items()}


def encoded(rgb: Rgb, kind: str, quality: int = 0) -> Rgb:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind, quality=quality)
    return np.array(Image.open(file).convert("RGB"))


def scaled(rgb: Rgb, factor: float) -> Rgb:
    height, width = rgb.shape[:2]
    size = (round(factor * width), round(factor * height))
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def brighter(rgb: Rgb) -> Rgb:
    return np.clip(rgb.astype(np.int16) + 10, 0, 255).astype(np.uint8)


COPIES: dict[str, tuple[str, int] | float] = {
    **{f"jpeg {quality}": ("JPEG", quality) for quality in (30, 50, 75, 95)},
    **{f"webp {quality}": ("WEBP", quality) for quality in (30, 80)},
    **{f"scaled {factor}": factor for factor in (0.5, 0.75, 1.5, 2.0)},
}


def copy(rgb: Rgb, how: str) -> Rgb:
    what = COPIES[how]
    return encoded(rgb, *what) if isinstance(what, tuple) else scaled(rgb, what)


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_the_same_portrait(how: str) -> None:
    worst = max(
        difference(PRINTS[each].perceptual, perceptual(copy(rgb, how)))
        for each, rgb in PORTRAITS.items()
    )
    assert worst <= MOST_DIFFERENT / 2  # room for what was not tried


def test_small_bad_and_brighter_copies_are_too() -> None:
    for each, rgb in PORTRAITS.items():
        for copied in (encoded(scaled(rgb, 0.5), "JPEG", 30), brighter(rgb)):
            assert same_portrait(PRINTS[each], fingerprint(copied))


def test_other_portraits_are_not() -> None:
    between = [
        difference(one.perceptual, other.perceptual)
        for one, other in combinations(PRINTS.values(), 2)
    ]
    assert min(between) >= 4 * MOST_DIFFERENT


def test_one_with_the_middle_of_anothers_face_is_not() -> None:
    for one, other in combinations(PORTRAITS, 2):
        mixed = PORTRAITS[one].copy()
        mixed[300:760, 330:700] = PORTRAITS[other][300:760, 330:700]
        assert not same_portrait(PRINTS[one], fingerprint(mixed))


def test_a_mirrored_one_is_not() -> None:
    for each, rgb in PORTRAITS.items():
        mirrored = np.ascontiguousarray(rgb[:, ::-1])
        assert difference(PRINTS[each].perceptual, perceptual(mirrored)) > 120
        assert not same_portrait(PRINTS[each], fingerprint(mirrored))


def test_a_part_of_one_is_not() -> None:
    """A closer crop is another picture: it has to be granted for itself."""
    for each, rgb in PORTRAITS.items():
        assert not same_portrait(PRINTS[each], fingerprint(rgb[100:-100, 100:-100]))


def test_every_pixel_and_the_size_count() -> None:
    rgb = PORTRAITS["ada"]
    assert len(pixels_sha256(rgb)) == 64
    changed = rgb.copy()
    changed[-1, -1, 2] ^= 1
    assert pixels_sha256(changed) != pixels_sha256(rgb)
    assert same_portrait(fingerprint(changed), PRINTS["ada"])
    flat = np.zeros((2, 8, 3), np.uint8)
    assert pixels_sha256(flat) != pixels_sha256(flat.reshape(8, 2, 3))
    assert pixels_sha256(np.asfortranarray(rgb)) == pixels_sha256(rgb)


def test_the_same_pixels_are_the_same_whatever_the_other_hash_says() -> None:
    assert same_portrait(Fingerprint("a" * 64, "0" * 64), Fingerprint("a" * 64, "f" * 64))


def test_flat_pictures_are_not_alike_for_being_flat() -> None:
    flat = [fingerprint(np.full((64, 64, 3), level, np.uint8)) for level in (20, 200)]
    ramp = fingerprint(np.repeat(np.arange(64, dtype=np.uint8), 192).reshape(64, 64, 3))
    assert not same_portrait(flat[0], flat[1])
    assert not same_portrait(flat[0], ramp)
    assert same_portrait(flat[0], flat[0])
    signs = [int(each.perceptual, 16).bit_count() for each in PRINTS.values()]
    assert 96 < min(signs) <= max(signs) < 160
