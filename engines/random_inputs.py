"""Random inputs for networks, by the inputs' names: shapes and a generator in, arrays out.

They lie where a network's real inputs lie, so that errors found on them mean something: pictures
are smooth with a little grain, keypoints are those of a source and of the same head moved a little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats

Shape = tuple[int, ...]
Arrays = dict[str, NDArray[Any]]

_FRAMES = 5
"""Where a network takes any number of frames."""


def draw(shapes: Mapping[str, Shape], generator: np.random.Generator) -> Arrays:
    """One random array per input; raises `KeyError` for a name that is not known."""
    sizes = {
        name: tuple(_FRAMES if size < 0 else size for size in shape)
        for name, shape in shapes.items()
    }
    drawn: Arrays = {
        name: _ranges(name)(shape, generator).astype(np.float32) for name, shape in sizes.items()
    }
    if "keypoints" in drawn and "source_keypoints" in drawn:
        drawn["keypoints"] = drawn["source_keypoints"] + np.float32(0.1) * drawn["keypoints"]
    return drawn


def _ranges(name: str) -> Callable[[Shape, np.random.Generator], Floats]:
    if name.startswith("state_"):
        return _states
    return _BY_NAME[name]


def _picture(shape: Shape, generator: np.random.Generator) -> Floats:
    """`(1, 3, h, w)`, 0…1."""
    _, channels, height, width = shape
    coarse = generator.random((8, 8, channels)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = generator.normal(0, 0.03, (height, width, channels))
    return np.clip(smooth + grain, 0, 1).transpose(2, 0, 1)[None].astype(np.float32)


def _volume(shape: Shape, generator: np.random.Generator) -> Floats:
    return generator.normal(0, 1, shape).astype(np.float32)


def _rectified(shape: Shape, generator: np.random.Generator) -> Floats:
    return np.maximum(_volume(shape, generator), 0)


def _keypoints(shape: Shape, generator: np.random.Generator) -> Floats:
    return generator.normal(0, 0.3, shape).astype(np.float32)


def _share(shape: Shape, generator: np.random.Generator) -> Floats:
    return generator.random(shape).astype(np.float32)


def _ratios(shape: Shape, generator: np.random.Generator) -> Floats:
    """Openness of lids or lips, by their width."""
    return generator.uniform(0, 0.6, shape).astype(np.float32)


def _mel(shape: Shape, generator: np.random.Generator) -> Floats:
    """Log-mel frames from silence to a loud voice."""
    return generator.uniform(-8, 2, shape).astype(np.float32)


def _states(shape: Shape, generator: np.random.Generator) -> Floats:
    return generator.normal(0, 0.3, shape).astype(np.float32)


_BY_NAME: Mapping[str, Callable[[Shape, np.random.Generator], Floats]] = {
    "picture": _picture,
    "volume": _volume,
    "compressed": _rectified,
    "keypoints": _keypoints,
    "source_keypoints": _keypoints,
    "stitching": _share,
    "ratios": _ratios,
    "mel": _mel,
    "warped": _picture,
    "resting": _picture,
    "features": _volume,
}
