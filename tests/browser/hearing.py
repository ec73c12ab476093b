"""What was seen and heard in a page goes in, mouth and sound on one clock come out."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from engines.face_mesh import BLENDSHAPE_INDEX
from engines.types import Picture, Tracker

Series = NDArray[np.float64]
JAW = BLENDSHAPE_INDEX["jawOpen"]
LOUD = 10 ** (-45 / 20)
"""Of full scale; what an avatar says is 20 dB above."""
LONGEST_LAG = 0.4
"""Seconds up to which a lag is looked for."""
_STEP_S = 0.01
_SYLLABLE_S = 0.08
_BESIDE_S = 0.5
_FEWEST = 40

BEGIN = """(pictures) => {
  const video = document.querySelector("#video");
  const [track] = video.srcObject.getAudioTracks();
  const kept = (window.kept = { heard: [], seen: [], running: true });
  const listen = async () => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    while (kept.running) {
      const { value: sound } = await reader.read();
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const loudness = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
      kept.heard.push([performance.now(), sound.timestamp / 1000, loudness]);
      sound.close();
    }
    await reader.cancel();
  };
  const look = (now, { presentationTime }) => {
    if (!kept.running) return;
    video.requestVideoFrameCallback(look);
    const side = 320;
    const size = Math.min(video.videoWidth, video.videoHeight);
    const square = [(video.videoWidth - size) / 2, (video.videoHeight - size) / 2, size, size];
    const small = { resizeWidth: side, resizeHeight: side };
    kept.seen.push([presentationTime, createImageBitmap(video, ...square, small)]);
  };
  void listen();
  if (pictures) video.requestVideoFrameCallback(look);
}"""
"""Keeps how loud each piece of the received sound is and, if wanted, the received pictures."""

END = """async () => {
  const { kept } = window;
  kept.running = false;
  const seen = [];
  for (const [at, taken] of kept.seen) {
    const picture = await taken;
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    const reader = new FileReader();
    await new Promise((done) => { reader.onload = done; reader.readAsDataURL(blob); });
    seen.push([at, reader.result.split(",")[1]]);
  }
  return { heard: kept.heard, seen };
}"""


@dataclass(frozen=True, slots=True)
class Received:
    """What a page received; times in seconds of the page's clock."""

    times: Series
    """Of the pieces of sound."""
    loudness: Series
    """Of each, root mean square, 1 is full scale."""
    pictures: list[tuple[float, str]]

    @property
    def last_loud(self) -> float:
        """When something was last to be heard."""
        loud = self.times[self.loudness > LOUD]
        assert len(loud), "nothing was heard at all"
        return float(loud[-1])


def begin(page: Page, *, pictures: bool = False) -> None:
    """Begins to record."""
    page.evaluate(BEGIN, pictures)


def pictures(page: Page) -> int:
    """How many pictures the record has so far."""
    count: int = page.evaluate("window.kept.seen.length")
    return count


def end(page: Page) -> Received:
    """Ends the record and gives it."""
    kept: dict[str, Any] = page.evaluate(END)
    arrived, stamps, loudness = np.array(kept["heard"], np.float64).T
    # A busy page takes its pieces late; their own times, which have another origin, run evenly.
    times = stamps + np.min(arrived - stamps)
    pictures = [(at / 1000, text) for at, text in kept["seen"]]
    return Received(times / 1000, loudness, pictures)


def mouth_follows(received: Received, tracker: Tracker) -> tuple[float, float]:
    """Pearson's r of the jaw and the sound at the lag at which it is highest, and that lag.

    The sound's envelope has the rhythm of syllables, and is read at the moments of the pictures,
    however far apart these are; the lag is in seconds, positive where the mouth is late.
    """
    tracker.reset()
    faces = [(at, tracker.track(_picture(at, text))) for at, text in received.pictures]
    jaw = [(at, float(face.blendshapes[JAW])) for at, face in faces if face is not None]
    assert len(jaw) > 0.9 * len(faces), f"a face in only {len(jaw)} of {len(faces)} pictures"
    at, opened = np.array(jaw).T
    loud = received.times[received.loudness > LOUD]
    during = (at > loud[0] - _BESIDE_S) & (at < loud[-1] + _BESIDE_S)
    assert during.sum() > _FEWEST, f"only {during.sum()} pictures; the machine is too busy"
    steps = np.arange(received.times[0], received.times[-1], _STEP_S)
    envelope = _smooth(np.interp(steps, received.times, received.loudness))
    lags = np.arange(-LONGEST_LAG, LONGEST_LAG + _STEP_S / 2, _STEP_S)
    heard = [np.interp(at[during] - lag, steps, envelope) for lag in lags]
    found = [float(np.corrcoef(opened[during], one)[0, 1]) for one in heard]
    best = int(np.argmax(found))
    return found[best], float(lags[best])


def _smooth(series: Series) -> Series:
    window = np.hanning(round(2 * _SYLLABLE_S / _STEP_S) + 3)[1:-1]
    return np.convolve(series, window / window.sum(), mode="same")


def _picture(at: float, text: str) -> Picture:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    rgb = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert rgb is not None
    return Picture(np.ascontiguousarray(rgb, np.uint8), pts_ns=int(at * 1e9))
