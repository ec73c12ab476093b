"""The people of the built-in avatars that are drawn: colours go in, an RGBA picture comes out.

Flat shapes with soft light, in the manner of a stock illustration, by Skia. Coordinates are pixels
of a picture 1024 wide; faces are symmetric about its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import NDArray

_SIDE = 1024
_MIDDLE = 512.0
_SHRINK = 0.84  # room around the head

Step = tuple[str | float, ...]
"""A letter (`M`ove, `L`ine, `Q`uadratic, `C`ubic, `Z` close) and its coordinates."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn avatar; colours are hexadecimal sRGB."""

    name: str
    description: str
    skin: tuple[str, str, str]
    """Light, middle, dark."""
    shade: str
    """Of shadows and lines on the skin."""
    blush: str
    lips: tuple[str, str, str]
    """Upper, lower, the line between."""
    hair: tuple[str, str, str, str]
    """Dark to light."""
    iris: tuple[str, str, str]
    """Light, middle, dark."""
    cloth: tuple[str, str]
    """Light, dark."""
    backdrop: tuple[str, str]
    bob: bool
    """A bob with a middle parting; else short hair swept aside."""
    jaw: float
    """Pixels that the jaw is wider than the slimmest."""
    nose: float
    """Pixels that the nose is wider than the slimmest."""
    brow: float
    lash: float


DRAWN: dict[str, Drawn] = {
    "ada": Drawn(
        name="Ada",
        description="A drawn young woman with a brown bob, green eyes and a teal top.",
        skin=("f9d2b5", "ecb591", "d28e6c"),
        shade="8a3f2c",
        blush="e8705e",
        lips=("b95450", "d67872", "742c2c"),
        hair=("2b1712", "4a2a1e", "6b4030", "a56a4a"),
        iris=("a8c878", "5c8a4e", "24381f"),
        cloth=("2f7f86", "1f5a62"),
        backdrop=("fdeeda", "eebf98"),
        bob=True,
        jaw=0.0,
        nose=0.0,
        brow=13.0,
        lash=10.0,
    ),
    "sam": Drawn(
        name="Sam",
        description="A drawn young man with brown skin, short black hair and a yellow top.",
        skin=("c4865c", "a86a45", "804a2e"),
        shade="42190c",
        blush="b04a34",
        lips=("7c3c33", "a5655a", "3a1410"),
        hair=("120d0c", "221816", "382824", "5c443a"),
        iris=("9a6a38", "5a3418", "22120a"),
        cloth=("e2a73c", "b67a22"),
        backdrop=("e2eef4", "8fb6c8"),
        bob=False,
        jaw=8.0,
        nose=5.0,
        brow=21.0,
        lash=7.0,
    ),
}


def draw(person: Drawn, size: int = _SIDE) -> NDArray[np.uint8]:
    """`(size, size, 4)` RGBA with straight alpha."""
    surface = skia.Surface(size, size)
    canvas = surface.getCanvas()
    canvas.clear(0)
    canvas.scale(size / _SIDE, size / _SIDE)
    canvas.translate(_MIDDLE, _SIDE)
    canvas.scale(_SHRINK, _SHRINK)
    canvas.translate(-_MIDDLE, -_SIDE)
    brush = _Brush(canvas)
    if person.bob:
        brush.fill(_both(_BOB_BEHIND), _down(120, 790, person.hair[1], person.hair[0]))
    _body(brush, person)
    _ears(brush, person)
    _face(brush, person)
    _nose(brush, person)
    _mouth(brush, person)
    for side in (1.0, -1.0):
        _eye(brush, person, side)
    _hair(brush, person)
    picture = surface.makeImageSnapshot().toarray(colorType=skia.kRGBA_8888_ColorType)
    return np.asarray(picture, np.uint8)


class _Brush:
    """Fills and strokes paths on one canvas."""

    def __init__(self, canvas: skia.Canvas) -> None:
        self.canvas = canvas

    def fill(
        self, path: skia.Path, paint: str | skia.Shader, *, blur: float = 0, alpha: int = 255
    ) -> None:
        self.canvas.drawPath(path, _paint(paint, blur, alpha))

    def line(
        self, path: skia.Path, colour: str, width: float, *, blur: float = 0, alpha: int = 255
    ) -> None:
        paint = _paint(colour, blur, alpha)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def spot(self, box: Sequence[float], colour: str, *, blur: float = 0, alpha: int = 255) -> None:
        """An ellipse in the box left, top, right, bottom."""
        self.canvas.drawOval(skia.Rect(*box), _paint(colour, blur, alpha))

    def within(self, path: skia.Path) -> _Clip:
        """What is drawn in a `with` block stays inside the path."""
        return _Clip(self.canvas, path)


class _Clip:
    def __init__(self, canvas: skia.Canvas, path: skia.Path) -> None:
        self._canvas, self._path = canvas, path

    def __enter__(self) -> None:
        self._canvas.save()
        self._canvas.clipPath(self._path, True)

    def __exit__(self, *_: object) -> None:
        self._canvas.restore()


def _colour(text: str, alpha: int = 255) -> int:
    return int(skia.Color(*bytes.fromhex(text), alpha))


def _paint(paint: str | skia.Shader, blur: float, alpha: int) -> skia.Paint:
    made = skia.Paint(AntiAlias=True)
    if isinstance(paint, str):
        made.setColor(_colour(paint, alpha))
    else:
        made.setShader(paint)
    if blur:
        made.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return made


def _down(top: float, bottom: float, *colours: str) -> skia.Shader:
    """A gradient from top to bottom."""
    ends = [skia.Point(_MIDDLE, top), skia.Point(_MIDDLE, bottom)]
    return skia.GradientShader.MakeLinear(ends, [_colour(colour) for colour in colours])


def _around(x: float, y: float, radius: float, *colours: str) -> skia.Shader:
    """A gradient from a point outwards, the second colour a little past the half."""
    stops = [_colour(colour) for colour in colours]
    return skia.GradientShader.MakeRadial(skia.Point(x, y), radius, stops, [0.0, 0.55, 1.0])


def _path(steps: Sequence[Step], side: float = 0.0) -> skia.Path:
    """A path; with a `side` of ±1 its x are distances from the middle towards that side."""
    path = skia.Path()
    draw = {"M": path.moveTo, "L": path.lineTo, "Q": path.quadTo, "C": path.cubicTo}
    for letter, *numbers in steps:
        if letter == "Z":
            path.close()
            continue
        place = [float(number) for number in numbers]
        if side:
            place[::2] = [_MIDDLE + side * x for x in place[::2]]
        draw[str(letter)](*place)
    return path


def _both(steps: Sequence[Step]) -> skia.Path:
    """Closes an outline of the right half, from the top middle to the bottom one, symmetrically."""
    right = _path(steps)
    flip = skia.Matrix()
    flip.setScale(-1, 1)
    flip.postTranslate(_SIDE, 0)
    left = skia.Path()
    right.transform(flip, left)
    back = skia.Path()
    back.reverseAddPath(left)
    whole = skia.Path(right)
    whole.addPath(back, skia.Path.kExtend_AddPathMode)
    whole.close()
    return whole


_BOB_BEHIND: tuple[Step, ...] = (
    ("M", 512, 128),
    ("C", 720, 120, 800, 260, 796, 430),
    ("C", 794, 560, 812, 640, 782, 736),
    ("C", 740, 790, 660, 790, 600, 770),
    ("L", 512, 770),
)


def _body(brush: _Brush, person: Drawn) -> None:
    cloth, dark = person.cloth
    shoulders = _both((
        ("M", 512, 800), ("L", 590, 800), ("C", 640, 826, 760, 846, 830, 880),
        ("C", 920, 916, 1000, 970, 1010, 1030), ("L", 512, 1030),
    ))  # fmt: skip
    brush.fill(shoulders, _down(800, 1024, cloth, dark))
    for side in (1.0, -1.0):  # seams where the sleeves begin
        seam = _path((("M", 272, 884), ("C", 292, 930, 300, 980, 298, 1030)), side)
        brush.line(seam, dark, 4, blur=0.8, alpha=170)
    neck = _both((
        ("M", 512, 640), ("L", 604, 640), ("C", 604, 740, 604, 780, 622, 818),
        ("C", 590, 868, 545, 884, 512, 886),
    ))  # fmt: skip
    brush.fill(neck, _down(700, 880, person.skin[2], person.skin[1]))
    with brush.within(neck):
        brush.spot((330, 560, 694, 790), person.shade, blur=22, alpha=150)
    collar = _path((("M", 400, 818), ("C", 430, 890, 594, 890, 624, 818)))
    brush.line(collar, dark, 26)
    brush.line(collar, cloth, 17)


def _ears(brush: _Brush, person: Drawn) -> None:
    outline: tuple[Step, ...] = (
        ("M", 230, 452), ("C", 260, 424, 288, 450, 278, 500),
        ("C", 270, 552, 244, 584, 222, 566), ("Z",),
    )  # fmt: skip
    fold: tuple[Step, ...] = (
        ("M", 240, 468), ("C", 264, 462, 266, 500, 256, 524), ("C", 250, 540, 240, 548, 234, 544),
    )  # fmt: skip
    for side in (1.0, -1.0):
        brush.fill(_path(outline, side), _down(440, 580, person.skin[1], person.skin[2]))
        brush.line(_path(fold, side), person.shade, 6, alpha=120)


def _outline(person: Drawn) -> skia.Path:
    j = person.jaw
    return _both((
        ("M", 512, 196), ("C", 660, 196, 746, 300, 748, 430),
        ("C", 750, 540, 728 + j, 620, 668 + j, 690), ("C", 626 + j, 738, 570 + j, 764, 512, 764),
    ))  # fmt: skip


def _face(brush: _Brush, person: Drawn) -> None:
    """The face with its soft modelling: shadow at the sides and under the brows, cheeks, light."""
    outline = _outline(person)
    shade = person.shade
    brush.fill(outline, _around(490, 440, 400, *person.skin))
    with brush.within(outline):
        brush.spot((690, 300, 860, 760), shade, blur=45, alpha=90)
        brush.spot((164, 300, 318, 760), shade, blur=45, alpha=55)
        for x in (372, 652):
            brush.spot((x - 68, 545, x + 68, 640), person.blush, blur=32, alpha=80)
        for x in (404, 620):
            brush.spot((x - 62, 424, x + 62, 474), shade, blur=18, alpha=65)
        brush.spot((420, 250, 590, 350), "ffffff", blur=42, alpha=48)
        brush.spot((468, 712, 556, 750), "ffffff", blur=16, alpha=36)
        brush.spot((456, 694, 568, 712), shade, blur=10, alpha=60)


def _nose(brush: _Brush, person: Drawn) -> None:
    w, shade = person.nose, person.shade
    with brush.within(_outline(person)):
        side_shadow = (
            ("M", 542, 480), ("C", 544, 525, 556, 560, 566, 588),
            ("C", 552, 612, 528, 616, 512, 616), ("L", 512, 480), ("Z",),
        )  # fmt: skip
        brush.fill(_path(side_shadow), shade, blur=14, alpha=60)
        bridge = (
            ("M", 502, 450), ("C", 499, 520, 498, 560, 500, 586), ("L", 520, 586),
            ("C", 521, 540, 521, 490, 517, 450), ("Z",),
        )  # fmt: skip
        brush.fill(_path(bridge), "ffffff", blur=9, alpha=55)
        brush.spot((496, 572, 524, 594), "ffffff", blur=6, alpha=85)
        for side in (1.0, -1.0):
            nostril = (
                ("M", 9 + 0.3 * w, 612), ("C", 19 + 0.5 * w, 602, 30 + w, 603, 34 + w, 611),
                ("C", 26 + w, 616, 16 + 0.4 * w, 618, 9 + 0.3 * w, 612), ("Z",),
            )  # fmt: skip
            brush.fill(_path(nostril, side), shade, blur=1.5, alpha=190)
            wing = (("M", 40 + w, 580), ("C", 52 + w, 592, 52 + w, 608, 40 + w, 614))
            brush.line(_path(wing, side), shade, 4, blur=1.5, alpha=105)
        brush.line(_path((("M", 494, 622), ("Q", 512, 629, 530, 622))), shade, 4, blur=3, alpha=100)


def _mouth(brush: _Brush, person: Drawn) -> None:
    """Closed lips with corners that go up."""
    upper_colour, lower_colour, line = person.lips
    upper = (
        ("M", 436, 668), ("C", 466, 662, 488, 653, 501, 653), ("Q", 512, 658, 523, 653),
        ("C", 536, 653, 558, 662, 588, 668), ("C", 558, 680, 534, 679, 512, 680),
        ("C", 490, 679, 466, 680, 436, 668), ("Z",),
    )  # fmt: skip
    lower = (
        ("M", 440, 670), ("C", 468, 681, 490, 679, 512, 680), ("C", 534, 679, 556, 681, 584, 670),
        ("C", 566, 698, 540, 708, 512, 708), ("C", 484, 708, 458, 698, 440, 670), ("Z",),
    )  # fmt: skip
    brush.fill(_path(lower), _down(676, 710, upper_colour, lower_colour))
    brush.fill(_path(upper), upper_colour)
    brush.spot((484, 688, 540, 699), "ffffff", blur=5, alpha=70)
    middle = (
        ("M", 424, 658), ("C", 440, 676, 488, 679, 512, 680), ("C", 536, 679, 584, 676, 600, 658),
    )  # fmt: skip
    brush.line(_path(middle), line, 4.5, blur=0.8, alpha=210)


def _eye(brush: _Brush, person: Drawn, side: float) -> None:
    eye = _path((
        ("M", 56, 482), ("C", 76, 452, 104, 438, 126, 442), ("C", 150, 446, 166, 462, 172, 476),
        ("C", 156, 500, 132, 510, 110, 508), ("C", 86, 506, 68, 496, 56, 482), ("Z",),
    ), side)  # fmt: skip
    light, middle, dark = person.iris
    x, y, radius = _MIDDLE + side * 112, 474.0, 33.0
    brush.fill(eye, "fbf8f4")
    with brush.within(eye):
        brush.spot((x - radius, y - radius, x + radius, y + radius), dark)
        inner = skia.Path().addCircle(x, y, radius - 3)
        brush.fill(inner, _around(x, y + 14, radius + 4, light, middle, dark))
        brush.spot((x - 14.5, y - 14.5, x + 14.5, y + 14.5), "14100e")
        lid_shadow = (
            ("M", 40, 440), ("L", 190, 430), ("L", 190, 452), ("Q", 112, 440, 40, 476), ("Z",),
        )  # fmt: skip
        brush.fill(_path(lid_shadow, side), "2a1c18", blur=8, alpha=120)
    brush.spot((x - 19, y - 20, x - 3, y - 4), "ffffff", alpha=245)
    brush.spot((x + 8, y + 8, x + 16, y + 16), "ffffff", alpha=150)
    long = person.lash > 8
    end = ("C", 150, 445, 168, 462, 181 if long else 175, 469 if long else 474)
    upper_lid = (("M", 56, 482), ("C", 76, 451, 104, 437, 126, 441), end)
    brush.line(_path(upper_lid, side), "1a100d", person.lash)
    lower_lid = (("M", 64, 490), ("C", 84, 506, 112, 513, 140, 506), ("Q", 160, 498, 171, 479))
    brush.line(_path(lower_lid, side), person.shade, 4, blur=0.8, alpha=150)
    crease = (("M", 66, 450), ("C", 88, 424, 130, 418, 172, 450))
    brush.line(_path(crease, side), person.shade, 5, blur=1.5, alpha=130)
    b = person.brow
    brow = (
        ("M", 54, 396 - 0.35 * b), ("C", 84, 384 - 0.4 * b, 134, 374 - 0.4 * b, 184, 412),
        ("C", 140, 390, 92, 394 + 0.2 * b, 56, 398 + 0.5 * b), ("Z",),
    )  # fmt: skip
    brush.fill(_path(brow, side), person.hair[0], blur=1.2)


def _hair(brush: _Brush, person: Drawn) -> None:
    shape = _path(_BOB_FRONT if person.bob else _SHORT_FRONT)
    dark, middle, light, shine = person.hair
    with brush.within(_outline(person)):  # a shadow on the brow, none on the background
        brush.fill(shape, person.shade, blur=14, alpha=90)
    ends = [skia.Point(400, 120), skia.Point(620, 460)]
    colours = [_colour(colour) for colour in (light, middle, dark)]
    brush.fill(shape, skia.GradientShader.MakeLinear(ends, colours))
    with brush.within(shape):
        rng = np.random.default_rng(1)
        for t in np.linspace(0.0, 1.0, 50):
            sway, width = 7.0 * rng.normal(), rng.uniform(2, 6)
            colour, alpha = (shine, dark)[int(rng.integers(2))], int(rng.uniform(25, 80))
            for steps in _strands(person.bob, float(t), float(sway)):
                brush.line(_path(steps), colour, width, blur=1.2, alpha=alpha)
        if person.bob:
            right = (("M", 560, 180), ("C", 660, 200, 740, 280, 764, 380))
            left = (("M", 420, 190), ("C", 340, 230, 290, 290, 264, 380))
            brush.line(_path(right), shine, 34, blur=16, alpha=110)
            brush.line(_path(left), shine, 26, blur=16, alpha=90)
        else:
            arc = (("M", 330, 270), ("C", 400, 170, 540, 130, 690, 190))
            brush.line(_path(arc), shine, 26, blur=18, alpha=90)


def _strands(bob: bool, t: float, sway: float) -> list[Sequence[Step]]:
    if not bob:
        x = 360 + 340 * t
        return [(("M", x - 60, 300 + sway),
                 ("C", x - 70, 230 + sway, x - 30, 160 + sway, x + 60, 110 + sway))]  # fmt: skip
    top = 232 - 100 * t
    return [
        (("M", 470 + 8 * t, top + 0.2 * sway),
         ("C", 560 + 70 * t, 330 - 140 * t + sway, 735 + 60 * t, 380 - 60 * t + sway,
          745 + 50 * t, 720)),
        (("M", 470 - 4 * t, top),
         ("C", 400 - 60 * t, 310 - 150 * t + sway, 292 - 66 * t, 380 - 50 * t + sway,
          280 - 50 * t, 720)),
    ]  # fmt: skip


_BOB_FRONT: tuple[Step, ...] = (
    ("M", 470, 236),
    ("C", 430, 300, 330, 330, 296, 470),
    ("C", 286, 560, 300, 640, 268, 730),
    ("C", 214, 700, 216, 560, 222, 450),
    ("C", 222, 240, 340, 116, 512, 116),
    ("C", 690, 116, 806, 240, 806, 450),
    ("C", 812, 560, 812, 690, 760, 736),
    ("C", 724, 650, 742, 560, 734, 480),
    ("C", 716, 360, 560, 330, 470, 236),
    ("Z",),
)
_SHORT_FRONT: tuple[Step, ...] = (
    ("M", 288, 452),
    ("C", 258, 400, 256, 300, 290, 240),
    ("C", 300, 150, 420, 92, 540, 100),
    ("C", 660, 96, 748, 160, 764, 270),
    ("C", 776, 340, 766, 410, 738, 452),
    ("C", 734, 410, 736, 370, 722, 334),
    ("C", 690, 300, 680, 280, 672, 262),
    ("C", 600, 300, 440, 306, 380, 262),
    ("C", 350, 290, 306, 330, 302, 372),
    ("Q", 300, 410, 288, 452),
    ("Z",),
)
