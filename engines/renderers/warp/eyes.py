"""Eyes: cut out of the portrait once as sclera and iris; `eye_drawing` lays them between the lids.

Each eye is kept as a patch of twice the frame's resolution, its x axis along the eye.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, smoothstep
from engines.face_mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from engines.renderers.warp.drawing import (
    Patch,
    blend,
    disk,
    floats,
    inpaint,
    rgb,
    smooth_loop,
    spread,
)
from engines.renderers.warp.framing import Framed
from engines.types import Floats, Rgb

SCALE = 2.0
"""Patch pixels per frame pixel."""
_WIDE, _HIGH = 1.5, 1.1  # of the patch, in eye widths
BEYOND = 0.045
"""Eye widths that the eyeball is drawn beyond the lids: their edges are on it."""
_FARTHEST_BELOW = 0.18
_RIM = 0.14  # eye widths around the opening that the eyeball may reach beyond it
_NARROWEST_OPENING = 0.05  # of the squared eye width: below, the portrait's eye is shut

# ring, iris, the corner on the picture's left, the one on its right
_ANATOMY = (
    (RIGHT_EYE, RIGHT_IRIS, 33, 133),
    (LEFT_EYE, LEFT_IRIS, 362, 263),
)
LOWER = slice(1, 8)
"""The lower lid in a ring."""


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye of a portrait; colours RGB."""

    ring: NDArray[np.int64]
    corners: tuple[int, int]
    width: float
    """Frame pixels."""
    resting: Rgb
    """The opening without its iris, shadows of the lids included."""
    white: Rgb
    """The same with sclera reaching beyond the lids, for a widened eye."""
    iris: NDArray[np.uint8]
    """`(s, s, 4)` a sprite, and where it is iris."""
    below: Points
    """`(7,)` eye widths by which the eyeball reaches below the tracked lower lid."""
    white_colour: Floats
    iris_colour: Floats
    lash_colour: Floats

    @property
    def patch_size(self) -> tuple[int, int]:
        """Width and height in patch pixels."""
        return self.resting.shape[1], self.resting.shape[0]


def cut_eyes(framed: Framed) -> tuple[Eye | None, Eye | None]:
    """Both eyes, the subject's right first; `None` for one that is shut in the portrait."""
    right, left = (_cut_eye(framed, *anatomy) for anatomy in _ANATOMY)
    if right is None or left is None:
        return right, left
    # Where little of one eye's white is seen, skin is mixed into what was taken for it.
    white = min((right, left), key=lambda eye: _saturation(eye.white_colour)).white_colour
    return replace(right, white_colour=white), replace(left, white_colour=white)


def _saturation(colour: Floats) -> float:
    return float((colour.max() - colour.min()) / max(float(colour.max()), 1.0))


def _cut_eye(
    framed: Framed, ring: NDArray[np.int64], iris: NDArray[np.int64], left: int, right: int
) -> Eye | None:
    landmarks = framed.landmarks[:, :2] + framed.margin
    corner = landmarks[left]
    along = landmarks[right] - corner
    width = float(np.linalg.norm(along))
    along /= width
    down = np.array([-along[1], along[0]])
    axes = np.stack([along, down])
    middle = (landmarks[left] + landmarks[right]) / 2
    shape = np.ceil(np.array([_WIDE, _HIGH]) * width * SCALE).astype(int)

    def to_patch(points: Points) -> Points:
        moved: Points = (points - middle) @ axes.T * SCALE + shape / 2
        return moved

    matrix = np.column_stack([axes.T / SCALE, middle - axes.T @ (shape / 2) / SCALE])
    patch = rgb(
        cv2.warpAffine(
            framed.rgb,
            matrix,
            (int(shape[0]), int(shape[1])),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )
    whole = Patch(0, 0, int(shape[0]), int(shape[1]))
    pixels = width * SCALE
    tracked = to_patch(landmarks[ring])
    if (whole.mask(smooth_loop(tracked)) > 0.5).sum() < _NARROWEST_OPENING * pixels**2:
        return None
    below = _reach_below(patch, tracked, whole.mask(smooth_loop(tracked)) > 0.5, pixels)
    tracked[LOWER, 1] += below * pixels
    opening = whole.mask(smooth_loop(tracked)) > 0.5
    centre = to_patch(landmarks[iris[:1]])[0]
    rows, columns = np.mgrid[: shape[1], : shape[0]]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    well_inside = cv2.erode(opening.astype(np.uint8), disk(round(0.02 * pixels))) > 0
    radius = _iris_radius(
        patch,
        well_inside,
        distance,
        float(np.linalg.norm(to_patch(landmarks[iris[1:]]) - centre, axis=1).mean()),
    )
    sclera = well_inside & (distance > 1.12 * radius)
    brightness = patch.mean(axis=2)
    if sclera.sum() > 20:
        sclera &= brightness >= np.percentile(brightness[sclera], 30)
        white_colour = np.percentile(patch[sclera], 70, axis=0)
        white = _extend(patch, sclera)
    else:
        white_colour = np.full(3, 190.0)
        white = np.full_like(patch, 190)
    wide = cv2.dilate(opening.astype(np.uint8), disk(round(0.07 * pixels))) > 0
    over_iris = distance < 1.15 * radius
    resting = inpaint(patch, (over_iris & opening) | ~wide, 3)
    gone = (over_iris & opening).astype(np.float32)
    soft = cv2.GaussianBlur(gone, (0, 0), 0.5 * SCALE)[..., None]
    resting = (resting * (1 - soft) + white * soft).astype(np.uint8)
    sprite, matte = _complete_iris(patch, well_inside, centre, radius)
    flat = patch.reshape(-1, 3)
    lash = 0.35 * np.percentile(flat, 8, axis=0) + 0.15 * np.median(flat, axis=0)
    return Eye(
        ring,
        (left, right),
        width,
        resting,
        white,
        np.dstack([sprite, np.rint(255 * matte).astype(np.uint8)]),
        below,
        white_colour.astype(np.float32),
        np.median(sprite[matte > 0.9], axis=0).astype(np.float32),
        lash.astype(np.float32),
    )


def _reach_below(patch: Rgb, ring: Points, opening: NDArray[np.bool_], pixels: float) -> Points:
    """`(7,)` eye widths by which the eyeball goes on below the tracked lower lid: drawn eyes do.

    Walks down from each point as long as the colour is nearer to the eye's than to the skin's.
    """
    colours = patch.astype(np.float32)
    around = cv2.dilate(opening.astype(np.uint8), disk(round(_RIM * pixels))) == 0
    skin = np.median(colours[around], axis=0)
    bright = np.percentile(colours[opening], 90, axis=0)
    iris = np.median(colours[opening], axis=0)
    eyeball = _likelier(colours, bright, skin) | _likelier(colours, iris, skin)
    steps = np.arange(1, round(_FARTHEST_BELOW * pixels))
    rows = np.clip(np.rint(ring[LOWER, 1:] + steps).astype(int), 0, len(patch) - 1)
    columns = np.clip(np.rint(ring[LOWER, :1]).astype(int), 0, patch.shape[1] - 1)
    run = np.cumprod(eyeball[rows, columns], axis=1).sum(axis=1) / pixels
    run = np.convolve(np.pad(run, 1), [0.25, 0.5, 0.25], "valid")
    return np.maximum(run, BEYOND)


def _iris_radius(patch: Rgb, visible: NDArray[np.bool_], distance: Points, tracked: float) -> float:
    """The iris' radius as painted: the tracker gives a person's, drawn eyes are often larger.

    Where the ring of one radius is half way from the iris' colour to the brightest in the eye.
    """
    if not visible.any():
        return tracked
    colours = patch.astype(np.float64)
    white = np.percentile(colours[visible], 95, axis=0)
    iris = colours[visible & (distance < tracked) & (distance > 0.4 * tracked)]
    if not len(iris):
        return tracked
    towards = white - np.median(iris, axis=0)
    for radius in np.arange(tracked, 1.8 * tracked, 0.5):
        ring = colours[visible & (np.abs(distance - radius) < 0.75)]
        if not len(ring):
            break
        whiteness = (np.median(ring, axis=0) - white) @ towards / (towards @ towards + 1e-6) + 1
        if whiteness > 0.5:
            return float(radius)
    return tracked


def _extend(patch: Rgb, known: NDArray[np.bool_]) -> Rgb:
    """The patch filled with what is known, smoothly."""
    filled = inpaint(patch, ~known, 3)
    soft = cv2.GaussianBlur(filled, (0, 0), 1.5 * SCALE)
    sure = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 0.8 * SCALE)[..., None]
    return (filled * sure + soft * (1 - sure)).astype(np.uint8)


def _complete_iris(
    patch: Rgb, visible: NDArray[np.bool_], centre: Points, radius: float
) -> tuple[Rgb, Floats]:
    """The whole iris as a square sprite, and its matte; what lids hide is mirrored or averaged."""
    half = round(1.25 * radius)
    offsets = np.arange(-half, half + 1, dtype=np.float32)
    x, y = np.meshgrid(offsets, offsets)
    distance = np.hypot(x, y)
    # past its dark rim the iris goes on as that rim: no white of the eye belongs on the sprite
    inner = np.minimum(1, 0.92 * radius / np.maximum(distance, 1)).astype(np.float32)
    at = (x * inner + np.float32(centre[0]), y * inner + np.float32(centre[1]))
    sprite = cv2.remap(patch, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = cv2.remap(visible.astype(np.uint8) * 255, *at, cv2.INTER_LINEAR) > 200
    full, have = sprite.astype(np.float32), known.copy()
    for flip in (0, 1, -1):
        other, other_known = cv2.flip(full, flip), cv2.flip(known.astype(np.uint8), flip) > 0
        use = ~have & other_known
        full[use] = other[use]
        have |= use
    ring_of = distance.astype(int)
    colour = np.full(3, 20.0)
    for ring in range(ring_of.max() + 1):
        on_ring = ring_of == ring
        if (on_ring & have).any():
            colour = full[on_ring & have].mean(axis=0)
        full[on_ring & ~have] = colour
    matte = 1 - smoothstep(0.92 * radius, 1.04 * radius, distance)
    return rgb(cv2.GaussianBlur(full, (0, 0), 0.6)), matte.astype(np.float32)


def remove_eyeballs(framed: Framed, eyes: tuple[Eye | None, Eye | None]) -> Rgb:
    """The portrait with lid skin where the eyeballs were, so that closing lids show skin."""
    picture = framed.rgb.copy()
    for eye in eyes:
        if eye is None:
            continue
        outline = framed.landmarks[eye.ring, :2] + framed.margin
        area = Patch.around(outline, len(picture), round(0.45 * eye.width))
        if area is not None:
            _fill_with_skin(area.of(picture), area, smooth_loop(outline), eye)
    return picture


def _fill_with_skin(target: Rgb, area: Patch, outline: Points, eye: Eye) -> None:
    """Paints over one eyeball, in place; the lashes of the upper lid stay."""
    opening = (area.mask(outline) > 0.4).astype(np.uint8)
    grow = max(1, round(_RIM * eye.width))
    rim = cv2.dilate(opening, disk(grow)) > 0
    colours = target.astype(np.float32)
    around = ~rim
    skin_colour = np.median(colours[around], axis=0)
    skin = around & ~_likelier(colours, eye.lash_colour, skin_colour)
    eyeball = _likelier(colours, eye.white_colour, skin_colour)
    # under the lower lid there are few lashes: what has the iris' colour there is the iris
    low = np.arange(area.top, area.bottom)[:, None] > outline[:, 1].mean()
    eyeball |= low & _likelier(colours, eye.iris_colour, skin_colour)
    found = ((opening > 0) | (rim & eyeball)).astype(np.float32)
    hole = cv2.dilate(cv2.morphologyEx(found, cv2.MORPH_CLOSE, disk(2)), disk(1))
    blend(target, spread(colours, skin), floats(cv2.GaussianBlur(hole, (0, 0), 0.8)))


def _likelier(colours: Floats, this: Floats, other: Floats) -> NDArray[np.bool_]:
    """Which pixels of `(h, w, 3)` lie on this colour's side of the middle between the two."""
    towards = this - other
    along = (colours - other) @ towards / (towards @ towards + 1e-3)
    nearer: NDArray[np.bool_] = along > 0.45
    return nearer
