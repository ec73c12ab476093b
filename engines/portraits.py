"""An uploaded picture goes in, a checked `Portrait` comes out, or a reason to choose another."""

from __future__ import annotations

import math

import numpy as np

from engines import image_file
from engines.errors import UnusablePortrait
from engines.face_geometry import face_width
from engines.matte import matte
from engines.mouth_cover import mouth_is_covered
from engines.types import Face, Picture, Portrait, Rgb, Tracker, Weights

_LEAST_WIDTH = 80  # pixels from one side of the face to the other
_COMPARABLE = 0.5  # a face at least so large beside the largest makes it unclear who is meant
_MOST_YAW, _MOST_PITCH, _MOST_ROLL = 40, 32, 40  # degrees
_USUAL_PITCH = 8  # what the tracker tells of a level head
_MOST_OUTSIDE = 0.04  # of the face's width


def decode(data: bytes) -> Rgb:
    """`(h, w, 3)` pixels of an image file; raises `UnusablePortrait`."""
    return image_file.decode(data).rgb


def read(data: bytes, tracker: Tracker, weights: Weights | None = None) -> Portrait:
    """The picture, its faces, and where the person is, if it shows one face that is usable.

    `weights` give the network that tells person from background; without them, and without
    transparency in the file, that is found from colours, less exactly.
    Raises `UnusablePortrait`.
    """
    rgb, alpha = image_file.decode(data)
    portrait = Portrait(rgb, tuple(tracker.find(Picture(rgb))), alpha)
    face = usable_face(portrait)
    if alpha is not None:
        return portrait
    return Portrait(rgb, portrait.faces, matte(rgb, face, weights))


def usable_face(portrait: Portrait) -> Face:
    """The face to animate; raises `UnusablePortrait` where no avatar can be made of it.

    A mouth behind a mask or scarf is noticed; one behind a hand or a microphone often is not.
    """
    if not portrait.faces:
        raise UnusablePortrait(
            "no_face",
            "no face was found in the picture; use one that shows a whole face from the front,"
            " well lit",
        )
    face = portrait.faces[0]
    _check_alone(portrait)
    _check_place(face, portrait.rgb)
    _check_turn(face)
    if mouth_is_covered(portrait.rgb, face):
        raise UnusablePortrait(
            "mouth_covered",
            "the mouth seems to be covered, so the avatar could not talk; use a picture without a"
            " mask, hand or scarf before the mouth",
        )
    return face


def _check_alone(portrait: Portrait) -> None:
    widths = [face_width(face.landmarks) for face in portrait.faces]
    rivals = sum(width > _COMPARABLE * widths[0] for width in widths[1:])
    if rivals:
        raise UnusablePortrait(
            "several_faces",
            f"the picture shows {rivals + 1} faces of similar size; cut it so that one is left",
        )


def _check_place(face: Face, rgb: Rgb) -> None:
    height, width = rgb.shape[:2]
    size = face_width(face.landmarks)
    if size < _LEAST_WIDTH:
        raise UnusablePortrait(
            "too_small",
            f"the face is only {size:.0f} pixels wide; {_LEAST_WIDTH} are needed and 200 or more"
            " look good: use a larger picture, or one taken from nearer",
        )
    points = face.landmarks[:, :2]
    outside = max(float(-points.min()), float((points - (width, height)).max()))
    if outside > _MOST_OUTSIDE * size:
        raise UnusablePortrait(
            "cut_off",
            "the face is cut off by the picture's edge; use a picture that shows all of it, best"
            " with hair and shoulders",
        )


def _check_turn(face: Face) -> None:
    rotation = face.head[:3, :3] / np.cbrt(np.linalg.det(face.head[:3, :3]))
    yaw = math.degrees(math.atan2(rotation[0, 2], rotation[2, 2]))
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, -rotation[1, 2])))) - _USUAL_PITCH
    roll = math.degrees(math.atan2(rotation[1, 0], rotation[1, 1]))
    for turn, most, how in (
        (yaw, _MOST_YAW, "turned to the side"),
        (pitch, _MOST_PITCH, "tilted up or down"),
        (roll, _MOST_ROLL, "leaning to the side"),
    ):
        if abs(turn) > most:
            raise UnusablePortrait(
                "turned_away",
                f"the head is {how} by {abs(turn):.0f}°, more than the {most}° that can be"
                " animated; use a picture that looks towards the camera",
            )
