"""BlazeFace: a picture goes in, the regions of its faces come out, largest first.

The short-range network of MediaPipe (Bazarevsky et al., BlazeFace, 2019, arXiv:1907.05047) finds
faces from about a tenth of the picture's larger side upwards.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engines.trackers.regions import Region
from engines.types import Network, Picture

SIDE = 128
_SCORE = 0.5
_SAME_FACE = 0.3  # overlap (intersection over union) above which two boxes are one face


def _anchors() -> NDArray[np.float32]:
    """`(896, 2)` centres of the cells that the network's answers are relative to, in pixels."""
    centres = []
    for cell, per_cell in ((8, 2), (16, 6)):
        count = SIDE // cell
        y, x = np.mgrid[:count, :count]
        grid = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * cell
        centres.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)


_ANCHORS = _anchors()


def detect(network: Network, picture: Picture) -> list[Region]:
    """All faces of the picture, largest first.

    `network` takes `(1, 128, 128, 3)` −1…1 and gives boxes with keypoints `(1, 896, 16)` and scores
    `(1, 896, 1)` before the sigmoid.
    """
    height, width = picture.shape
    scale = SIDE / max(height, width)
    left, top = (SIDE - width * scale) / 2, (SIDE - height * scale) / 2
    square = picture.cut(np.array([[1, 0, -left], [0, 1, -top]]) / scale, SIDE)
    # Beyond the picture it is black.
    for edge, margin in ((square, math.ceil(top)), (square.swapaxes(0, 1), math.ceil(left))):
        edge[:margin] = 0
        edge[SIDE - margin :] = 0
    pixels = np.multiply(square, np.float32(2 / 255), dtype=np.float32)
    pixels -= 1
    regressors, logits = network(pixels[None])
    scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
    chosen = scores >= _SCORE
    if not chosen.any():
        return []
    # Box centre, box size, then keypoints: right eye, left eye, nose, mouth, ears.
    raw, anchors = regressors[0][chosen], _ANCHORS[chosen]
    points = raw.reshape(-1, 8, 2).copy()
    points[:, 0] += anchors
    points[:, 2:] += anchors[:, None]
    merged = _merge(points, scores[chosen])
    return sorted(
        (_region(face, scale, left, top) for face in merged),
        key=lambda region: region.size,
        reverse=True,
    )


def _merge(points: NDArray[np.float32], scores: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Non-maximum suppression that averages the boxes of one face, weighted by score."""
    corners = np.concatenate(
        [points[:, 0] - points[:, 1] / 2, points[:, 0] + points[:, 1] / 2], axis=1
    )
    merged = []
    left = np.argsort(-scores)
    while left.size:
        same = _overlap(corners[left[0]], corners[left]) > _SAME_FACE
        same[0] = True
        group = left[same]
        merged.append(np.average(points[group], axis=0, weights=scores[group]))
        left = left[~same]
    return merged


def _overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box with many; boxes are x0, y0, x1, y1."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    area = np.prod(np.maximum(box[2:] - box[:2], 0))
    shared: NDArray[np.float32] = common / np.maximum(area + areas - common, 1e-6)
    return shared


def _region(face: NDArray[np.float32], scale: float, left: float, top: float) -> Region:
    centre, size, right_eye, left_eye = face[:4]
    centre = (centre - (left, top)) / scale
    (x0, y0), (x1, y1) = centre - size / scale / 2, centre + size / scale / 2
    dx, dy = left_eye - right_eye
    box = (float(x0), float(y0), float(x1), float(y1))
    return Region.around(box, math.atan2(float(dy), float(dx)))
