"""The default tracker: pictures go in, the nearest face's landmarks, blendshapes and pose come out.

The networks of MediaPipe's Face Landmarker in a loop of our own: the detector looks for a face only
while none is followed; then each picture's landmarks say where to look in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engines.trackers.attention import Attention
from engines.trackers.detector import detect
from engines.trackers.landmarks import Reading, face, read_landmarks
from engines.trackers.networks import opened
from engines.trackers.regions import Region
from engines.trackers.smoothing import LandmarkFilter
from engines.trackers.steady_clock import SteadyClock
from engines.trackers.still import search
from engines.types import Face, Picture, Weights

_MIN_SIDE = 16  # pixels; nothing smaller can hold a face


class LitertTracker:
    """Follows the nearest face through a stream of pictures. One per session; not thread-safe."""

    def __init__(self, weights: Weights, *, smooth: bool = False) -> None:
        """Loads the networks; raises `ModelUnavailable`.

        `smooth`: filters the landmarks as MediaPipe does. A driver has filters of its own; behind
        this one the avatar's lips were half a frame later and lids and lips slow to close.
        """
        self._networks = opened(weights)
        self._smooth = smooth
        self._filter = LandmarkFilter()
        self.reset()

    def reset(self) -> None:
        """Forgets the face that was followed."""
        self._filter.reset()
        self._attention = Attention()
        self._shape: tuple[int, int] | None = None
        self._clock = SteadyClock()

    def track(self, picture: Picture) -> Face | None:
        """The followed face in this picture; `None`: there is none."""
        now_ns = self._clock.advance(picture.pts_ns)
        if min(picture.shape) < _MIN_SIDE:
            return None
        self._fit(picture.shape)
        reading = self._follow(picture, now_ns) or self._acquire(picture, now_ns)
        if reading is None:
            self._filter.reset()
            return None
        self._attention.seen(Region.of_landmarks(reading.landmarks), now_ns)
        landmarks = reading.landmarks
        if self._smooth:
            landmarks = self._filter(landmarks, now_ns / 1e9)
        found = face(self._networks.blendshapes, picture, landmarks, reading.score)
        return replace(found, picture=picture)

    def find(self, picture: Picture) -> Sequence[Face]:
        """All faces of a still picture, largest first; leaves the tracking state alone."""
        if min(picture.shape) < _MIN_SIDE:
            return []
        whole = Picture(np.ascontiguousarray(picture.rgb), picture.pts_ns, picture.captured_ns)
        return [
            face(self._networks.blendshapes, picture, reading.landmarks, reading.score)
            for reading in search(self._networks.detector, self._networks.mesh, whole)
        ]

    def close(self) -> None:
        """Frees the networks; calling it twice does no harm."""
        self._networks.close()

    def _fit(self, shape: tuple[int, int]) -> None:
        """Follows on where the stream changes to another size; starts anew at another shape."""
        if self._shape and self._shape != shape:
            (height, width), (new_height, new_width) = self._shape, shape
            self._filter.reset()
            if abs(new_height / height - new_width / width) < 0.02:
                self._attention.rescale(new_width / width)
            else:
                self._attention = Attention()
        self._shape = shape

    def _follow(self, picture: Picture, now_ns: int) -> Reading | None:
        attention = self._attention
        if attention.wants_comparison(now_ns):
            before = attention.followed
            attention.compare(detect(self._networks.detector, picture), now_ns)
            if attention.followed is not before:
                self._filter.reset()
        if attention.followed is None:
            return None
        reading = read_landmarks(self._networks.mesh, picture, attention.followed)
        if reading is None:
            attention.lose()
            self._filter.reset()
        return reading

    def _acquire(self, picture: Picture, now_ns: int) -> Reading | None:
        if not self._attention.wants_search(now_ns):
            return None
        for region in self._attention.choose(detect(self._networks.detector, picture), now_ns):
            reading = read_landmarks(self._networks.mesh, picture, region)
            if reading is not None:
                return reading
        return None
