"""Small films, and what can be said of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import encypher_c2pa
import numpy as np

from live.consent.record import Basis
from live.provenance.facts import AvatarFacts, Facts, LabelFacts, MarkFacts

# It sends nothing unless somebody agrees to that, and would ask for it on a terminal.
os.environ.setdefault("ENCYPHER_C2PA_TELEMETRY", "off")

FACTS = Facts(
    kind="render",
    avatars=(
        AvatarFacts(
            portrait="1a" * 32, consent="consent-1", record="2b" * 32, basis=Basis.LIVE_ENROLMENT
        ),
        AvatarFacts(portrait="3c" * 32, consent="built-in-x", record=None, basis=Basis.SYNTHETIC),
    ),
    mark=MarkFacts(key="0123456789abcdef", payload="01a1b2c3d4e5f6"),
    label=LabelFacts(text="Künstlich", language="de"),
    driven_by="camera",
    started_at=datetime(2026, 8, 2, 12, 0, tzinfo=UTC),
    duration_ms=400,
    operator="Bühne GmbH",
)


@cache
def film(movflags: str = "") -> bytes:
    """An MP4 file of a few pictures and some sound."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "film.mp4"
        _write(target, {"movflags": movflags} if movflags else {})
        return target.read_bytes()


def _write(target: Path, options: dict[str, str]) -> None:
    noise = np.random.default_rng(1)
    with av.open(str(target), "w", options=options) as container:
        video = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        sound.layout = "mono"
        for _ in range(12):
            pixels = noise.integers(0, 256, (64, 64, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def by_another_reader(file: Path, **options: Any) -> Any:
    """What `encypher-c2pa` says: it shares no code with the library that we sign with."""
    return encypher_c2pa.verify(file, no_default_trust=True, online=False, **options)


def assertions_of(report: Any) -> dict[str, Any]:
    """The other reader's assertions by their labels."""
    told = report["manifest_report"]
    manifest = told["manifests"][told["active_manifest"]]
    return {one["label"]: one["data"] for one in manifest["assertions"]}
