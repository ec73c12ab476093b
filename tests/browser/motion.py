"""What was seen in a page goes in, how the face in it moved comes out."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from engines.face_mesh import BLENDSHAPE_INDEX
from engines.types import Picture, Rgb, Tracker

Series = NDArray[np.float64]
JAW = BLENDSHAPE_INDEX["jawOpen"]

CAPTURE = """
async (seconds) => {
  const side = 384, shots = [];
  const canvas = new OffscreenCanvas(2 * side, side);
  const context = canvas.getContext("2d");
  const draw = (video, left) => {
    const size = Math.min(video.videoWidth, video.videoHeight);
    const x = (video.videoWidth - size) / 2, y = (video.videoHeight - size) / 2;
    context.drawImage(video, x, y, size, size, left, 0, side, side);
  };
  const avatar = document.querySelector("#video"), camera = document.querySelector("#self-video");
  const asText = (blob) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(blob);
  });
  const end = performance.now() + 1000 * seconds;
  for (let last = -Infinity; performance.now() < end; ) {
    await new Promise((done) => avatar.requestVideoFrameCallback(done));
    const now = performance.now();
    if (now - last < 50) continue; // every second picture is enough to follow a face by
    last = now;
    draw(camera, 0);
    draw(avatar, side);
    shots.push([now, await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })]);
  }
  return Promise.all(shots.map(async ([at, blob]) => [at, await asText(blob)]));
}
"""
"""Takes pictures of the camera's video and the avatar's, side by side at the same moments."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How a face moved: times in seconds, yaw in degrees, the jaw's coefficient 0…1."""

    times: Series
    yaw: Series
    jaw: Series


def record(page: Page, seconds: float, tracker: Tracker) -> tuple[Movement, Movement]:
    """Looks at a running call: how the camera's face moved, and how the avatar's did."""
    shots = page.evaluate(CAPTURE, seconds)
    times = np.array([at for at, _ in shots]) / 1000
    pairs = [_picture(text) for _, text in shots]
    half = pairs[0].shape[1] // 2
    sent = _movement(times, [pair[:, :half] for pair in pairs], tracker)
    received = _movement(times, [pair[:, half:] for pair in pairs], tracker)
    return sent, received


def correlation(sent: Movement, received: Movement, what: str) -> tuple[float, float]:
    """Pearson's r of a series at the delay at which its magnitude is greatest, and that delay.

    The delay is looked for between 0 and 0.6 s: what comes back cannot be earlier than what was
    sent, and later than that would be no live call.
    """
    reach = 0.6
    first, last = sent.times[0] + reach, min(sent.times[-1], received.times[-1])
    grid = np.arange(first, last, 1 / 60)
    there = np.interp(grid, received.times, getattr(received, what))
    candidates = []
    for delay in np.arange(0, reach, 1 / 60):
        here = np.interp(grid - delay, sent.times, getattr(sent, what))
        candidates.append((float(np.corrcoef(here, there)[0, 1]), float(delay)))
    return max(candidates, key=lambda found: abs(found[0]))


def _movement(times: Series, pictures: list[Rgb], tracker: Tracker) -> Movement:
    tracker.reset()
    faces = [
        tracker.track(Picture(np.ascontiguousarray(rgb), pts_ns=int(at * 1e9)))
        for at, rgb in zip(times, pictures, strict=True)
    ]
    found = np.array([face is not None for face in faces])
    assert found.mean() > 0.9, f"a face in only {found.sum()} of {len(found)} pictures"
    heads = np.array([face.head for face in faces if face is not None])
    jaws = [face.blendshapes[JAW] for face in faces if face is not None]
    yaw = np.degrees(np.arctan2(heads[:, 0, 2], heads[:, 2, 2]))
    return Movement(times[found], yaw, np.array(jaws, np.float64))


def _picture(text: str) -> Rgb:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return np.ascontiguousarray(picture, np.uint8)
