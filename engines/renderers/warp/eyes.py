"""Eyes: cut out of the portrait once as sclera and iris, drawn between the moved lids.

Each eye is kept as a patch of twice the frame's resolution, its x axis along the eye.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, smoothstep
from engines.face_mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from engines.renderers.warp.deform import Moved
from engines.renderers.warp.drawing import (
    Patch,
    blend,
    disk,
    floats,
    inpaint,
    rgb,
    smooth_line,
    smooth_loop,
    spread,
)
from engines.renderers.warp.framing import Framed
from engines.types import Floats, Rgb

_SCALE = 2.0  # patch pixels per frame pixel
_WIDE, _HIGH = 1.5, 1.1  # of the patch, in eye widths
_BEYOND = 0.045  # eye widths that the eyeball is drawn beyond the lids: their edges are on it
_FARTHEST_BELOW = 0.18
_RIM = 0.14  # eye widths around the opening that the eyeball may reach beyond it
_NARROWEST_OPENING = 0.05  # of the squared eye width: below, the portrait's eye is shut
_LASH_FROM = 0.5  # openness below which the closing lid shows its lash line
# The driver's landmarks see less of a gaze than the iris does: measured by tracking the output.
_GAZE_GAIN = 1.25

# ring, iris, the corner on the picture's left, the one on its right
_ANATOMY = (
    (RIGHT_EYE, RIGHT_IRIS, 33, 133),
    (LEFT_EYE, LEFT_IRIS, 362, 263),
)
_LOWER = slice(1, 8)
_UPPER = [0, 15, 14, 13, 12, 11, 10, 9, 8]


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
    iris: Rgb
    iris_matte: Floats
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
    shape = np.ceil(np.array([_WIDE, _HIGH]) * width * _SCALE).astype(int)

    def to_patch(points: Points) -> Points:
        moved: Points = (points - middle) @ axes.T * _SCALE + shape / 2
        return moved

    matrix = np.column_stack([axes.T / _SCALE, middle - axes.T @ (shape / 2) / _SCALE])
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
    pixels = width * _SCALE
    tracked = to_patch(landmarks[ring])
    if (whole.mask(smooth_loop(tracked)) > 0.5).sum() < _NARROWEST_OPENING * pixels**2:
        return None
    below = _reach_below(patch, tracked, whole.mask(smooth_loop(tracked)) > 0.5, pixels)
    tracked[_LOWER, 1] += below * pixels
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
    soft = cv2.GaussianBlur(gone, (0, 0), 0.5 * _SCALE)[..., None]
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
        sprite,
        matte,
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
    rows = np.clip(np.rint(ring[_LOWER, 1:] + steps).astype(int), 0, len(patch) - 1)
    columns = np.clip(np.rint(ring[_LOWER, :1]).astype(int), 0, patch.shape[1] - 1)
    run = np.cumprod(eyeball[rows, columns], axis=1).sum(axis=1) / pixels
    run = np.convolve(np.pad(run, 1), [0.25, 0.5, 0.25], "valid")
    return np.maximum(run, _BEYOND)


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
    soft = cv2.GaussianBlur(filled, (0, 0), 1.5 * _SCALE)
    sure = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 0.8 * _SCALE)[..., None]
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


def draw_eyes(picture: Rgb, eyes: tuple[Eye | None, Eye | None], moved: Moved) -> None:
    """Draws both eyes into the warped picture in place."""
    for number, eye in enumerate(eyes):
        if eye is None:
            continue
        openness = float(moved.openness[number])
        if openness < _LASH_FROM:
            _draw_lash_line(picture, eye, moved, openness)
        if openness > 0.04:
            _draw_eyeball(picture, eye, moved, number)


def _draw_lash_line(picture: Rgb, eye: Eye, moved: Moved, openness: float) -> None:
    lid = smooth_line(moved.face[eye.ring[_UPPER], :2])
    area = Patch.around(lid, len(picture), 4)
    if area is None:
        return
    strength = 0.75 * (1 - openness / _LASH_FROM)
    thickness = max(1, round(0.045 * eye.width * moved.scale))
    mask = area.stroke(lid, thickness) * strength
    target = area.of(picture)
    blend(target, np.broadcast_to(eye.lash_colour, target.shape), mask)


def _draw_eyeball(picture: Rgb, eye: Eye, moved: Moved, number: int) -> None:
    openness, gaze = float(moved.openness[number]), moved.gaze[number]
    left, right = (moved.face[corner, :2] for corner in eye.corners)
    along = right - left
    width = float(np.linalg.norm(along)) + 1e-6
    along = along / width
    down = np.array([-along[1], along[0]])
    lids = moved.face[eye.ring, :2]
    beyond = _beyond_lids(lids, eye, moved, openness, down)
    outline = smooth_loop(beyond)
    area = Patch.around(outline, len(picture), 2)
    if area is None:
        return
    mask = area.mask(outline)
    # frame → patch, an affine map: the eye's own axes, its present width, the head's scale
    zoom = np.array([_SCALE * eye.width / width, _SCALE / moved.scale])
    axes = np.stack([along, down]) * zoom[:, None]
    origin = np.array(eye.patch_size) / 2 - axes @ ((left + right) / 2 - area.corner)
    layer = _sample(eye.resting, axes, origin, area)
    widened = float(smoothstep(1.0, 1.15, openness))
    if widened > 0:
        layer += (_sample(eye.white, axes, origin, area) - layer) * widened
    # The iris lies nearer than the corners' line, so a turning head carries it by itself; from
    # there it looks aside.
    aside = _GAZE_GAIN * eye.width * moved.scale * (gaze @ np.stack([along, down]))
    to_iris = len(eye.iris) // 2 - axes @ (moved.irises[number] + aside - area.corner)
    over = _sample(eye.iris_matte, axes, to_iris, area, cv2.BORDER_CONSTANT)
    lids[_LOWER] = beyond[_LOWER]
    over *= area.mask(smooth_loop(lids))
    layer += (_sample(eye.iris, axes, to_iris, area) - layer) * over[..., None]
    layer *= _lid_shadow(mask, width, openness)[..., None]
    blend(area.of(picture), layer, mask)


def _beyond_lids(lids: Points, eye: Eye, moved: Moved, openness: float, down: Points) -> Points:
    """An outline a little larger than the opening: the patch has the lids' own edges on it."""
    ring = lids.copy()
    width = eye.width * moved.scale
    at_rest = smoothstep(0.75, 1.0, openness) * (1 - smoothstep(1.0, 1.15, openness))
    ring[_LOWER] += eye.below[:, None] * down * (width * min(1.0, 2 * openness))
    ring[9:16] -= _BEYOND * down * (width * at_rest)
    return ring


def _sample(
    image: NDArray[np.uint8] | Floats,
    axes: Points,
    origin: Points,
    area: Patch,
    border: int = cv2.BORDER_REPLICATE,
) -> Floats:
    return floats(
        cv2.warpAffine(
            image,
            np.column_stack([axes, origin]),
            area.width_height,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
    )


def _lid_shadow(mask: Floats, width: float, openness: float) -> Floats:
    """`(h, w)` factor: darker under the upper lid, the more it moves from rest."""
    reach = max(2.0, 0.10 * width)
    below = cv2.GaussianBlur(mask, (0, 0), 0.5 * reach)
    drop = round(0.45 * reach)
    below = cv2.copyMakeBorder(below[: len(below) - drop], drop, 0, 0, 0, cv2.BORDER_CONSTANT)
    depth = 0.38 * min(1.0, 2.5 * abs(1 - openness))
    shadow: Floats = 1 - depth + depth * np.minimum(below * 1.4, 1)
    return shadow
