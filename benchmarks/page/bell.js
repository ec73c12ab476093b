// An audio worklet: chirps come out of it, and what comes in is handed on, both by one clock.

const EVERY = 12_000;
const LENGTH = 1_440;
const CHIRPS = 8;
const SWEEP_HZ = 600;
const EDGE = 96;
const BLOCKS = 40; // of 128 samples, in one message

/** The wave at a sample of the context's clock; see benchmarks/chirps.py. */
function wave(frame) {
  const number = Math.floor(frame / EVERY) % CHIRPS;
  const at = frame % EVERY;
  if (at >= LENGTH) return 0;
  const [low, high] = [500 + 250 * number, 500 + 250 * number + SWEEP_HZ];
  const [first, last] = number % 2 ? [high, low] : [low, high];
  const seconds = at / sampleRate;
  const whole = LENGTH / sampleRate;
  const cycles = first * seconds + ((last - first) * seconds * seconds) / (2 * whole);
  return 0.5 * Math.min(1, at / EDGE, (LENGTH - at) / EDGE) * Math.sin(2 * Math.PI * cycles);
}

class Bell extends AudioWorkletProcessor {
  #kept = new Int16Array(128 * BLOCKS);
  #count = 0;
  #first = 0;

  process([input], [output]) {
    const length = output[0].length;
    for (let i = 0; i < length; i++) output[0][i] = wave(currentFrame + i);
    if (!this.#count) this.#first = currentFrame;
    const heard = input[0];
    for (let i = 0; i < length; i++) {
      this.#kept[this.#count++] = heard ? Math.max(-1, Math.min(1, heard[i])) * 32767 : 0;
    }
    if (this.#count === this.#kept.length) {
      this.port.postMessage({ first: this.#first, samples: this.#kept.slice() });
      this.#count = 0;
    }
    return true;
  }
}

registerProcessor("bell", Bell);
