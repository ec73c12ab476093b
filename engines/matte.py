"""Where the person is: a portrait and its face go in, a matte fine enough for hair comes out.

A network (MediaPipe's selfie segmenter, by `engines.weights`) or, without it, colours alone
(GrabCut: Rother et al., SIGGRAPH 2004) tell roughly what is person; a guided filter (He et al.,
IEEE PAMI 35(6), 2013) lays the edge where the picture has it.
"""

from __future__ import annotations

import logging
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.backends.litert import load
from engines.errors import ModelUnavailable
from engines.face_geometry import face_width
from engines.face_mesh import OVAL
from engines.guided_filter import guided_filter
from engines.types import Face, Floats, ModelSpec, Rgb, Weights
from engines.weights import MODELS

_log = logging.getLogger(__name__)

_NET_SIDE = 256
_ROUGH_SIDE = 448
_CERTAIN = 0.05
_GRABCUT_ROUNDS = 4
_REACH = 0.012  # of the longer side: how far the rough edge may be from the true one
_SURE = (0.1, 0.9)  # alphas beyond are what the filter leaves of nothing and of all

Matte = NDArray[np.uint8]


def matte(rgb: Rgb, face: Face, weights: Weights | None = None) -> Matte:
    """`(h, w)` uint8: 255 on the person whose face it is, 0 on the background.

    `weights` are asked for the network; `None`, or where it cannot be had: by colours alone.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _ROUGH_SIDE / max(height, width))
    small = _resized(rgb, round(width * scale), round(height * scale)).astype(np.uint8)
    points = face.landmarks[:, :2] * scale
    person = _by_network(small, weights) if weights is not None else None
    rough = _settle(small, _guess(small.shape[:2], points) if person is None else _labels(person))
    rough = _person_only(rough, points)
    rough = _resized(rough, width, height).astype(np.float32)
    radius = max(2, round(_REACH * max(width, height)))
    fine = guided_filter(rgb, rough, radius)
    # Far from the rough edge the filter must not invent anything.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (4 * radius + 1, 4 * radius + 1))
    low, high = cv2.erode(rough, kernel), cv2.dilate(rough, kernel)
    fine = np.where(high < _SURE[0], 0, np.where(low > _SURE[1], 1, fine))
    fine = np.clip((fine - _SURE[0]) / (_SURE[1] - _SURE[0]), 0, 1)
    alpha: Matte = np.round(fine * 255).astype(np.uint8)
    return alpha


def _by_network(rgb: Rgb, weights: Weights) -> Floats | None:
    """`(256, 256)` 0…1; `None`: the network is not to be had."""
    name = "selfie_segmenter"
    try:
        path = weights.path(name)
    except ModelUnavailable as error:
        _log.warning("mattes are made from colours, which is less exact: %s", error)
        return None
    side = _NET_SIDE
    spec = ModelSpec(
        name,
        path,
        MODELS[name].sha256,
        inputs={"input_1": (1, side, side, 3)},
        outputs={"activation_10": (1, side, side, 1)},
    )
    network = load(spec)
    try:
        small = _resized(rgb, side, side).astype(np.float32) / 255
        (person,) = network(small[None])
    finally:
        network.close()
    height, width = rgb.shape[:2]
    return _resized(person[0, :, :, 0], width, height).astype(np.float32)


def _labels(person: Floats) -> Matte:
    """GrabCut's labels from how probable a person is at each pixel."""
    labels = np.where(person > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[person < _CERTAIN] = cv2.GC_BGD
    labels[person > 1 - _CERTAIN] = cv2.GC_FGD
    return labels.astype(np.uint8)


def _settle(rgb: Rgb, labels: Matte) -> Floats:
    """`(h, w)` 0…1: what is uncertain in the labels is given to person or background by colour."""
    colours_of_background, colours_of_person = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)  # the same portrait gives the same matte
    cv2.grabCut(
        rgb,
        labels,
        (0, 0, 0, 0),  # where to look; the labels say it
        colours_of_background,
        colours_of_person,
        _GRABCUT_ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )
    person = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return np.asarray(cv2.GaussianBlur(person.astype(np.float32), (0, 0), 1.0), np.float32)


def _guess(shape: tuple[int, ...], points: Floats) -> Matte:
    """GrabCut's labels from where head, hair and shoulders of a person with that face are."""
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    oval = points[OVAL].astype(np.int32)
    width = face_width(points)
    x, y = map(int, points[OVAL].mean(axis=0))
    chin = int(points[152, 1])
    head = np.array([width, 1.35 * width])
    bottom = shape[0]

    def ellipse(centre: tuple[int, int], axes: NDArray[np.float64], label: int) -> None:
        cv2.ellipse(labels, (centre, tuple(2 * axes), 0), label, -1)

    def shoulders(half: float, label: int) -> None:
        low = max(bottom, chin + 1)
        corners = [(x - half * 0.5, chin), (x + half * 0.5, chin), (x + half, low), (x - half, low)]
        cv2.fillPoly(labels, [np.array(corners, np.int32)], label)

    ellipse((x, y), head * 1.3, cv2.GC_PR_BGD)
    shoulders(2.6 * width, cv2.GC_PR_BGD)
    ellipse((x, y - round(0.15 * width)), head * 0.72, cv2.GC_PR_FGD)
    shoulders(1.4 * width, cv2.GC_PR_FGD)
    cv2.fillPoly(labels, [oval], cv2.GC_FGD)
    return labels


def _resized(values: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    way = cv2.INTER_AREA if width < values.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (width, height), interpolation=way))


def _person_only(rough: Floats, points: Floats) -> Floats:
    """Without other people: what is joined to the face, its holes filled."""
    height, width = rough.shape
    inside = (rough > 0.5).astype(np.uint8)
    oval = points[OVAL].astype(np.int32)
    cv2.fillPoly(inside, [oval], 1)
    _, parts = cv2.connectedComponents(inside)
    x, y = np.clip(oval.mean(axis=0).astype(int), 0, (width - 1, height - 1))
    person = (parts == parts[y, x]).astype(np.uint8)
    outlines, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(person)
    cv2.drawContours(filled, outlines, -1, 1, -1)
    whole = np.where((filled > 0) & (person == 0), 1, rough)
    near = cv2.dilate(filled, np.ones((7, 7), np.uint8))
    kept: Floats = np.where(near > 0, whole, 0).astype(np.float32)
    return kept
