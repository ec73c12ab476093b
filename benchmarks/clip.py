"""A video file goes in, its pictures come out: the face that stands before the camera."""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import cv2
import numpy as np

from engines.types import Rgb
from live.errors import BadRequest

DEFAULT = Path(__file__).parents[1] / "tests/data/talk.mp4"
"""The project's own clip: a synthetic face that talks, blinks and turns."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option that names another clip."""
    parser.add_argument(
        "--clip", type=Path, default=DEFAULT, metavar="FILE", help="video of a face (the project's)"
    )


def read(file: Path, pictures: int, size: tuple[int, int] | None = None) -> list[Rgb]:
    """The first `pictures` pictures, cut and scaled to `size` (width, height) if one is given.

    Raises `BadRequest` where the file is missing, is no video, or is shorter than two pictures.
    """
    if not file.is_file():
        raise BadRequest(f"there is no clip {file}; name one by --clip FILE")
    found: list[Rgb] = []
    try:
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                found.append(_fitted(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), size))
                if len(found) == pictures:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise BadRequest(f"{file} cannot be read as a video ({error}); name another one") from error
    if len(found) < 2:
        raise BadRequest(f"{file} has {len(found)} pictures; a clip needs at least two")
    return found


def back_and_forth(length: int, index: int) -> int:
    """The picture to show at step `index` of an endless run without a jump: 0 1 2 1 0 1 …"""
    phase = index % (2 * length - 2)
    return phase if phase < length else 2 * length - 2 - phase


def _fitted(rgb: Rgb, size: tuple[int, int] | None) -> Rgb:
    """The largest middle part of the wanted shape, scaled."""
    if size is None or size == (rgb.shape[1], rgb.shape[0]):
        return rgb
    (height, width), (wide, high) = rgb.shape[:2], size
    scale = min(width / wide, height / high)
    cut_width, cut_height = round(wide * scale), round(high * scale)
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    part = rgb[top : top + cut_height, left : left + cut_width]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(part, size, interpolation=way), np.uint8)
