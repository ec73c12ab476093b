"""Portraits and a motion network go in, the map that drives it by ARKit coefficients comes out.

The warp renderer draws each portrait in random expressions and poses that are known; the network
says what it sees of them. Ridge regression of the one on the other, both relative to the neutral
face, is the map. Some portraits are kept out of a first fit, which tells how good the map is on
strangers, and chooses how much is ridge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.blendshape_inverse import to_coefficients
from engines.blendshapes import BASIS, to_mesh
from engines.face_crop import level_crop
from engines.face_geometry import Points, face_width, rotation_vector
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.implicit_keypoints import Reading, read
from engines.implicit_map import FEATURES, ImplicitMap, features
from engines.portraits import usable_face
from engines.renderers.warp.framing import frame
from engines.types import Floats, Motion, Network, Portrait, Renderer, Space

SAMPLES = 90
"""Pictures of each portrait."""
SIZE = 512

_CROP_WIDTH, _CROP_RAISE = 2.2, 0.1
_KEPT_OUT = 3  # every third portrait tells the error
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the sum of squares of each regressor
_POSE_SPREAD = np.array([0.10, 0.18, 0.10, 0.05, 0.04, 0.05])
_POSE_LIMIT = 2.0  # spreads

_MOVING = [BLENDSHAPES[number] for number in np.flatnonzero(np.abs(BASIS).max(axis=(1, 2)) > 1e-6)]
_MOUTH = [name for name in _MOVING if name.startswith(("jaw", "mouth"))]

Progress = Callable[[int, int], None]
"""Told the pictures done, and those in all."""


class Asked(NamedTuple):
    """One picture to draw."""

    coefficients: Floats
    """`(52,)`."""
    eyes: Floats
    """`(2, 3)` as in `Motion.eyes`."""
    pose: Floats
    """`(6,)` as in `Motion.pose`."""

    def motion(self) -> Motion:
        """For the warp renderer."""
        return Motion(Space.MESH478, to_mesh(self.coefficients), self.pose, self.eyes)

    def regressor(self) -> Floats:
        """`(64,)`: features, with coefficients as the map will find them, and pose."""
        found = to_coefficients(to_mesh(self.coefficients))
        return np.concatenate([features(found, self.eyes), self.pose])


class Study(NamedTuple):
    """What was asked of one portrait, and what the network saw."""

    asked: Points
    """`(m, 64)` regressors."""
    offsets: Points
    """`(m, 3 n)` of the keypoints."""
    poses: Points
    """`(m, 6)` as in `Motion.pose`, in the network's own terms."""


def fit(
    network: Network,
    sha256: str,
    renderer: Renderer,
    portraits: Sequence[Portrait],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> ImplicitMap:
    """The map for a motion network whose file has this SHA-256; two portraits at least.

    `renderer` draws `mesh478`. Raises `UnusablePortrait`.
    """
    rng = np.random.default_rng(seed)
    studies = []
    for number, portrait in enumerate(portraits):
        asked = [draw(rng) for _ in range(samples)]
        studies.append(observe(network, renderer, portrait, asked))
        progress((number + 1) * samples, len(portraits) * samples)
    kept_out = studies[1::_KEPT_OUT]
    shown = [study for number, study in enumerate(studies) if number % _KEPT_OUT != 1]
    scores = {ridge: _explained(_solve(shown, ridge), kept_out) for ridge in _RIDGES}
    best = max(scores, key=lambda ridge: scores[ridge])
    weights = _solve(studies, best)
    count = studies[0].offsets.shape[1]
    return ImplicitMap(
        weights[:FEATURES, :count].reshape(FEATURES, -1, 3).astype(np.float32),
        weights[FEATURES:, count:].T.copy(),
        sha256,
        scores[best],
    )


def draw(rng: np.random.Generator) -> Asked:
    """What a face might do: a few shapes, most of them the mouth's; lids, gaze, a turn."""
    coefficients = np.zeros(len(BLENDSHAPES), np.float32)
    for _ in range(rng.integers(0, 5)):
        name = str(rng.choice(_MOUTH if rng.random() < 0.6 else _MOVING))
        much = rng.uniform(0.15, 1.0)
        coefficients[BLENDSHAPE_INDEX[name]] = much
        other = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
        if rng.random() < 0.6:  # faces are mostly even
            coefficients[BLENDSHAPE_INDEX[other]] = much
    eyes = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
    lids = rng.random()
    if lids < 0.35:
        eyes[:, 0] = rng.uniform(0.0, 1.25)
    elif lids < 0.5:
        eyes[rng.integers(2), 0] = rng.uniform(0.0, 1.0)
    if rng.random() < 0.5:
        eyes[:, 1:] = rng.normal(0.0, (0.10, 0.05)).clip(-0.22, 0.22)
    pose = np.zeros(6, np.float32)
    if rng.random() < 0.6:
        pose[:] = rng.normal(size=6).clip(-_POSE_LIMIT, _POSE_LIMIT) * _POSE_SPREAD
    return Asked(coefficients, eyes, pose)


def observe(
    network: Network, renderer: Renderer, portrait: Portrait, asked: Sequence[Asked]
) -> Study:
    """Draws one portrait as asked and lets the network look; raises `UnusablePortrait`."""
    avatar = renderer.prepare(portrait, id="fit", consent="synthetic", size=SIZE)
    landmarks = frame(portrait, usable_face(portrait), SIZE).landmarks
    crop = level_crop(landmarks, _CROP_WIDTH, _CROP_RAISE)
    side = next(iter(network.inputs.values()))[-1]

    def look(motion: Motion) -> Reading:
        return read(network, crop.cut(renderer.render(avatar, motion).rgb, side))

    neutral = look(Motion.neutral())
    seen = [look(each.motion()) for each in asked]
    unit = crop.half / face_width(landmarks)
    return Study(
        np.stack([each.regressor() for each in asked]).astype(np.float64),
        np.stack([(each.expression - neutral.expression).reshape(-1) for each in seen]),
        np.stack([_pose(each, neutral, unit) for each in seen]),
    )


def _pose(now: Reading, neutral: Reading, unit: float) -> Points:
    """`(6,)` relative to the neutral face; `unit`: face widths in half of the picture's side."""
    return np.concatenate(
        [
            rotation_vector(neutral.rotation.T @ now.rotation),
            (now.translation - neutral.translation)[:2] * unit,
            [np.log(now.scale / neutral.scale)],
        ]
    )


def _solve(studies: Sequence[Study], ridge: float) -> Points:
    """`(64, 3 n + 6)` ridge regression, without a constant: neutral stays neutral."""
    x = np.concatenate([study.asked for study in studies])
    y = np.concatenate([np.hstack([study.offsets, study.poses]) for study in studies])
    square = np.square(x).sum(axis=0)
    # A price in each regressor's own unit; what never occurred (0) is not solved for.
    price = ridge * np.maximum(square, 1e-9)
    weights: NDArray[np.float64] = np.linalg.solve(x.T @ x + np.diag(price), x.T @ y)
    return weights


def _explained(weights: Points, studies: Sequence[Study]) -> float:
    """The share of the offsets' variance that features alone explain, as the map will be used."""
    x = np.concatenate([study.asked for study in studies])[:, :FEATURES]
    y = np.concatenate([study.offsets for study in studies])
    left = y - x @ weights[:FEATURES, : y.shape[1]]
    moved = float(np.square(y).sum())
    return 1.0 - float(np.square(left).sum()) / moved if moved > 0.0 else 0.0
