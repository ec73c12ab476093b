"""The networks of MediaPipe's Face Landmarker: its file goes in, what runs its parts comes out.

The mesh network runs for every picture and takes most of a tracker's time, so it runs as machine
code of its own where that can be made (`engines.backends.llvm`), else as the others do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.backends.litert import load
from engines.errors import EngineError
from engines.types import ModelSpec, Network, Weights
from engines.weights import MODELS

_MODEL = "face_landmarker"

_log = logging.getLogger(__name__)


class Networks(NamedTuple):
    """One tracker's; not thread-safe."""

    detector: Network
    """`(1, 128, 128, 3)` −1…1 → boxes with keypoints `(1, 896, 16)`, scores `(1, 896, 1)`."""
    mesh: Network
    """`(1, 256, 256, 3)` bytes → landmarks `(1, 1, 1, 1434)`, presence `(1, 1, 1, 1)`."""
    blendshapes: Network
    """`(1, 146, 2)` landmarks → `(52,)`."""

    def close(self) -> None:
        """Frees them; calling it twice does no harm."""
        for network in self:
            network.close()


def opened(weights: Weights) -> Networks:
    """The three, loaded; raises `ModelUnavailable`."""
    path, sha256 = weights.path(_MODEL), MODELS[_MODEL].sha256

    def member(
        name: str, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]
    ) -> ModelSpec:
        return ModelSpec(name, path, sha256, f"{name}.tflite", inputs, outputs)

    return Networks(
        load(
            member(
                "face_detector",
                {"input": (1, 128, 128, 3)},
                {"regressors": (1, 896, 16), "classificators": (1, 896, 1)},
            )
        ),
        mesh_network(
            member(
                "face_landmarks_detector",
                {"input_12": (1, 256, 256, 3)},
                {"Identity": (1, 1, 1, 1434), "Identity_1": (1, 1, 1, 1)},
            )
        ),
        load(
            member(
                "face_blendshapes",
                {"serving_default_input_points:0": (1, 146, 2)},
                {"StatefulPartitionedCall:0": (52,)},
            )
        ),
    )


def mesh_network(spec: ModelSpec) -> Network:
    """The mesh network by whatever runs it fastest here; takes bytes in either case."""
    try:
        # Not on every platform, and slow to import.
        from engines.backends import llvm  # noqa: PLC0415

        return llvm.load(spec)
    except (ImportError, EngineError) as error:
        _log.info("the network %s runs on litert; llvm passed over: %s", spec.name, error)
    return OfBytes(load(spec))


class OfBytes:
    """A network of one input 0…1 that is given as bytes 0…255."""

    def __init__(self, network: Network) -> None:
        """Owns the network."""
        self._network = network
        self.inputs, self.outputs = network.inputs, network.outputs
        self.bind: Callable[..., Network] = network.bind

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """As the network."""
        (pixels,) = inputs
        return self._network(np.multiply(pixels, np.float32(1 / 255), dtype=np.float32))

    def close(self) -> None:
        """Frees the network."""
        self._network.close()
