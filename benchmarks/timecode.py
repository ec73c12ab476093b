"""A time goes into a picture's upper edge, and comes out again after a video codec.

The code is a strip of two rows of sixteen blocks, black for 0 and white for 1: a 24 bit number,
most significant bit first, then its CRC-8. A block is a sixteenth of the picture wide and half as
high, at 512 as high as a codec's macroblock, so it lives through low bit rates. The checksum makes
a damaged strip, a black picture and a picture without a strip come out as `None`.
`page/timecode.js` is the same for a browser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 24
TICK_MS = 0.1
"""What one step of the number is worth."""
WRAP = 1 << BITS
"""Numbers wrap here: 28 minutes in ticks."""

_COLUMNS = 16
_CHECK_BITS = 8
_WHITE, _BLACK = 235, 16  # limited range
_THRESHOLD = 128


def checksum(number: int) -> int:
    """CRC-8 of the three bytes (polynomial 0x07, start 0xA5: all zeros and all ones both fail)."""
    crc = 0xA5
    for byte in number.to_bytes(BITS // 8, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def strip_height(width: int) -> int:
    """Rows that the strip takes of a picture `width` pixels wide."""
    return 2 * (width // (2 * _COLUMNS))


def draw(luma: NDArray[np.uint8], number: int) -> None:
    """Writes `number` over the upper edge of a luma plane `(h, w)`, limited range, in place.

    Raises `ValueError` where the number is too large or the picture too small for the strip.
    """
    if not 0 <= number < WRAP:
        raise ValueError(f"{number} is not a number of {BITS} bits")
    word = number << _CHECK_BITS | checksum(number)
    bits = np.array([word >> shift & 1 for shift in range(31, -1, -1)]).reshape(2, _COLUMNS)
    rows, columns = _block(luma.shape[1])
    if rows < 2 or luma.shape[0] < 2 * rows:
        raise ValueError(f"a picture of {luma.shape[1]} x {luma.shape[0]} has no room for the code")
    blocks = np.where(bits, _WHITE, _BLACK).astype(np.uint8)
    strip = np.repeat(np.repeat(blocks, rows, axis=0), columns, axis=1)
    luma[: strip.shape[0], : strip.shape[1]] = strip


def read(luma: NDArray[np.uint8]) -> int | None:
    """The number on the upper edge of a luma or green plane `(h, w)`; `None`: there is none."""
    rows, columns = _block(luma.shape[1])
    if rows < 2 or luma.shape[0] < 2 * rows:
        return None
    strip = luma[: 2 * rows, : _COLUMNS * columns].reshape(2, rows, _COLUMNS, columns)
    # The middle of each block: edges ring after compression.
    middle = strip[:, rows // 4 : rows - rows // 4, :, columns // 4 : columns - columns // 4]
    word = 0
    for bit in (middle.mean(axis=(1, 3)) > _THRESHOLD).ravel():
        word = word << 1 | int(bit)
    number = word >> _CHECK_BITS
    return number if checksum(number) == word & 0xFF else None


def age_ms(number: int, now_ticks: int) -> float:
    """How long ago `number` was drawn, where that was less than half an hour."""
    return (now_ticks - number) % WRAP * TICK_MS


def _block(width: int) -> tuple[int, int]:
    """Rows and columns of one block."""
    return width // (2 * _COLUMNS), width // _COLUMNS
