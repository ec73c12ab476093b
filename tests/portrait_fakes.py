"""A neural portrait's set without a network: small numpy functions that can be followed.

The motion network reads what the test says; the frame network carries the portrait's picture along
by the similarity between keypoints at rest and moved, so that what comes out can be looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import implicit_map, model_card
from engines.backends.bound import BoundNetwork
from engines.backends.choice import Chosen
from engines.backends.signature import Port
from engines.errors import DeviceFull, DeviceLost
from engines.face_mesh import CANONICAL
from engines.implicit_map import FEATURES, ImplicitMap
from engines.model_card import Card, Error, File, Precision
from engines.portrait_models import SIGNATURES, PortraitModels
from engines.portrait_networks import PortraitNetworks
from engines.types import ModelSpec, Network

INPUT, SIZE, POINTS = 64, 128, 21
PARTS = np.array(
    [1, 10, 152, 234, 454, 33, 133, 362, 263, 61, 291, 13, 14, 70, 300, 50, 280, 4, 168, 199, 0]
)
"""Of the face mesh: what the fake's keypoints are."""
KEYPOINTS = (CANONICAL[PARTS] - CANONICAL.mean(axis=0)) * (1.0, -1.0, -1.0) / 30.0
"""`(21, 3)` the canonical face in the network's axes."""

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[Arrays], Arrays]

_VOLUME = (1, 3, 1, INPUT, INPUT)
_SHAPES: Mapping[str, tuple[int, ...]] = {
    "volume": _VOLUME,
    "compressed": (1, 1, 1, 1, 1),
    "angles": (1, 3),
    "translation": (1, 3),
    "expression": (1, POINTS, 3),
    "scale": (1, 1),
    "source_keypoints": (1, POINTS, 3),
    "keypoints": (1, POINTS, 3),
    "stitching": (1, 1),
    "ratios": (1, 2),
    "offsets": (1, POINTS, 3),
}


def shape(artefact: str, name: str) -> tuple[int, ...]:
    """Of an input or output."""
    if name == "picture":
        return (1, SIZE, SIZE, 3) if artefact == "frame" else (1, 3, INPUT, INPUT)
    return (1, 3) if (artefact, name) == ("eyes", "ratios") else _SHAPES[name]


class FakeNetwork:
    """Runs a function; counts, may die or refuse seats."""

    def __init__(self, artefact: str, work: Work) -> None:
        inputs, outputs = SIGNATURES[artefact]
        self.inputs = {name: shape(artefact, name) for name in inputs}
        self.outputs = {name: shape(artefact, name) for name in outputs}
        self.calls = 0
        self.dies_after: int | None = None
        self.seats: int | None = None
        self.closed = False
        self.bindings = 0
        self._name, self._work = artefact, work

    def bind(self, **constants: NDArray[Any]) -> Network:
        self.bindings += 1
        return _Bound(self, self._name, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        if self.dies_after is not None and self.calls >= self.dies_after:
            raise DeviceLost("the device went away; restart the server once it is back")
        self.calls += 1
        given = dict(zip(self.inputs, inputs, strict=True))
        for name, value in given.items():
            assert value.shape == self.inputs[name], (self._name, name, value.shape)
            assert value.dtype == np.float32
        told = self._work(given)
        return [told[name] for name in self.outputs]

    def seat(self) -> FakeSeat:
        if self.seats is None:
            return FakeSeat(self)
        if self.seats == 0:
            raise DeviceFull("the device has no memory for one more call; try again later")
        self.seats -= 1
        return FakeSeat(self)

    def close(self) -> None:
        self.closed = True


class _Bound(BoundNetwork):
    """Tells its network when it is let go."""

    def __init__(self, network: FakeNetwork, name: str, constants: Arrays) -> None:
        takes = {each: Port(of, np.dtype(np.float32)) for each, of in network.inputs.items()}
        super().__init__(network, name, takes, constants)
        self._of: FakeNetwork | None = network

    def close(self) -> None:
        super().close()
        if self._of is not None:
            self._of.bindings -= 1
            self._of = None


class FakeSeat:
    """Given back once."""

    def __init__(self, network: FakeNetwork) -> None:
        self._network: FakeNetwork | None = network

    def close(self) -> None:
        if self._network is not None and self._network.seats is not None:
            self._network.seats += 1
        self._network = None


def motion(given: Arrays) -> Arrays:
    """A head from the front at rest, whatever the picture."""
    return {
        "angles": np.zeros((1, 3), np.float32),
        "translation": np.array([[0.02, 0.1, 0.3]], np.float32),
        "expression": np.zeros((1, POINTS, 3), np.float32),
        "scale": np.full((1, 1), 1.4, np.float32),
        "keypoints": KEYPOINTS[None].astype(np.float32),
    }


def appearance(given: Arrays) -> Arrays:
    """The picture itself."""
    picture = given["picture"]
    return {"volume": picture.reshape(_VOLUME), "compressed": np.zeros((1, 1, 1, 1, 1), np.float32)}


def frame(given: Arrays) -> Arrays:
    """The portrait, carried as its keypoints are."""
    rest, moved = given["source_keypoints"][0, :, :2], given["keypoints"][0, :, :2]
    a, b = rest - rest.mean(axis=0), moved - moved.mean(axis=0)
    along, across = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turned = complex(along, across) / float((a * a).sum())
    c, s = turned.real, turned.imag
    half = SIZE / 2
    way = np.array([[c, -s], [s, c]])
    places = (rest.mean(axis=0) * half + half - 0.5, moved.mean(axis=0) * half + half - 0.5)
    matrix = np.column_stack([way, places[1] - way @ places[0]])
    picture = given["volume"].reshape(3, INPUT, INPUT).transpose(1, 2, 0)
    large = cv2.resize(np.ascontiguousarray(picture), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    drawn = cv2.warpAffine(large, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    return {"picture": np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)[None]}


def lips(given: Arrays) -> Arrays:
    """A hundredth of how far they are parted, down, for the upper lip."""
    offsets = np.zeros((1, POINTS, 3), np.float32)
    offsets[0, 11, 1] = given["ratios"][0, 0] / 100
    return {"offsets": offsets}


def eyes(given: Arrays) -> Arrays:
    """Nothing."""
    return {"offsets": np.zeros((1, POINTS, 3), np.float32)}


class Fakes:
    """The set's networks, by artefact; what is opened is one of these."""

    def __init__(self, **others: Work) -> None:
        works = {
            "appearance": appearance,
            "motion": motion,
            "frame": frame,
            "lips": lips,
            "eyes": eyes,
        } | others
        self.networks = {name: FakeNetwork(name, work) for name, work in works.items()}
        self.opened: list[str] = []

    def open(self, spec: ModelSpec, instead: Mapping[str, ModelSpec] | None = None) -> Chosen:
        self.opened.append(spec.name)
        return Chosen(self.networks[spec.name.split(".")[0]], "fake")


def write_set(folder: Path, *, fitted: bool = True) -> PortraitModels:
    """A set whose files are no networks; `fitted`: with a map."""
    folder.mkdir(parents=True, exist_ok=True)
    artefacts: dict[str, dict[Precision, File]] = {}
    for name, (inputs, outputs) in SIGNATURES.items():
        content = f"not a network, but {name}".encode()
        (folder / f"{name}.fp32.onnx").write_bytes(content)
        artefacts[name] = {
            "fp32": File(
                file=f"{name}.fp32.onnx",
                sha256=hashlib.sha256(content).hexdigest(),
                bytes=len(content),
                opset=18,
                inputs={each: shape(name, each) for each in inputs},
                outputs={each: shape(name, each) for each in outputs},
                error=Error(max=0.0, mean=0.0, spread=1.0, output=outputs[0], against="nothing"),
            )
        }
    card = Card(
        name="fake",
        origin="a test",
        licence="Apache-2.0",
        source={},
        config="compact",
        keypoints=POINTS,
        size=SIZE,
        artefacts=artefacts,
    )
    model_card.write(card, folder)
    models = PortraitModels(folder)
    if fitted:
        implicit_map.write(some_map(models.spec("motion").sha256), folder)
    return models


def some_map(sha256: str) -> ImplicitMap:
    """Every feature moves keypoints of its own; poses are as ours."""
    expression = np.random.default_rng(5).normal(0.0, 0.01, (FEATURES, POINTS, 3))
    return ImplicitMap(expression.astype(np.float32), np.eye(6), sha256, 0.9)


def networks(folder: Path, fakes: Fakes | None = None, *, fitted: bool = True) -> PortraitNetworks:
    """An open set of fakes in a folder."""
    return PortraitNetworks(write_set(folder, fitted=fitted), fakes or Fakes())
