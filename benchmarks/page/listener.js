// A worker: the received sound goes in; when each burst was handed to the sound card, and its pitch in
// hertz, come out, and how loud each block is.
//
// Blocks come from the receiver when the sound card asks for them. A sample's time is therefore its
// place in the stream, which does not jitter, and the usual distance of the last blocks from theirs.

/** Before a burst. */
const QUIET_MS = 60;
const LOUD = 0.08;
/** Of a burst, for its pitch. */
const MEASURED_MS = 20;
/** Whose times are remembered: two seconds of them. */
const BLOCKS = 200;

onmessage = async ({ data: readable }) => {
  const reader = readable.getReader();
  const ear = new Ear();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const now = performance.timeOrigin + performance.now();
    ear.hear(value, now);
    value.close();
  }
};

class Ear {
  #offsets = [];
  #heard = 0; // samples
  #loudAt = -Infinity;
  #burst = null;
  #sample = new Float32Array(0);

  /** @param {AudioData} data @param {number} now */
  hear(data, now) {
    const count = data.numberOfFrames;
    const rate = data.sampleRate;
    if (this.#sample.length < count) this.#sample = new Float32Array(count);
    data.copyTo(this.#sample, { planeIndex: 0, format: "f32-planar" });
    this.#offsets.push(now - (1000 * this.#heard) / rate);
    if (this.#offsets.length > BLOCKS) this.#offsets.shift();
    for (let i = 0; i < count; i++) this.#take(this.#sample[i], this.#heard + i, rate);
    let power = 0;
    for (let i = 0; i < count; i++) power += this.#sample[i] ** 2;
    postMessage({ level: [this.#time(this.#heard + count / 2, rate), Math.sqrt(power / count)] });
    this.#heard += count;
  }

  #take(sample, index, rate) {
    if (Math.abs(sample) > LOUD) {
      if (!this.#burst && index - this.#loudAt > (QUIET_MS * rate) / 1000) {
        this.#burst = { index, crossings: 0, positive: sample > 0, first: -1, last: -1 };
      }
      this.#loudAt = index;
    }
    const burst = this.#burst;
    if (!burst) return;
    if (sample > 0.02 && !burst.positive) {
      burst.positive = true;
      burst.crossings++;
      if (burst.first < 0) burst.first = index;
      burst.last = index;
    } else if (sample < -0.02) burst.positive = false;
    if (index - burst.index < (MEASURED_MS * rate) / 1000) return;
    const periods = burst.crossings - 1;
    const hertz = periods > 0 ? (periods * rate) / (burst.last - burst.first) : 0;
    postMessage({ burst: [this.#time(burst.index, rate), hertz] });
    this.#burst = null;
  }

  #time(index, rate) {
    const sorted = [...this.#offsets].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] + (1000 * index) / rate;
  }
}
