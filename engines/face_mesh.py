"""MediaPipe's face mesh: which of the 478 landmarks is what, and the names of the blendshapes.

The numbers are facts of MediaPipe's model (Apache-2.0, Google). `TRIANGLES` and `CANONICAL` are the
index and vertex buffers of the canonical face in the model file's own geometry metadata.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_DATA = Path(__file__).parent / "data" / "face_mesh.npz"

with np.load(_DATA) as _mesh:
    TRIANGLES = _mesh["triangles"].astype(np.int32)
    """`(898, 3)` vertex numbers 0…467; eyes and mouth are closed by triangles too."""
    CANONICAL = _mesh["vertices"].astype(np.float64)
    """`(468, 3)` the canonical face in cm: x right, y up, z towards the viewer."""


def _points(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers)


# Rings of 16 around each eye: outer corner, lower lid, inner corner (8), upper lid back.
# fmt: off
RIGHT_EYE = _points(
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246
)
LEFT_EYE = _points(
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466
)
# The next rings outwards, point beside point.
RIGHT_EYE_1 = _points(
    130, 25, 110, 24, 23, 22, 26, 112, 243, 190, 56, 28, 27, 29, 30, 247
)
LEFT_EYE_1 = _points(
    359, 255, 339, 254, 253, 252, 256, 341, 463, 414, 286, 258, 257, 259, 260, 467
)
RIGHT_EYE_2 = _points(
    226, 31, 228, 229, 230, 231, 232, 233, 244, 189, 221, 222, 223, 224, 225, 113
)
LEFT_EYE_2 = _points(
    446, 261, 448, 449, 450, 451, 452, 453, 464, 413, 441, 442, 443, 444, 445, 342
)
# Rings of 20 around the mouth: picture-left corner, upper lip (9), right corner, lower lip (9).
INNER_LIPS = _points(
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95
)
OUTER_LIPS = _points(
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146
)
# The face's outline, clockwise in the picture from the top.
OVAL = _points(
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109
)
RIGHT_BROW = _points(
    70, 63, 105, 66, 107, 46, 53, 52, 65, 55
)
LEFT_BROW = _points(
    300, 293, 334, 296, 336, 276, 283, 282, 295, 285
)
# Centre, then four points of the rim.
RIGHT_IRIS = _points(
    468, 469, 470, 471, 472
)
LEFT_IRIS = _points(
    473, 474, 475, 476, 477
)
# Points that expression hardly moves: forehead, temples, bridge of the nose, eye corners.
STABLE = np.unique(_points(
    10, 338, 297, 332, 284, 251, 389, 356, 454, 127, 162, 21, 54, 103, 67, 109, 234, 151, 9, 8,
    168, 6, 197, 195, 33, 133, 362, 263, 108, 337, 69, 299, 68, 298, 104, 333, 71, 301, 139,
    368, 34, 264, 143, 372, 227, 447
))

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft",
    "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# fmt: on
"""The 52 outputs of the blendshape network, in its order."""
BLENDSHAPE_INDEX = {name: number for number, name in enumerate(BLENDSHAPES)}
