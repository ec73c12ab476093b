// A microphone that chirps, and an ear that keeps what it hears, by the clock of one audio context.

const RATE = 48_000;

/**
 * Both ends; the sound card's delays are in neither.
 * @param {(first: number, samples: Int16Array) => void} heard gets pieces of the received sound and
 *   which sample of the context's clock each begins with
 */
export async function chirps(heard) {
  const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  await context.resume();
  await context.audioWorklet.addModule("bell.js");
  const bell = new AudioWorkletNode(context, "bell", { numberOfInputs: 1, numberOfOutputs: 1 });
  bell.port.onmessage = ({ data: { first, samples } }) => heard(first, samples);
  const mouth = context.createMediaStreamDestination();
  bell.connect(mouth);
  return {
    track: mouth.stream.getAudioTracks()[0],
    /** @param {MediaStreamTrack} track what comes back */
    listen: (track) => context.createMediaStreamSource(new MediaStream([track])).connect(bell),
  };
}

/** @param {Int16Array} samples */
export function base64(samples) {
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
