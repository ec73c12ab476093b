// The benchmark's camera: a clip whose pictures carry the time, straight into a track.

import { drawCode, ticks } from "./timecode.js";

/**
 * The clip as a camera track, each picture with the time at which it was drawn.
 * @param {{width: number, height: number, fps: number, pictures: number}} options
 * @param {() => void} sent called for each picture
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
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  track.contentHint = "motion";
  const writer = track.writable.getWriter();
  let index = 0;
  ticker(fps, () => {
    const phase = index++ % (2 * clip.length - 2);
    const now = performance.now();
    const number = ticks();
    context.drawImage(clip[phase < clip.length ? phase : 2 * clip.length - 2 - phase], 0, 0);
    drawCode(context, width, number);
    writer.write(new VideoFrame(canvas, { timestamp: Math.round(now * 1000) })).catch(complain);
    sent();
  });
  return track;
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
