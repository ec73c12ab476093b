"""A picture file in, its pixels out; of an animation, its pictures with their times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from engines.image_file import MOST_PIXELS
from engines.types import Rgb
from live.errors import TooLarge, Unprocessable
from live.verification.media import Medium
from live.verification.windows import Shot, Window, cut

MOST_FRAMES = 600
_USUAL_MS = 100  # what browsers make of a duration of zero


class Stills:
    """An opened picture or animation."""

    def __init__(self, file: BinaryIO, medium: Medium) -> None:
        """Reads the header; raises `TooLarge` or `Unprocessable`."""
        try:
            self._image = Image.open(file, formats=(medium.reader,))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large() from error
        except Exception as error:  # broken files make decoders raise errors of almost every kind
            raise _broken() from error
        self.width, self.height = self._image.size
        if self.width * self.height > MOST_PIXELS:
            raise _too_large()
        self.animated = bool(getattr(self._image, "is_animated", False))
        self.seconds: float | None = None
        self.damaged = False
        self.whole = True

    parts = None
    """How many stretches there are is known at their end."""

    def windows(self) -> Iterator[Window]:
        """One window with one picture, or an animation's."""
        if not self.animated:
            yield Window(iter((Shot(self._first(), 0.0),)), timed=False)
            return
        yield from cut(self._frames(), None)

    def _first(self) -> Rgb:
        try:
            upright = ImageOps.exif_transpose(self._image)
            self.width, self.height = upright.size
            return _rgb(upright)
        except MemoryError:
            raise
        except Exception as error:
            raise _broken() from error

    def _frames(self) -> Iterator[Shot]:
        at_ms = 0.0
        for number in range(MOST_FRAMES):
            try:
                self._image.seek(number)
                rgb = _rgb(self._image)
            except EOFError:
                return
            except MemoryError:
                raise
            except Exception as error:
                if number == 0:
                    raise _broken() from error
                self.damaged = True
                return
            yield Shot(rgb, at_ms / 1000)
            at_ms += float(self._image.info.get("duration") or _USUAL_MS)
            self.seconds = at_ms / 1000
        self.whole = False


def _rgb(image: Image.Image) -> Rgb:
    """`uint8 (h, w, 3)`; what is transparent shows its own colour: a mark would be in that."""
    if image.mode.startswith("I"):  # 16 bits of grey, which a plain conversion would cut off
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    mode = "RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB"
    return np.ascontiguousarray(np.asarray(image.convert(mode))[..., :3])


def _too_large() -> TooLarge:
    return TooLarge(
        f"the picture claims more than the {MOST_PIXELS // 1_000_000} megapixels that are looked at"
    )


def _broken() -> Unprocessable:
    return Unprocessable("this picture cannot be decoded: it is cut off or damaged")
