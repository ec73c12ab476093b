// What a call is like, in numbers: the browser's own statistics and the server's, once a second.
//
// The delay from camera to screen is a sum of parts that are measured one by one: nobody can see
// both ends at once without a code in the picture.

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {number} ms
 * @property {"browser" | "network" | "server"} side whose time it is
 */

/**
 * @typedef {object} Sample
 * @property {Part[]} parts of the delay, in the order in which a picture passes them
 * @property {number | undefined} delayMs their sum; `undefined` where no camera's picture goes out
 * @property {number | undefined} roundTripMs by the data channel
 * @property {number} fpsOut pictures a second that leave this browser
 * @property {number} fpsIn pictures a second that are shown here
 * @property {number} mbitOut
 * @property {number} mbitIn
 * @property {number} lossOut share of packets, 0…1
 * @property {number} lossIn
 * @property {number} freezes that this browser has counted since the call began
 * @property {number} frozenS how long they were, in all
 * @property {string} size of the picture that comes in
 * @property {string} codec
 * @property {string} renderer that draws the avatar now; empty where the server does not tell
 * @property {number | undefined} dropped camera pictures that the server passed over
 * @property {Grade} grade
 */

/** @typedef {"good" | "fair" | "poor" | "none"} Grade */
/** @typedef {Record<string, number>} Percentiles */

/**
 * The server's `stats` message, of which nothing is taken for granted.
 * @typedef {object} ServerStats
 * @property {Record<string, Percentiles | null>} [stages_ms] in the order in which a picture passes them
 * @property {{dropped?: Record<string, number>}} [frames]
 * @property {string} [renderer]
 */

/**
 * The server's stages by the names that its report has for them.
 * @type {[string, string][]}
 */
const STAGES = [
  ["receive", "Receive"],
  ["decode", "Decode"],
  ["wait", "Wait"],
  ["convert", "Convert"],
  ["track", "Track face"],
  ["drive", "Drive"],
  ["render", "Draw avatar"],
  ["stamp", "Stamp"],
  ["hand_over", "Hand over"],
  ["encode", "Encode"],
  ["send", "Send"],
];

/** Takes samples of one call; differences are those to the sample before. */
export class Meter {
  /** @type {Map<string, number>} */
  #before = new Map();
  /** @type {Map<string, number>} */
  #now = new Map();
  /** @type {ServerStats} */
  #server = {};
  /** @type {number | undefined} */
  #roundTripMs;

  /** @param {ServerStats} message */
  hear(message) {
    this.#server = message;
  }

  /** @param {number} sentAt the `time` that a pong brought back, of `performance.now()` */
  pong(sentAt) {
    const ms = performance.now() - sentAt;
    this.#roundTripMs = this.#roundTripMs === undefined ? ms : 0.7 * this.#roundTripMs + 0.3 * ms;
  }

  /**
   * @param {RTCPeerConnection} peer
   * @returns {Promise<Sample>}
   */
  async sample(peer) {
    const report = await peer.getStats();
    this.#before = this.#now;
    this.#now = new Map();
    const all = [...report.values()];
    const video = (/** @type {string} */ type) => all.find((one) => one.type === type && one.kind === "video") ?? {};
    const inbound = video("inbound-rtp");
    const outbound = video("outbound-rtp");
    const remote = video("remote-inbound-rtp");
    const pair = all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    const codec = report.get(inbound.codecId);

    const seconds = this.#step("time", inbound.timestamp) / 1000;
    const shown = this.#step("decoded", inbound.framesDecoded);
    const sent = this.#step("encoded", outbound.framesEncoded);
    const emitted = this.#step("emitted", inbound.jitterBufferEmittedCount);
    const lost = this.#step("lost", inbound.packetsLost);
    const received = this.#step("received", inbound.packetsReceived);
    const perPicture = (/** @type {string} */ key, /** @type {unknown} */ total, /** @type {number} */ count) =>
      1000 * ratio(this.#step(key, total), count);

    const encode = perPicture("encoding", outbound.totalEncodeTime, sent);
    const buffer = perPicture("buffer", inbound.jitterBufferDelay, emitted);
    const decode = perPicture("decoding", inbound.totalDecodeTime, shown);
    const network = 1000 * (pair?.currentRoundTripTime ?? 0);
    /** @type {Part[]} */
    const parts = [
      { name: "Encode", ms: encode, side: "browser" },
      { name: "Network, both ways", ms: network, side: "network" },
      ...this.#serverParts(),
      { name: "Receive buffer", ms: buffer, side: "browser" },
      { name: "Decode", ms: decode, side: "browser" },
    ];
    const delayMs = sent ? parts.reduce((sum, part) => sum + part.ms, 0) : undefined;
    const fpsIn = ratio(shown, seconds);
    const lossIn = ratio(lost, lost + received);
    const lossOut = Number(remote.fractionLost ?? 0);
    return {
      parts: sent ? parts : [],
      delayMs,
      roundTripMs: this.#roundTripMs,
      fpsOut: ratio(sent, seconds),
      fpsIn,
      mbitOut: ratio(this.#step("bytesOut", outbound.bytesSent) * 8e-6, seconds),
      mbitIn: ratio(this.#step("bytesIn", inbound.bytesReceived) * 8e-6, seconds),
      lossOut,
      lossIn,
      freezes: Number(inbound.freezeCount ?? 0),
      frozenS: Number(inbound.totalFreezesDuration ?? 0),
      size: inbound.frameWidth ? `${inbound.frameWidth} × ${inbound.frameHeight}` : "–",
      codec: String(codec?.mimeType ?? "").replace("video/", "") || "–",
      renderer: typeof this.#server.renderer === "string" ? this.#server.renderer : "",
      dropped: this.#dropped(),
      grade: gradeOf(delayMs, fpsIn, Math.max(lossIn, lossOut)),
    };
  }

  /**
   * The server's share of the delay.
   * @returns {Part[]}
   */
  #serverParts() {
    const stages = this.#server.stages_ms;
    return STAGES.map(([stage, name]) => ({ name, ms: median(stages?.[stage]), side: "server" }));
  }

  #dropped() {
    const counts = this.#server.frames?.dropped;
    return counts && Object.values(counts).reduce((sum, count) => sum + (Number(count) || 0), 0);
  }

  /**
   * How much a total has grown since the sample before.
   * @param {string} key
   * @param {unknown} total
   */
  #step(key, total) {
    const value = Number(total ?? 0);
    this.#now.set(key, value);
    // A connection made anew counts from zero again.
    return Math.max(0, value - (this.#before.get(key) ?? value));
  }
}

/**
 * @param {number} part
 * @param {number} whole
 */
function ratio(part, whole) {
  return whole > 0 ? part / whole : 0;
}

/** @param {Percentiles | null | undefined} percentiles */
function median(percentiles) {
  return Number(percentiles?.p50 ?? 0);
}

/**
 * @param {number | undefined} delayMs
 * @param {number} fps
 * @param {number} loss
 * @returns {Grade}
 */
export function gradeOf(delayMs = 0, fps, loss) {
  if (fps === 0) return "none";
  if (delayMs <= 120 && fps >= 23 && loss <= 0.02) return "good";
  if (delayMs <= 250 && fps >= 14 && loss <= 0.06) return "fair";
  return "poor";
}
