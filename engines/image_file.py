"""An uploaded image file goes in, pixels come out; anything that is not a picture is refused.

JPEG, PNG and WebP by Pillow, no other format: no vectors, no scripts, no decoder that is seldom
used. Its size is read from the header before a pixel is decoded, and nothing of the file but its
pixels comes out: not what it says of camera, place or maker, nor what hangs behind the picture.
"""

from __future__ import annotations

import io
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from engines.errors import UnusablePortrait
from engines.types import Rgb

MOST_PIXELS = 50_000_000
"""What today's phones make at most."""
LARGEST_SIDE = 2048
"""Larger pictures are made smaller; no avatar is drawn at more."""
SMALLEST_SIDE = 64
_FORMATS = ("JPEG", "PNG", "WEBP")
_JPEGS = ("JPEG", "MPO")
_MOST_SCANS = 40
"""Of a progressive JPEG, which has ten or so. Each costs a pass over all blocks however small it is
in the file: a thousand of them in 290 kB took 34 s for 49 megapixels."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""Of a JPEG's segment or its end; not those within a scan."""
_SCAN, _END = 0xDA, 0xD9
_LARGEST_PROFILE = 1 << 20
_SHRINKABLE = ("L", "LA", "RGB", "RGBA", "CMYK")
"""Modes in which neighbouring pixels may be mixed."""
_SRGB = ImageCms.createProfile("sRGB")
_BEHIND = (196, 202, 210)  # shown through what is transparent


class Pixels(NamedTuple):
    """A decoded picture."""

    rgb: Rgb
    """`(h, w, 3)`, upright, sRGB; what was transparent shows a light grey."""
    alpha: NDArray[np.uint8] | None
    """`(h, w)`; `None` where nothing is transparent."""


def decode(data: bytes) -> Pixels:
    """The first frame of an image file, at most 2048 pixels large.

    Raises `UnusablePortrait` with the reason `not_an_image`, `too_large` or `too_small`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image.width, image.height)
            # A JPEG is decoded at a fraction of its size where that is enough.
            image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))
            if image.format in _JPEGS:
                _check_scans(data)
            if image.mode in _SHRINKABLE and "transparency" not in image.info:
                image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
            upright = ImageOps.exif_transpose(image)
        return _pixels(upright)
    except UnusablePortrait:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except MemoryError as error:
        raise _too_large() from error
    except Exception as error:  # broken files make decoders raise errors of almost every kind
        raise UnusablePortrait(
            "not_an_image",
            "this is not a picture that can be read: send a whole JPEG, PNG or WebP file",
        ) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _too_large()
    if min(width, height) < SMALLEST_SIDE:
        raise UnusablePortrait(
            "too_small",
            f"the picture has {width}×{height} pixels; send one of at least 512×512"
            f" ({SMALLEST_SIDE} on the shorter side is the least that is looked at)",
        )


def _check_scans(data: bytes) -> None:
    """Walks from segment to segment up to the end: a film may hang behind it, as phones do it."""
    scans, place = 0, 2
    while (found := _MARKER.search(data, place)) and data[found.start() + 1] != _END:
        place = found.end()
        scans += data[place - 1] == _SCAN
        place += max(2, int.from_bytes(data[place : place + 2], "big"))
        if scans <= _MOST_SCANS:
            continue
        raise UnusablePortrait(
            "not_an_image",
            "the picture is stored in more steps than any camera or program makes; open it and save"
            " it anew, then send that",
        )


def _too_large() -> UnusablePortrait:
    return UnusablePortrait(
        "too_large",
        f"the picture has more than {MOST_PIXELS // 1_000_000} megapixels; send a smaller copy,"
        f" {LARGEST_SIDE} pixels on the longer side are plenty",
    )


def _pixels(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # 16 bits of grey, which a plain conversion would cut off
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    transparent = "A" in image.getbands() or "transparency" in image.info
    image = _in_srgb(image, "RGBA" if transparent else "RGB")
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    if not transparent:
        return Pixels(np.array(image), None)
    alpha = np.array(image.getchannel("A"))
    behind = Image.new("RGBA", image.size, (*_BEHIND, 255))
    rgb = np.array(Image.alpha_composite(behind, image).convert("RGB"))
    return Pixels(rgb, None if alpha.min() == 255 else alpha)


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    """The picture in `mode`, its colours translated if the file says what they mean."""
    profile = image.info.get("icc_profile")
    if profile and len(profile) <= _LARGEST_PROFILE and image.mode in ("RGB", "RGBA", "CMYK"):
        kept = mode if image.mode == mode else "RGB"
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            translated = ImageCms.profileToProfile(image, source, _SRGB, outputMode=kept)
        except (ImageCms.PyCMSError, OSError):  # an unreadable profile: as if there were none
            translated = None
        if translated is not None:
            return translated.convert(mode)
    return image.convert(mode)
