"""How wide a picture is for its height."""

from __future__ import annotations

from enum import StrEnum


class Shape(StrEnum):
    """What goes out: the avatar's square, or a wide picture with it in the middle."""

    SQUARE = "square"
    WIDE = "wide"
    """16:9."""

    def width(self, height: int) -> int:
        """Pixels; of wide pictures a multiple of 16, so 1280 for 720."""
        return height if self is Shape.SQUARE else round(height / 9) * 16
