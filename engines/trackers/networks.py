"""The networks of MediaPipe's Face Landmarker: its file goes in, what runs its parts comes out.

Two of them run for every picture and take most of a tracker's time, so they run as machine code of
their own where that can be made (`engines.backends.llvm`), else as the detector does.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

_log = logging.getLogger(__name__)

_agreeing: set[tuple[Path, str]] = set()
"""Networks whose machine code was found to do what litert does; looked at once in a process."""


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


@dataclass(frozen=True)
class _Compiled:
    """How a network is run as machine code, and how that is tried."""

    module: str
    """Of `engines.backends.llvm`; its `load` makes the network."""
    plain: Callable[[ModelSpec], Network]
    """The same network on litert."""
    sample: Callable[[], NDArray[Any]]
    """Something made up for both to look at."""
    alike: float
    """By how much their answers may differ."""


def _points() -> NDArray[Any]:
    return np.random.default_rng(0).uniform(0, 256, (1, 146, 2)).astype(np.float32)


def _noise() -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)


# In pixels of the crop: a tenth of what a camera's noise moves landmarks by. Blendshapes are 0…1.
_MESH = _Compiled("network", lambda spec: OfBytes(load(spec)), _noise, 0.01)
_BLENDSHAPES = _Compiled("mixer_network", load, _points, 1e-3)


def opened(weights: Weights) -> Networks:
    """The three, loaded; raises `ModelUnavailable`."""
    specs = _specs(weights)
    return Networks(
        load(specs.detector), mesh_network(specs.mesh), blendshapes_network(specs.blendshapes)
    )


def mesh_network(spec: ModelSpec) -> Network:
    """The mesh network by whatever runs it fastest here; takes bytes in either case."""
    return _fastest(spec, _MESH)


def blendshapes_network(spec: ModelSpec) -> Network:
    """The blendshapes' network by whatever runs it fastest here."""
    return _fastest(spec, _BLENDSHAPES)


def examine(weights: Weights) -> Examined:
    """Whether these two run as machine code, and why not; they are loaded for that.

    Raises `ModelUnavailable`.
    """
    specs = _specs(weights)
    for spec, way in ((specs.mesh, _MESH), (specs.blendshapes, _BLENDSHAPES)):
        found = _compiled(spec, way)
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


def _fastest(spec: ModelSpec, way: _Compiled) -> Network:
    found = _compiled(spec, way)
    if isinstance(found, Examined):
        _log.info("the network %s runs on litert: %s", spec.name, found.trouble)
        return way.plain(spec)
    return found


def _compiled(spec: ModelSpec, way: _Compiled) -> Network | Examined:
    """The network as machine code, or why it is not to be had."""
    try:
        # Not on every machine, and slow to import.
        module = importlib.import_module(f"engines.backends.llvm.{way.module}")
        network: Network = module.load(spec)
    except ImportError:
        return Examined(False, "", "", "llvmlite is not installed", "pip install llvmlite")
    except EngineError as error:
        return Examined(False, version("llvmlite"), "", str(error))
    known = spec.path, spec.member
    if known not in _agreeing:
        reference = way.plain(spec)
        apart = _apart(network, reference, way.sample())
        reference.close()
        if not apart <= way.alike:
            network.close()
            trouble = f"its answers are {apart:.3g} from those of litert"
            _log.warning("the network %s is not run as machine code: %s", spec.name, trouble)
            return Examined(False, version("llvmlite"), "", trouble, "report it: visavis doctor")
        _agreeing.add(known)
    return network


def _apart(one: Network, other: Network, sample: NDArray[Any]) -> float:
    """By how much their answers differ at most."""
    pairs = zip(one(sample), other(sample), strict=True)
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
