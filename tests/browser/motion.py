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
LONGEST_DELAY = 0.6
WIDEST_GAP = 0.15
"""Seconds; a face between two looks that are further apart may have been anywhere."""

CAPTURE = """
async ([seconds, wanted]) => {
  const side = 320, shots = [];
  const snap = (video) => {
    const size = Math.min(video.videoWidth, video.videoHeight);
    const x = (video.videoWidth - size) / 2, y = (video.videoHeight - size) / 2;
    return createImageBitmap(video, x, y, size, size, { resizeWidth: side, resizeHeight: side });
  };
  const avatar = document.querySelector("#video"), camera = document.querySelector("#self-video");
  const end = performance.now() + 1000 * seconds;
  for (let last = -Infinity; performance.now() < end && shots.length < wanted; ) {
    await new Promise((done) => avatar.requestVideoFrameCallback(done));
    const now = performance.now();
    if (now - last < 50) continue; // every second picture is enough to follow a face by
    last = now;
    shots.push([now, ...(await Promise.all([snap(camera), snap(avatar)]))]);
  }
  // Encoded only now: the call has the processor to itself while it is looked at.
  const canvas = new OffscreenCanvas(2 * side, side);
  const context = canvas.getContext("2d");
  const texts = [];
  for (const [at, left, right] of shots) {
    context.drawImage(left, 0, 0);
    context.drawImage(right, side, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    const reader = new FileReader();
    await new Promise((done) => { reader.onload = done; reader.readAsDataURL(blob); });
    texts.push([at, reader.result.split(",")[1]]);
  }
  return texts;
}
"""
"""Takes pictures of the camera's video and the avatar's, side by side at the same moments."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How a face moved: times in seconds, yaw in degrees, the jaw's coefficient 0…1."""

    times: Series
    yaw: Series
    jaw: Series


def record(page: Page, tracker: Tracker) -> tuple[Movement, Movement]:
    """Looks at a running call: how the camera's face moved, and how the avatar's did.

    A hundred moments take about seven seconds; a busy machine gets more time, not fewer moments.
    """
    shots = page.evaluate(CAPTURE, [20, 100])
    times = np.array([at for at, _ in shots]) / 1000
    pairs = [_picture(text) for _, text in shots]
    half = pairs[0].shape[1] // 2
    sent = _movement(times, [pair[:, :half] for pair in pairs], tracker)
    received = _movement(times, [pair[:, half:] for pair in pairs], tracker)
    return sent, received


def correlation(sent: Movement, received: Movement, what: str) -> tuple[float, float]:
    """Pearson's r of a series at the delay at which its magnitude is greatest, and that delay.

    The delay is looked for between 0 and 0.6 s: what comes back cannot be earlier than what was
    sent, and later than that would be no live call. Moments for which nobody looked at the camera
    closely enough before (the machine was busy) are left out.
    """
    candidates = []
    for delay in np.arange(0, LONGEST_DELAY, 1 / 60):
        asked = received.times - delay
        after = np.clip(np.searchsorted(sent.times, asked), 1, len(sent.times) - 1)
        gaps = sent.times[after] - sent.times[after - 1]
        known = (asked > sent.times[0]) & (gaps < WIDEST_GAP)
        here = np.interp(asked[known], sent.times, getattr(sent, what))
        there = getattr(received, what)[known]
        assert len(there) > 30, (
            f"only {len(there)} moments can be compared; the machine is too busy for a call"
        )
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
