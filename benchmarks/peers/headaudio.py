"""HeadAudio (MIT, npm `@met4citizen/headaudio`): sound goes in, the visemes it says come out."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.types import Floats
from engines.visemes import SILENT, VISEMES
from live.errors import Unprocessable

PACKAGE = "@met4citizen/headaudio@0.1.0"
RATE = 48_000

_RUNNER = Path(__file__).with_name("headaudio.mjs")
_NUMBERED = (
    *("aa", "E", "I", "O", "U", "PP", "SS", "TH", "DD", "FF", "kk", "nn", "RR", "CH", "sil"),
)
_OURS = np.array([VISEMES.index(name) for name in _NUMBERED])
_FRAME_S = 0.01
_FETCH_S, _RUN_S = 120, 600


class Timeline(NamedTuple):
    """What it showed of each recording, and what that cost."""

    visemes: list[NDArray[np.int64]]
    """`(n,)` places in `VISEMES`, in the middle of frames of 10 ms: the newest it had said."""
    cpu_s: float


def listen(recordings: Sequence[Floats]) -> Timeline:
    """Lets it hear `(n,)` recordings at 48 kHz; raises `Unprocessable` where it cannot be run."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Unprocessable("HeadAudio needs Node.js; install nodejs and npm, or leave it out")
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        package = _fetched(Path(folder))
        content = b"".join(
            struct.pack("<I", len(one)) + one.astype("<f4").tobytes() for one in recordings
        )
        done = _run(["node", str(_RUNNER), str(package)], _RUN_S, content)
    *lines, last = (json.loads(line) for line in done.splitlines())
    shown = [_frames(said, len(one)) for said, one in zip(lines, recordings, strict=True)]
    return Timeline(shown, float(last["cpu_s"]))


def _fetched(folder: Path) -> Path:
    options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")
    _run(["npm", "install", "--prefix", str(folder), *options, PACKAGE], _FETCH_S)
    return folder / "node_modules" / PACKAGE.rpartition("@")[0]


def _run(command: Sequence[str], limit_s: float, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=limit_s, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unprocessable(
            f"HeadAudio cannot be run: {command[0]} ended with {type(error).__name__}; see that it"
            " reaches its registry, or leave HeadAudio out"
        ) from error
    return done.stdout


def _frames(said: Sequence[tuple[float, int]], samples: int) -> NDArray[np.int64]:
    frames = np.full(int(samples / RATE / _FRAME_S), SILENT, np.int64)
    for seconds, viseme in said:
        frames[max(0, int(np.ceil(seconds / _FRAME_S - 0.5))) :] = _OURS[viseme]
    return frames
