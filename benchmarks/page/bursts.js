// A microphone that says what time it is: bursts of a tone, one every 250 ms of `performance.now()`,
// whose pitch counts to eight; so the time of what is heard is known within two seconds.

import { ticker } from "./camera.js";

const RATE = 48_000;
const EVERY_MS = 250;
const LENGTH_MS = 30;
const TONES = 8;
const BLOCK = 480;

/** The pitch of the burst that begins at a multiple of `EVERY_MS`. @param {number} number */
const pitch = (number) => 500 + 200 * (number % TONES);

/**
 * An audio track of bursts.
 * @param {(error: unknown) => void} complain
 * @returns {MediaStreamTrack}
 */
export function microphone(complain) {
  const track = new MediaStreamTrackGenerator({ kind: "audio" });
  const writer = track.writable.getWriter();
  const start = Math.ceil(performance.now());
  let written = 0;
  ticker(100, () => {
    // As a sound card: a block is there when its last sample has been heard.
    while (start + (1000 * (written + BLOCK)) / RATE <= performance.now()) {
      const at = start + (1000 * written) / RATE;
      const data = Float32Array.from({ length: BLOCK }, (_, i) => sample(at + (1000 * i) / RATE));
      const format = { format: "f32", sampleRate: RATE, numberOfFrames: BLOCK, numberOfChannels: 1 };
      writer.write(new AudioData({ ...format, timestamp: Math.round(at * 1000), data })).catch(complain);
      written += BLOCK;
    }
  });
  return track;
}

/** The wave at a time. @param {number} ms */
function sample(ms) {
  const number = Math.floor(ms / EVERY_MS);
  const since = ms - number * EVERY_MS;
  if (since >= LENGTH_MS) return 0;
  const edge = Math.min(1, since / 0.5, (LENGTH_MS - since) / 2);
  return 0.5 * edge * Math.sin((2 * Math.PI * pitch(number) * since) / 1000);
}
