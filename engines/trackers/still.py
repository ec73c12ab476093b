"""A still picture goes in, the landmarks of all its faces come out, largest first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engines.trackers.detector import detect
from engines.trackers.landmarks import Reading, read_landmarks
from engines.trackers.regions import Region
from engines.types import Network, Picture, Rgb

_TILES = (2, 4)
_MIN_TILE = 64  # pixels


def search(detector: Network, mesh: Network, picture: Picture) -> list[Reading]:
    """All faces; those that are small in the picture too, if there is no large one."""
    readings: list[Reading] = []
    for views in _views(picture.rgb):
        for view, x, y in views:
            for region in detect(detector, Picture(view)):
                _add(readings, mesh, picture, region._replace(x=region.x + x, y=region.y + y))
        if readings:
            break
    return sorted(readings, key=lambda reading: _region(reading).size, reverse=True)


def _views(rgb: Rgb) -> Iterator[list[tuple[Rgb, float, float]]]:
    """What the detector is shown, step by step until it sees a face: views and their corners.

    The detector misses a face that is cropped tightly, and one below a tenth of what it is shown:
    after the whole picture come the picture with a margin, then halves and quarters of it.
    """
    height, width = rgb.shape[:2]
    yield [(rgb, 0, 0)]
    margin = max(height, width) // 2
    framed = np.zeros((height + 2 * margin, width + 2 * margin, 3), np.uint8)
    framed[margin : margin + height, margin : margin + width] = rgb
    yield [(framed, -margin, -margin)]
    for parts in _TILES:
        side = min(height, width) // parts
        if side < _MIN_TILE:
            return
        yield [
            (np.ascontiguousarray(rgb[y : y + side, x : x + side]), x, y)
            for y in _starts(height, side)
            for x in _starts(width, side)
        ]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin that overlap by at least a half."""
    count = max(1, -(-2 * (length - side) // side))
    return [round(i * (length - side) / count) for i in range(count + 1)]


def _add(readings: list[Reading], mesh: Network, picture: Picture, region: Region) -> None:
    """Reads the landmarks, once more where the first reading says, unless that face is known."""
    reading = read_landmarks(mesh, picture, region)
    refined = reading and read_landmarks(mesh, picture, _region(reading))
    if refined and not any(_region(refined).overlaps(_region(other)) for other in readings):
        readings.append(refined)


def _region(reading: Reading) -> Region:
    return Region.of_landmarks(reading.landmarks)
