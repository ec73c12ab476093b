"""Phoneme letters go in, a waveform and each letter's duration come out: the network of hibari-tts.

The network file is the one inside the hibari-tts wheel. It predicts how long each letter lasts but
keeps that to itself; here the durations become one more output.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from hibari import dsp
from numpy.typing import NDArray

from engines.errors import VoiceUnavailable
from engines.types import Floats

RATE = 24_000
LONGEST = 400
"""Letters that the network is given at once, at most."""
SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
_DURATIONS = "/Clip_output_0"
_PAD = 0


class Spoken(NamedTuple):
    """What the network makes of a string of letters."""

    samples: Floats
    """`(n,)` float32 at 24 kHz."""
    letters: tuple[str, ...]
    """The ones it knows, between two empty ones that stand for the silence around them."""
    durations_s: NDArray[np.float64]
    """`(len(letters),)`; together they last as long as the sound."""


class HibariModel:
    """The network and its alphabet, loaded; thread-safe."""

    def __init__(self) -> None:
        """Raises `VoiceUnavailable` where the network is another than is known."""
        assets = files("hibari") / "assets"
        try:
            network = (assets / "hibari.onnx").read_bytes()
            alphabet: dict[str, int] = json.loads((assets / "vocab.json").read_text("utf-8"))
        except OSError as error:
            raise _unknown() from error
        if hashlib.sha256(network).hexdigest() != SHA256:
            raise _unknown()
        self._alphabet = alphabet
        self._session = _session(with_output(network, _DURATIONS))

    def speak(self, letters: str, pace: float) -> Spoken:
        """At most `LONGEST` letters of hibari's alphabet; letters outside it are left out."""
        known = [letter for letter in letters if letter in self._alphabet]
        ids = [_PAD, *(self._alphabet[letter] for letter in known), _PAD]
        inputs = {
            "ids": np.array([ids], np.int64),
            "speed": np.array([pace], np.float32),
        }
        *spectrum, frames = self._session.run(None, inputs)
        # The same noise for the same text, so that what is said twice sounds the same.
        samples: Floats = dsp.synth(*(part[0] for part in spectrum), np.random.default_rng(0))
        share = np.asarray(frames, np.float64).ravel()
        return Spoken(samples, ("", *known, ""), share * (len(samples) / RATE / share.sum()))


def _unknown() -> VoiceUnavailable:
    return VoiceUnavailable(
        "the package hibari-tts does not carry the voice that is known here, so its phone times"
        " would be wrong; install it anew by `pip install --force-reinstall hibari-tts==0.2.1`"
    )


def with_output(network: bytes, tensor: str) -> bytes:
    """An ONNX file with one more output, a float tensor of any shape, by appending to its bytes.

    Where a message occurs twice in a protobuf file, parsers join the two, so a second graph that
    holds nothing but an output adds that output to the first (Protocol Buffers, "Encoding", "Last
    One Wins"). Field numbers: onnx.proto, `ModelProto.graph` 7, `GraphProto.output` 12,
    `ValueInfoProto.name` 1 and `type` 2, `TypeProto.tensor_type` 1, its `elem_type` 1 (FLOAT: 1).
    """
    value = _field(1, tensor.encode()) + _field(2, _field(1, b"\x08\x01"))
    return network + _field(7, _field(12, value))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field; for numbers below 16 and contents below 128 bytes."""
    return bytes((number << 3 | 2, len(content))) + content


def _session(network: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
