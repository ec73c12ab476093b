"""What happens to a video on its way: named, seeded, composable.

An attack is `(Video, Generator) -> Video`. It is given the whole stream, of which only the end is
looked at, so that encoders are warm: a window of two seconds begins at no keyframe. Whoever detects
is told nothing of what was done.

Sizes are rounded to even numbers, as encoders want them. Brightness is an offset in ±20 % of the
range, contrast a gain of ±20 % about the middle, both with clipping. A crop keeps 70 % of width and
of height, 49 % of the pixels, from a random place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from benchmarks.mark_codecs import Codec, Video, call, film
from engines.types import Rgb

Attack = Callable[[Video, np.random.Generator], Video]

RECODED_BITRATE = 300_000
_CROPPED = 0.7
_DESKTOP = (1024, 640)
_CAPTURE_RATES = (20.0, 25.0, 50.0)
_CAPTURE_BITRATE = 2_500_000
"""What screen recorders use for such a desktop."""


def one_after_the_other(*attacks: Attack) -> Attack:
    """All of them, in order."""

    def chain(video: Video, generator: np.random.Generator) -> Video:
        for attack in attacks:
            video = attack(video, generator)
        return video

    return chain


def nothing(video: Video, generator: np.random.Generator) -> Video:
    """As it came."""
    del generator
    return video


def scaled(factor: float) -> Attack:
    """Another size, by the interpolation that editors use for it."""

    def scale(video: Video, generator: np.random.Generator) -> Video:
        del generator
        height, width = video.pictures[0].shape[:2]
        size = _even(width * factor), _even(height * factor)
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return _each(video, lambda rgb: cv2.resize(rgb, size, interpolation=way))

    return scale


def cropped(video: Video, generator: np.random.Generator) -> Video:
    """The same random part of every picture."""
    height, width = video.pictures[0].shape[:2]
    high, wide = _even(height * _CROPPED), _even(width * _CROPPED)
    top, left = generator.integers(height - high + 1), generator.integers(width - wide + 1)
    return _each(video, lambda rgb: rgb[top : top + high, left : left + wide])


def mirrored(video: Video, generator: np.random.Generator) -> Video:
    """Left is right."""
    del generator
    return _each(video, lambda rgb: cv2.flip(rgb, 1))


def toned(*, brightness: float = 0.0, contrast: float = 0.0) -> Attack:
    """An offset in shares of the range, a gain of 1 + `contrast` about the middle."""
    gain = 1.0 + contrast
    levels = (np.arange(256) - 127.5) * gain + 127.5 + 255 * brightness
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)

    def tone(video: Video, generator: np.random.Generator) -> Video:
        del generator
        return _each(video, lambda rgb: cv2.LUT(rgb, table))

    return tone


def recoded(codec: Codec, bitrate: int = RECODED_BITRATE) -> Attack:
    """Through another call."""

    def recode(video: Video, generator: np.random.Generator) -> Video:
        del generator
        return call(video, codec, bitrate).video

    return recode


def filmed(bitrate: int = RECODED_BITRATE) -> Attack:
    """Uploaded: x264 `medium` with B-pictures."""

    def film_it(video: Video, generator: np.random.Generator) -> Video:
        del generator
        return film(video, bitrate).video

    return film_it


def captured(*, cut: bool) -> Attack:
    """Shown in a window of a desktop at an odd size and place, recorded at another rate, in H.264.

    The scale is 0.7 … 1.2, in height up to 1 % off that in width, the place has parts of a pixel.
    `cut`: the recording is then cut to the window, with up to a tenth of its size left around it.
    """

    def capture(video: Video, generator: np.random.Generator) -> Video:
        height, width = video.pictures[0].shape[:2]
        wide, high = _DESKTOP
        across = generator.uniform(0.7, 1.2) * min(1.0, 512 / max(width, height))
        down = across * generator.uniform(0.99, 1.01)
        left = generator.uniform(4, wide - width * across - 4)
        top = generator.uniform(4, high - height * down - 4)
        # Centres of pixels lie at halves.
        place = np.array(
            [
                [across, 0, left + (across - 1) / 2],
                [0, down, top + (down - 1) / 2],
            ]
        )
        desktop = _desktop(generator)

        def show(rgb: Rgb) -> Rgb:
            shown = desktop.copy()
            border = cv2.BORDER_TRANSPARENT
            cv2.warpAffine(rgb, place, _DESKTOP, shown, cv2.INTER_LINEAR, border)
            return shown

        rate = float(generator.choice(_CAPTURE_RATES))
        phase = generator.uniform()
        shown = _each(video, show)
        recording = film(_at_rate(shown, rate, phase), _CAPTURE_BITRATE, "veryfast").video
        if not cut:
            return recording
        margin = generator.uniform(0, 0.1, 4) * np.array([width * across, height * down] * 2)
        x0, y0 = np.maximum(0, np.floor((left, top) - margin[:2])).astype(int)
        x1 = min(wide, int(left + width * across + margin[2]))
        y1 = min(high, int(top + height * down + margin[3]))
        return _each(recording, lambda rgb: rgb[y0:y1, x0:x1])

    return capture


def attacks(codec: Codec) -> dict[str, Attack]:
    """All of the benchmark's, by name; `codec`: what the call before them was coded with."""
    again = recoded(codec.other)
    return {
        "none": nothing,
        "scale 0.5": scaled(0.5),
        "scale 0.75": scaled(0.75),
        "scale 1.25": scaled(1.25),
        "scale 1.5": scaled(1.5),
        "crop 70 %": cropped,
        "mirror": mirrored,
        "darker": toned(brightness=-0.2),
        "brighter": toned(brightness=0.2),
        "less contrast": toned(contrast=-0.2),
        "more contrast": toned(contrast=0.2),
        "re-encoded 300": again,
        "ffmpeg 300": filmed(),
        "crop, scale 0.75, ffmpeg 300": one_after_the_other(cropped, scaled(0.75), filmed()),
        "mirror, scale 1.25, re-encoded 300": one_after_the_other(mirrored, scaled(1.25), again),
        "scale 0.5, re-encoded 300": one_after_the_other(scaled(0.5), again),
        "crop, more contrast, mirror": one_after_the_other(cropped, toned(contrast=0.2), mirrored),
        "screen capture, cut": captured(cut=True),
        "screen capture": captured(cut=False),
    }


def _each(video: Video, change: Callable[[Rgb], object]) -> Video:
    pictures = [np.ascontiguousarray(change(rgb), np.uint8) for rgb in video.pictures]
    return replace(video, pictures=pictures)


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)


def _at_rate(video: Video, rate: float, phase: float) -> Video:
    """What a recorder of that rate takes: some pictures twice, or some not at all."""
    count = int(video.seconds * rate)
    shown = ((np.arange(count) + phase) * video.rate / rate).astype(int)
    last = len(video.pictures) - 1
    return Video([video.pictures[min(number, last)] for number in shown], rate)


def _desktop(generator: np.random.Generator) -> Rgb:
    """A background that fades, and a window with lines of something like text."""
    wide, high = _DESKTOP
    corners = generator.integers(20, 200, (2, 2, 3)).astype(np.float32)
    picture = cv2.resize(corners, _DESKTOP, interpolation=cv2.INTER_LINEAR)
    picture[: high // 24] = 235
    left, top = generator.integers(0, wide // 2), generator.integers(high // 12, high // 3)
    page = picture[top : top + high // 2, left : left + wide // 2]
    page[:] = 250
    for row in range(8, page.shape[0] - 12, 16):
        letters = generator.integers(0, 2, page.shape[1] // 4).repeat(4)
        letters[generator.integers(len(letters)) :] = 0
        page[row : row + 8, : len(letters)] -= 200.0 * letters[None, :, None]
    return np.clip(picture, 0, 255).astype(np.uint8)
