// The benchmark's camera: a clip whose pictures carry the time, straight into a track.

import { drawCode, ticks } from "./timecode.js";

/**
 * The clip as a camera track, each picture with the time at which it was drawn.
 * @param {{width: number, height: number, fps: number, pictures: number}} options
 * @param {(number: number, index: number) => void} sent called for each picture, with its time code
 *   and which of the clip it is
 * @param {(error: unknown) => void} complain
 */
export async function camera({ width, height, fps, pictures }, sent, complain) {
  const clip = await Promise.all(
    Array.from({ length: pictures }, async (_, index) => {
      const response = await fetch(`picture/${index}.jpg`);
      return createImageBitmap(await response.blob());
    }),
  );
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  const { track, show } = "MediaStreamTrackGenerator" in window ? generated(canvas, complain) : captured(canvas);
  track.contentHint = "motion";
  let step = 0;
  ticker(fps, () => {
    const phase = step++ % (2 * clip.length - 2);
    const index = phase < clip.length ? phase : 2 * clip.length - 2 - phase;
    const now = performance.now();
    const number = ticks();
    context.drawImage(clip[index], 0, 0);
    drawCode(context, width, number);
    try {
      show(now);
    } catch (error) {
      complain(error);
    }
    sent(number, index);
  });
  return track;
}

/** A track that takes pictures at once. */
function generated(canvas, complain) {
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = track.writable.getWriter();
  const show = (now) =>
    void writer.write(new VideoFrame(canvas, { timestamp: Math.round(now * 1000) })).catch(complain);
  return { track, show };
}

/** A track that takes pictures with the next refresh, for browsers that have no other. */
function captured(drawn) {
  const canvas = Object.assign(document.createElement("canvas"), { width: drawn.width, height: drawn.height });
  const context = canvas.getContext("2d", { alpha: false });
  const stream = canvas.captureStream(0);
  const [track] = stream.getVideoTracks();
  const source = "requestFrame" in track ? track : stream; // Firefox has it on the stream
  const show = () => {
    context.drawImage(drawn, 0, 0);
    source.requestFrame();
  };
  return { track, show };
}

/**
 * Calls `tick` at an even rate, from a worker: timers of a page without focus are throttled.
 * @param {number} fps
 * @param {() => void} tick
 */
export function ticker(fps, tick) {
  const source = `const start = performance.now();
    let index = 0;
    const next = () => {
      postMessage(0);
      let wait;
      do wait = start + (++index * 1000) / ${fps} - performance.now(); while (wait < 0);
      setTimeout(next, wait);
    };
    next();`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = tick;
}
