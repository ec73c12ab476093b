"""JPEG pictures from a browser's camera go in, pixels come out; of a portrait's, a PNG file."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from PIL import Image

from engines.types import Rgb
from live.errors import BadRequest

LARGEST_BYTES: Final = 512 << 10
MOST_PIXELS: Final = 1920 * 1080
LEAST_SIDE: Final = 120

_SCAN = b"\xff\xda"
_MOST_SCANS = 4
"""What browsers make has one. Each costs a pass over the whole picture, however small it is in the
file, so a few hundred kilobytes of them would take minutes."""


def decode(data: bytes) -> Rgb:
    """`(h, w, 3)`; the size is looked at before a pixel is decoded. Raises `BadRequest`."""
    try:
        if data.count(_SCAN) > _MOST_SCANS:
            raise BadRequest("a camera's picture is a JPEG file that is not progressive")
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.width * image.height > MOST_PIXELS or min(image.size) < LEAST_SIDE:
                raise BadRequest(
                    f"a camera's picture has at least {LEAST_SIDE} pixels a side and at most"
                    f" {MOST_PIXELS} in all"
                )
            return np.ascontiguousarray(image.convert("RGB"), np.uint8)
    except BadRequest:
        raise
    except Exception as error:  # broken files make decoders raise errors of almost every kind
        raise BadRequest("this is no JPEG picture that can be read") from error


def png(rgb: Rgb) -> bytes:
    """A portrait as a file whose pixels are exactly these."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
    assert done
    return data.tobytes()
