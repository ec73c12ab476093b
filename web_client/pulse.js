// Whether the server still holds a call. It says something every second; when it has fallen silent
// it is asked by another way, so that a call which a restarted server does not know is made anew at
// once, and not when the media's own deadline has passed.

import { isHeld, Unreachable } from "./server.js";

const LOOK_EVERY_MS = 500;
const SILENT_MS = 2_500;

/** @typedef {"gone" | "unreachable"} News */

export class Pulse {
  #heardAt = 0;
  #timer = 0;
  #asking = false;
  #tell;

  /** @param {(news: News) => void} tell called for as long as it is so */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {import("./server.js").Session} session that has been heard of just now */
  watch(session) {
    this.stop();
    this.beat();
    this.#timer = window.setInterval(() => void this.#look(session), LOOK_EVERY_MS);
  }

  /** The server has said something. */
  beat() {
    this.#heardAt = performance.now();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  /** @param {import("./server.js").Session} session */
  async #look(session) {
    if (this.#asking || performance.now() - this.#heardAt < SILENT_MS) return;
    this.#asking = true;
    const timer = this.#timer;
    const news = await asked(session);
    this.#asking = false;
    if (timer !== this.#timer) return;
    if (news) this.#tell(news);
    else this.beat();
  }
}

/**
 * @param {import("./server.js").Session} session
 * @returns {Promise<News | undefined>}
 */
async function asked(session) {
  try {
    return (await isHeld(session)) ? undefined : "gone";
  } catch (error) {
    return error instanceof Unreachable ? "unreachable" : undefined;
  }
}
