"""What a neural portrait's pictures are made from: a canvas and its networks in, features out."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.face_crop import lip_ratio
from engines.face_geometry import Points, face_width
from engines.implicit_keypoints import Reading, as_input, read
from engines.portrait_networks import PortraitNetworks
from engines.renderers.portrait.canvas import Canvas, Paste
from engines.types import Backdrop, Network

_PARTED = 0.03
"""Lips of a portrait that are further apart, in widths of the mouth, are closed at rest: speech
begins and ends with a shut mouth."""
_KEPT_BACKDROPS = 4


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PortraitFeatures:
    """Read-only, but for the memory of backgrounds."""

    canvas: Canvas
    source: Reading
    lips: Points
    """`(n, 3)` what closes the portrait's lips; 0 where they are closed."""
    face_width: float
    """In halves of the network's picture."""
    frame: Network
    """Bound to this portrait; takes keypoints and gives the picture."""
    paste: Paste
    backdrop: Backdrop
    """What stands behind the person now."""
    backdrops: Backdrops


class Backdrops:
    """The same portrait before other backgrounds; each costs a look of the appearance network."""

    def __init__(self) -> None:
        """None yet."""
        self._known: OrderedDict[Backdrop, PortraitFeatures] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, backdrop: Backdrop, make: Callable[[], PortraitFeatures]) -> PortraitFeatures:
        """What is known, or what `make` makes; the few that were used last are kept."""
        with self._lock:  # who asks for the same at the same time waits for the same
            if backdrop not in self._known:
                self._known[backdrop] = make()
                while len(self._known) > _KEPT_BACKDROPS:
                    self._known.popitem(last=False)
            self._known.move_to_end(backdrop)
            return self._known[backdrop]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes features with one set of networks."""

    networks: PortraitNetworks

    def features(self, canvas: Canvas, size: int) -> PortraitFeatures:
        """A portrait as it is."""
        source = self._read(canvas)
        lips = self._lips(canvas, source)
        return self._bound(canvas, size, source, lips, Backdrop(), Backdrops())

    def before(self, features: PortraitFeatures, backdrop: Backdrop) -> PortraitFeatures:
        """The same portrait before another background."""

        def make() -> PortraitFeatures:
            # The face is the same, so its keypoints are; what is behind it is part of the volume.
            return self._bound(
                features.canvas,
                features.paste.size,
                features.source,
                features.lips,
                backdrop,
                features.backdrops,
            )

        return features.backdrops.get(backdrop, make)

    def _read(self, canvas: Canvas) -> Reading:
        network = self.networks.open("motion")
        return read(network, canvas.crop.cut(canvas.framed.rgb, _side(network)))

    def _lips(self, canvas: Canvas, source: Reading) -> Points:
        parted = lip_ratio(canvas.landmarks)
        if parted < _PARTED:
            return np.zeros_like(source.keypoints)
        points = source.placed()[None].astype(np.float32)
        (offsets,) = self.networks.open("lips")(points, np.array([[parted, 0.0]], np.float32))
        return np.asarray(offsets[0], np.float64)

    def _bound(
        self,
        canvas: Canvas,
        size: int,
        source: Reading,
        lips: Points,
        backdrop: Backdrop,
        backdrops: Backdrops,
    ) -> PortraitFeatures:
        picture = canvas.before(backdrop)
        look = self.networks.open("appearance")
        seen = as_input(canvas.crop.cut(picture, _side(look)))
        told = dict(zip(look.outputs, look(seen), strict=True))
        frame = self.networks.open("frame").bind(
            volume=told["volume"],
            compressed=told["compressed"],
            source_keypoints=source.placed()[None].astype(np.float32),
            stitching=np.ones((1, 1), np.float32),
        )
        features = PortraitFeatures(
            canvas,
            source,
            lips,
            face_width(canvas.landmarks) / canvas.crop.half,
            frame,
            Paste.of(canvas, picture, size, self.networks.models.size),
            backdrop,
            backdrops,
        )
        # Nobody says when an avatar is shown no more: the device's memory goes with the features.
        weakref.finalize(features, frame.close).atexit = False
        return features


def _side(network: Network) -> int:
    """Pixels a side of the picture that a network takes."""
    return next(iter(network.inputs.values()))[-1]
