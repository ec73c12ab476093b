"""The synthetic test clip: a performance goes in, a video and the truth about it come out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from engines.face_mesh import BLENDSHAPES
from engines.studio.performance import FPS, NEUTRAL, STILL, Performance, perform, rotation
from engines.studio.talking_head import TalkingHead
from engines.studio.voice import RATE, speak


def write_clip(video: Path, truth: Path, *, size: int = 512) -> None:
    """Draws the whole performance: H.264 and AAC into `video`, true values into `truth` (.npz)."""
    performance = perform()
    video.parent.mkdir(parents=True, exist_ok=True)
    _write_video(video, performance, size)
    np.savez_compressed(
        truth,
        names=np.array(BLENDSHAPES),
        coefficients=performance.coefficients,
        euler_deg=performance.euler_deg,
        rotations=np.stack([rotation(row) for row in performance.euler_deg]).astype(np.float32),
        fps=np.array(FPS),
        neutral_s=np.array(NEUTRAL),
        still_s=np.array(STILL),
    )


def _write_video(path: Path, performance: Performance, size: int) -> None:
    head = TalkingHead(size)
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        picture = container.add_stream("libx264", rate=FPS)
        picture.width = picture.height = size
        picture.pix_fmt = "yuv420p"
        # One thread and no version text: the same bytes on every machine with the same encoder.
        picture.options = {"crf": "20", "preset": "slow", "threads": "1", "bf": "2"}
        voice = container.add_stream("aac", rate=RATE, layout="mono")
        voice.bit_rate = 48_000
        rows = zip(performance.coefficients, performance.euler_deg, strict=True)
        for coefficients, euler in tqdm(rows, total=len(performance.coefficients), unit="frame"):
            frame = av.VideoFrame.from_ndarray(head.draw(coefficients, euler), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = speak(performance.coefficients, FPS)
        for start in range(0, len(samples), 1024):
            piece = np.ascontiguousarray(samples[None, start : start + 1024])
            sound = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE, start, Fraction(1, RATE)
            container.mux(voice.encode(sound))
        container.mux(voice.encode(None))
