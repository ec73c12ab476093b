"""The exported file at work, whole utterances at a time or frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from engines.types import Floats


class Heard(NamedTuple):
    """What the network says, moved to the frames that it speaks about."""

    phones: Floats
    """`(n, 40)` probabilities."""
    curves: Floats
    """`(n, k)`, 0…1."""


class Exported:
    """`speech.onnx` on one thread, with the states of one stream."""

    def __init__(self, path: Path) -> None:
        """Loads the file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._next = {
            output.name: output.name.replace("next_", "state_", 1)
            for output in self._session.get_outputs()
            if output.name.startswith("next_")
        }
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.look_ahead = int(self.metadata["look_ahead_frames"])
        self.reset()

    def reset(self) -> None:
        """Back to the silence before the beginning."""
        self._states = {
            given.name: np.zeros(given.shape, np.float32)
            for given in self._session.get_inputs()
            if given.name.startswith("state_")
        }

    def push(self, mel: Floats) -> tuple[Floats, Floats]:
        """`(n, 80)` further frames → `(n, 40)` log-probabilities and `(n, k)` curves, both late."""
        names = ["phones", "curves", *self._next]
        phones, curves, *states = self._session.run(names, {"mel": mel[None], **self._states})
        self._states = dict(zip(self._next.values(), states, strict=True))
        return phones[0], curves[0]

    def hear(self, mel: Floats) -> Heard:
        """A whole utterance of `(n, 80)` frames, with the lateness taken out."""
        self.reset()
        silence = np.full((self.look_ahead, mel.shape[1]), mel.min(), np.float32)
        phones, curves = self.push(np.concatenate([mel, silence]))
        return Heard(np.exp(phones[self.look_ahead :]), curves[self.look_ahead :])
