"""The networks to measure: files of random weights and the torch modules that they were made of."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engines import random_inputs
from engines.backends import onnxruntime
from engines.drivers import speech_network
from engines.types import ModelSpec
from engines.weights import MODELS, ModelStore

Which = Literal["shipped", "compact", "official"]
"""What comes with Visavis; portraits' networks of a small size too; those of the public
checkpoints' size besides, which take minutes and gigabytes. The last two need torch."""

Run = Callable[..., Sequence[NDArray[Any]]]

_FRAMES = 2
"""Of 10 ms: what the speech network hears at a time in a call."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network, in whatever forms it comes."""

    name: str
    files: Mapping[str, ModelSpec]
    """By precision; empty where it comes in one only."""
    inputs: tuple[NDArray[Any], ...]
    torch: Callable[[int], Run] | None = None
    """The reference on so many threads; `None`: it has none in torch."""

    def takes(self, backend: str) -> bool:
        """Whether the backend is made for such files."""
        names = (spec.member or spec.path.name for spec in self.files.values())
        return all(name.endswith(".tflite") == (backend == "litert") for name in names)


@contextmanager
def made(which: Which, generator: np.random.Generator) -> Iterator[Iterator[Subject]]:
    """The networks one after another, their files in a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="visavis-networks-") as folder:
        yield _subjects(Path(folder), which, generator)


def _subjects(folder: Path, which: Which, generator: np.random.Generator) -> Iterator[Subject]:
    yield from _trackers(generator)
    exportable = all(importlib.util.find_spec(name) is not None for name in ("torch", "onnx"))
    if which == "shipped" or not exportable:
        yield Subject(
            "speech",
            {"": ModelSpec("speech", speech_network.FILE, "")},
            tuple(_heard(generator).values()),
        )
        return
    from benchmarks import network_modules  # noqa: PLC0415  needs torch

    yield network_modules.speech(folder, _heard(generator))
    for sizes in network_modules.sizes(official=which == "official"):
        yield from network_modules.portrait(sizes, folder, generator)


def _trackers(generator: np.random.Generator) -> Iterator[Subject]:
    """What runs for every picture of a camera, to compare with; where the file is here."""
    store = ModelStore()
    if not store.has("face_landmarker"):
        return
    bundle, sha256 = store.path("face_landmarker"), MODELS["face_landmarker"].sha256
    for name, member, shape in (
        ("landmarks", "face_landmarks_detector.tflite", (1, 256, 256, 3)),
        ("blendshapes", "face_blendshapes.tflite", (1, 146, 2)),
    ):
        values = generator.random(shape).astype(np.float32)
        yield Subject(name, {"": ModelSpec(name, bundle, sha256, member)}, (values,))


def _heard(generator: np.random.Generator) -> dict[str, NDArray[Any]]:
    network = onnxruntime.load(ModelSpec("speech", speech_network.FILE, ""))
    shapes = {
        name: tuple(_FRAMES if size < 0 else size for size in shape)
        for name, shape in network.inputs.items()
    }
    network.close()
    return random_inputs.draw(shapes, generator)
