// Picture and sound arrive together: the picture waits for its sound, which a browser keeps longer.
//
// A browser that knows of both when they were made (by the server's sender reports) brings them
// together by itself, but leaves up to 30 ms between them and takes seconds for each step. Its
// statistics tell more exactly what is seen and heard at present; by those the rest is made up here,
// on whichever side has to wait.

/** How often picture and sound are compared. */
const EVERY_MS = 200;
/** Comparisons of which the middle one counts. */
const KEPT = 5;
/**
 * What the browser's estimates leave out, in Chromium: of sound it names the end of the 10 ms that it
 * hands to the sound card; a picture it hands to the display 13 ms before the time it names, where
 * it waits for half a refresh, 8 ms.
 */
const UNTOLD_MS = 10 + 13 - 8;
/** What is closer together than this stays as it is. */
const CLOSE_MS = 3;
/** How much of a difference is made up with each comparison. */
const SHARE = 0.3;
/** Further apart than this they do not belong together, as after a break of the line. */
const APART_MS = 2_000;
const MOST_MS = 500;
/** How long pictures wait until it is known how long they have to. */
const FIRST_MS = 100;

export class Synchrony {
  /** @type {RTCPeerConnection | undefined} */
  #peer;
  /** @type {HTMLVideoElement | undefined} */
  #video;
  #timer = 0;
  /** @type {number[]} */
  #recent = [];
  /** By how much each side is held, in ms; 0: as the browser will. */
  #held = { video: 0, audio: 0 };

  /** From a picture's being composed to its lighting up, in ms. */
  #displayMs = 0;

  /** How far the picture is ahead of its sound, in ms, as far as the browser knows. @type {number | undefined} */
  skewMs;

  /**
   * Begins with a connection.
   * @param {RTCPeerConnection} peer
   * @param {HTMLVideoElement} video shows its picture
   */
  watch(peer, video) {
    this.leave();
    this.#peer = peer;
    this.#video = video;
    this.#hold("video", FIRST_MS);
    this.#timer = window.setInterval(() => void this.#step().catch(() => undefined), EVERY_MS);
  }

  /** Ends. */
  leave() {
    clearInterval(this.#timer);
    this.#peer = undefined;
    this.#forget();
    this.#held = { video: 0, audio: 0 };
  }

  /** Lets pictures pass as soon as they come, as where nobody listens. */
  release() {
    this.#forget();
    this.#hold("video", 0);
    this.#hold("audio", 0);
  }

  async #step() {
    const peer = this.#peer;
    if (!peer) return;
    const seen = await playout(peer, "video");
    const heard = await playout(peer, "audio");
    if (peer !== this.#peer) return;
    this.#lookAtDisplay();
    const ahead = seen && heard ? seen.at - heard.at + UNTOLD_MS - this.#displayMs : Number.NaN;
    if (!(Math.abs(ahead) < APART_MS)) return this.#forget();
    this.#recent.push(ahead);
    if (this.#recent.length > KEPT) this.#recent.shift();
    this.skewMs = middle(this.#recent);
    if (this.#recent.length === KEPT && Math.abs(this.skewMs) > CLOSE_MS) this.#correct(this.skewMs, seen, heard);
  }

  /**
   * @param {number} ahead
   * @param {Playout} seen
   * @param {Playout} heard
   */
  #correct(ahead, seen, heard) {
    const step = SHARE * ahead;
    // What waits already waits less, before the other side is made to wait as well.
    const [first, second] = ahead > 0 ? ["audio", "video"] : ["video", "audio"];
    const change = Math.abs(step);
    if (this.#held[first] > 0) this.#hold(first, this.#held[first] - change);
    else this.#hold(second, Math.max(this.#held[second], (second === "video" ? seen : heard).waitsMs) + change);
  }

  /**
   * @param {"audio" | "video"} kind
   * @param {number} ms
   */
  #hold(kind, ms) {
    this.#held[kind] = Math.min(Math.max(ms, 0), MOST_MS);
    const receiver = receiverOf(this.#peer, kind);
    if (receiver && "jitterBufferTarget" in receiver) receiver.jitterBufferTarget = Math.round(this.#held[kind]);
  }

  #lookAtDisplay() {
    if (!this.#video || !("requestVideoFrameCallback" in this.#video)) return;
    this.#video.requestVideoFrameCallback((_, { expectedDisplayTime, presentationTime }) => {
      const ms = Math.min(Math.max(expectedDisplayTime - presentationTime, 0), 50);
      this.#displayMs += 0.1 * (ms - this.#displayMs);
    });
  }

  #forget() {
    this.#recent = [];
    this.skewMs = undefined;
  }
}

/**
 * @typedef {object} Playout
 * @property {number} at when what is played now was made, by the sender's clock, in ms
 * @property {number} waitsMs in the receiver's buffer
 */

/**
 * @param {RTCPeerConnection} peer
 * @param {"audio" | "video"} kind
 * @returns {Promise<Playout | undefined>}
 */
async function playout(peer, kind) {
  const report = await receiverOf(peer, kind)?.getStats();
  const inbound = [...(report?.values() ?? [])].find(({ type }) => type === "inbound-rtp");
  if (!inbound?.estimatedPlayoutTimestamp) return undefined;
  return { at: inbound.estimatedPlayoutTimestamp - inbound.timestamp, waitsMs: 0 };
}

/**
 * @param {RTCPeerConnection | undefined} peer
 * @param {"audio" | "video"} kind
 */
function receiverOf(peer, kind) {
  return peer?.getReceivers().find(({ track }) => track.kind === kind);
}

/** @param {number[]} values */
function middle(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
