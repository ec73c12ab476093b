// Picture and sound arrive together: the picture waits for its sound, which a browser keeps longer.
//
// A browser that knows of both when they were made (by the server's sender reports) brings them
// together by itself, but leaves up to 30 ms between them and takes seconds for each step. Its
// statistics tell more exactly what is seen and heard at present; by those the rest is made up here,
// on whichever side has to wait. While no sound comes, pictures wait for none.

/** How often picture and sound are compared. */
const EVERY_MS = 200;
/** Comparisons of which the middle one counts. */
const KEPT = 5;
/** Comparisons without a packet of sound after which none is expected. */
const SILENT = 5;
/**
 * What the browser's estimates leave out, in Chromium: of sound it names the end of the 10 ms that it
 * hands to the sound card; a picture it hands to the display 13 ms before the time it names, where
 * it is drawn and waits for half a refresh, 12 ms.
 */
const UNTOLD_MS = 10 + 13 - 12;
/** What is closer together than this stays as it is. */
const CLOSE_MS = 3;
/** How much of a difference is made up with each comparison. */
const SHARE = 0.3;
/** Further apart than this they do not belong together, as after a break of the line. */
const APART_MS = 2_000;
const MOST_MS = 500;
/** How long pictures wait until it is known how long they have to. */
const FIRST_MS = 100;

/** @typedef {"audio" | "video"} Kind */

export class Synchrony {
  #video;
  /** @type {RTCPeerConnection | undefined} */
  #peer;
  #timer = 0;
  /** @type {number[]} */
  #recent = [];
  /** By how much each side is held, in ms; 0: as the browser will. @type {Record<Kind, number>} */
  #held = { video: 0, audio: 0 };
  #usualMs = FIRST_MS;
  #packets = 0;
  #silent = SILENT;
  /** From a picture's being composed to its lighting up, in ms. */
  #displayMs = 0;

  /** How far the picture is ahead of its sound, in ms, where that is known. @type {number | undefined} */
  aheadMs;

  /** @param {HTMLVideoElement} video shows the call's picture */
  constructor(video) {
    this.#video = video;
  }

  /**
   * Begins with a connection.
   * @param {RTCPeerConnection} peer
   */
  watch(peer) {
    this.leave();
    this.#peer = peer;
    this.#timer = window.setInterval(() => void this.#step().catch(() => undefined), EVERY_MS);
  }

  /** Ends. */
  leave() {
    clearInterval(this.#timer);
    this.#peer = undefined;
    this.#held = { video: 0, audio: 0 };
    this.#packets = 0;
    this.#silent = SILENT;
    this.#forget();
  }

  async #step() {
    const peer = this.#peer;
    if (!peer) return;
    const seen = await inbound(peer, "video");
    const heard = await inbound(peer, "audio");
    if (peer !== this.#peer || !this.#listen(heard?.packetsReceived ?? 0) || !seen || !heard) return;
    this.#lookAtDisplay();
    const ahead = playedNow(seen) - playedNow(heard) + UNTOLD_MS - this.#displayMs;
    if (!(Math.abs(ahead) < APART_MS)) return this.#forget();
    this.#recent.push(ahead);
    if (this.#recent.length > KEPT) this.#recent.shift();
    const usual = middle(this.#recent);
    this.aheadMs = usual;
    if (this.#recent.length === KEPT && Math.abs(usual) > CLOSE_MS) this.#correct(SHARE * usual);
  }

  /**
   * Whether sound comes; where it begins or ends, pictures begin or cease to wait.
   * @param {number} packets
   */
  #listen(packets) {
    const before = this.#silent;
    this.#silent = packets === this.#packets ? Math.min(this.#silent + 1, SILENT) : 0;
    this.#packets = packets;
    const silent = this.#silent === SILENT;
    if (silent !== (before === SILENT)) {
      this.#hold("video", silent ? 0 : this.#usualMs);
      this.#hold("audio", 0);
      this.#forget();
    }
    return !silent;
  }

  /**
   * What is held already is held less before the other side has to wait as well.
   * @param {number} ms by which the picture is to come later, or the sound, below zero
   */
  #correct(ms) {
    if (ms > 0 && this.#held.audio > 0) this.#hold("audio", this.#held.audio - ms);
    else if (ms > 0 || this.#held.video > 0) this.#hold("video", this.#held.video + ms);
    else this.#hold("audio", this.#held.audio - ms);
    if (this.#held.video) this.#usualMs = this.#held.video;
  }

  /**
   * @param {Kind} kind
   * @param {number} ms
   */
  #hold(kind, ms) {
    this.#held[kind] = Math.min(Math.max(ms, 0), MOST_MS);
    const receiver = receiverOf(this.#peer, kind);
    if (receiver && "jitterBufferTarget" in receiver) receiver.jitterBufferTarget = Math.round(this.#held[kind]);
  }

  #lookAtDisplay() {
    if (!("requestVideoFrameCallback" in this.#video)) return;
    this.#video.requestVideoFrameCallback((_, { expectedDisplayTime, presentationTime }) => {
      const ms = Math.min(Math.max(expectedDisplayTime - presentationTime, 0), 50);
      this.#displayMs += 0.1 * (ms - this.#displayMs);
    });
  }

  #forget() {
    this.#recent = [];
    this.aheadMs = undefined;
  }
}

/**
 * A receiver's statistics.
 * @param {RTCPeerConnection} peer
 * @param {Kind} kind
 */
async function inbound(peer, kind) {
  const report = await receiverOf(peer, kind)?.getStats();
  return [...(report?.values() ?? [])].find(({ type }) => type === "inbound-rtp");
}

/**
 * When what is played now was made, by the sender's clock against ours; NaN: not known.
 * @param {{estimatedPlayoutTimestamp?: number, timestamp: number}} stats
 */
function playedNow({ estimatedPlayoutTimestamp, timestamp }) {
  return estimatedPlayoutTimestamp ? estimatedPlayoutTimestamp - timestamp : Number.NaN;
}

/**
 * @param {RTCPeerConnection | undefined} peer
 * @param {Kind} kind
 */
function receiverOf(peer, kind) {
  return peer?.getReceivers().find(({ track }) => track.kind === kind);
}

/** @param {number[]} values */
function middle(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
