"""The network that listens: log-mel frames go in, phones and mouth curves come out, frame by frame.

`engines/models/speech.onnx` is trained by `engines.nets.speech`. It is causal: what it says after
frame `i` is about frame `i − look_ahead_frames`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backends.onnxruntime import load
from engines.errors import EngineError
from engines.face_mesh import BLENDSHAPES
from engines.phones import PHONES
from engines.types import Floats, ModelSpec

MOST_LOOK_AHEAD_FRAMES = 3
FILE = Path(__file__).parents[1] / "models" / "speech.onnx"

States = tuple[NDArray[np.float32], ...]


class Heard(NamedTuple):
    """What the network says after some frames."""

    phones: Floats
    """`(n, 40)` log-probabilities, in the order of `engines.phones.PHONES`."""
    curves: Floats
    """`(n, k)` 0…1."""
    states: States


class SpeechNetwork(Protocol):
    """What a listener needs; holds nothing of any stream, so that all streams can share one."""

    look_ahead_frames: int
    curve_names: tuple[str, ...]

    def start(self) -> States:
        """What it remembers before it has heard anything."""

    def hear(self, mel: Floats, states: States) -> Heard:
        """`(n, 80)` further frames; `states` as the call before returned them."""


class OnnxSpeechNetwork:
    """The network in an ONNX file.

    Inputs `mel` and `state_…`, outputs `phones`, `curves` and for each state its `next_…`.
    """

    def __init__(self, path: Path) -> None:
        """Raises `EngineError` where the file is not such a network."""
        name = path.stem
        self._network = load(ModelSpec(name, path, ""))
        self._states = [each for each in self._network.inputs if each.startswith("state_")]
        self._next = [each.replace("state_", "next_", 1) for each in self._states]
        if {*self._network.inputs} != {"mel", *self._states} or not {
            "phones",
            "curves",
            *self._next,
        } <= {*self._network.outputs}:
            raise EngineError(
                f"the network {name!r} takes {list(self._network.inputs)} and gives"
                f" {list(self._network.outputs)}, which is no speech network's; export it anew"
            )
        try:
            metadata = self._network.metadata
            self.look_ahead_frames = int(metadata["look_ahead_frames"])
            self.curve_names = tuple(json.loads(metadata["curves"]))
            phones = tuple(json.loads(metadata["phones"]))
        except (KeyError, ValueError) as error:
            raise EngineError(
                f"the network {name!r} does not say its look-ahead, phones and curves; export it"
                " anew"
            ) from error
        if phones != PHONES or not {*self.curve_names} <= {*BLENDSHAPES}:
            raise EngineError(
                f"the network {name!r} was trained for other phones or curves than this version's;"
                " train it anew"
            )
        if not 0 <= self.look_ahead_frames <= MOST_LOOK_AHEAD_FRAMES:
            raise EngineError(
                f"the network {name!r} looks {self.look_ahead_frames} frames ahead, more than"
                f" {MOST_LOOK_AHEAD_FRAMES}; train one that answers sooner"
            )

    def start(self) -> States:
        """What it remembers before it has heard anything."""
        return tuple(np.zeros(self._network.inputs[each], np.float32) for each in self._states)

    def hear(self, mel: Floats, states: States) -> Heard:
        """`(n, 80)` further frames; `states` as the call before returned them."""
        taken = dict(zip(self._states, states, strict=True)) | {"mel": mel[None]}
        given = self._network(*(taken[name] for name in self._network.inputs))
        told = dict(zip(self._network.outputs, given, strict=True))
        return Heard(told["phones"][0], told["curves"][0], tuple(told[each] for each in self._next))


@cache
def speech_network() -> SpeechNetwork:
    """The one that ships, loaded once for the whole process."""
    return OnnxSpeechNetwork(FILE)
