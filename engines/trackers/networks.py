"""The networks of MediaPipe's Face Landmarker: its file goes in, what runs its parts comes out.

The mesh network runs for every picture and takes most of a tracker's time, so it runs as machine
code of its own where that can be made (`engines.backends.llvm`), else as the others do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.backends.litert import load
from engines.errors import EngineError
from engines.types import Examined, ModelSpec, Network, Weights
from engines.weights import MODELS

MODEL = "face_landmarker"
"""The model's name in the store."""
_ALIKE = 0.01  # pixels of the crop: a hundredth of what landmarks tremble by

_log = logging.getLogger(__name__)

_agreeing: set[Path] = set()
"""Files whose machine code was found to do what litert does; looked at once in a process."""


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


class _Specs(NamedTuple):
    detector: ModelSpec
    mesh: ModelSpec
    blendshapes: ModelSpec


def opened(weights: Weights) -> Networks:
    """The three, loaded; raises `ModelUnavailable`."""
    specs = _specs(weights)
    return Networks(load(specs.detector), mesh_network(specs.mesh), load(specs.blendshapes))


def mesh_network(spec: ModelSpec) -> Network:
    """The mesh network by whatever runs it fastest here; takes bytes in either case."""
    found = _compiled(spec)
    if isinstance(found, Examined):
        _log.info("the network %s runs on litert: %s", spec.name, found.trouble)
        return OfBytes(load(spec))
    return found


def examine(weights: Weights) -> Examined:
    """Whether the mesh network runs as machine code, and why not; it is loaded for that.

    Raises `ModelUnavailable`.
    """
    found = _compiled(_specs(weights).mesh)
    if isinstance(found, Examined):
        return found
    found.close()
    return Examined(True, version("llvmlite"), "CPU")


def _specs(weights: Weights) -> _Specs:
    path, sha256 = weights.path(MODEL), MODELS[MODEL].sha256

    def member(
        name: str, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]
    ) -> ModelSpec:
        return ModelSpec(name, path, sha256, f"{name}.tflite", inputs, outputs)

    return _Specs(
        member(
            "face_detector",
            {"input": (1, 128, 128, 3)},
            {"regressors": (1, 896, 16), "classificators": (1, 896, 1)},
        ),
        member(
            "face_landmarks_detector",
            {"input_12": (1, 256, 256, 3)},
            {"Identity": (1, 1, 1, 1434), "Identity_1": (1, 1, 1, 1)},
        ),
        member(
            "face_blendshapes",
            {"serving_default_input_points:0": (1, 146, 2)},
            {"StatefulPartitionedCall:0": (52,)},
        ),
    )


def _compiled(spec: ModelSpec) -> Network | Examined:
    """The network as machine code, or why it is not to be had."""
    try:
        # Not on every machine, and slow to import.
        from engines.backends.llvm import network  # noqa: PLC0415

        compiled = network.load(spec)
    except ImportError:
        return Examined(False, "", "", "llvmlite is not installed", "pip install llvmlite")
    except EngineError as error:
        return Examined(False, version("llvmlite"), "", str(error))
    if spec.path not in _agreeing:
        reference = OfBytes(load(spec))
        apart = _apart(compiled, reference)
        reference.close()
        if not apart <= _ALIKE:
            compiled.close()
            trouble = f"its landmarks are {apart:.3g} pixels from those of litert"
            _log.warning("the network %s is not run as machine code: %s", spec.name, trouble)
            return Examined(
                False, version("llvmlite"), "", trouble, "report it with `visavis doctor`"
            )
        _agreeing.add(spec.path)
    return compiled


def _apart(one: Network, other: Network) -> float:
    """By how much the answers to a made-up picture differ at most."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    pairs = zip(one(picture), other(picture), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


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
