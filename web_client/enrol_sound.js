// In the sound's own thread: what the microphone brings goes in, 16 kHz mono in pieces of 16-bit
// samples comes out.

const RATE = 16000;
const PIECE = 1600;

class Sound extends AudioWorkletProcessor {
  #sum = 0;
  #count = 0;
  #phase = 0;
  #piece = new Int16Array(PIECE);
  #filled = 0;

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    for (const sample of inputs[0]?.[0] ?? []) this.#take(sample);
    return true;
  }

  /** The mean of the samples that fall into one of ours. @param {number} sample */
  #take(sample) {
    this.#sum += sample;
    this.#count += 1;
    this.#phase += RATE / sampleRate;
    if (this.#phase < 1) return;
    this.#phase -= 1;
    this.#piece[this.#filled++] = Math.max(-1, Math.min(1, this.#sum / this.#count)) * 32767;
    this.#sum = this.#count = 0;
    if (this.#filled < PIECE) return;
    this.port.postMessage(this.#piece.slice());
    this.#filled = 0;
  }
}

registerProcessor("enrol-sound", Sound);
