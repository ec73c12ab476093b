// What the avatar has to say in this call, by the server's messages: what waits, what is being
// said, and how far it has got.

/** @typedef {{utterance: string, start: number, text: string, final: boolean}} Caption */
/** @typedef {{utterance: string, reason: string, message: string}} Ending */

/**
 * Events: `change` when more or less is to be said; `caption` (a `Caption`: what has been said so
 * far of a stretch of a text); `ended` (an `Ending`).
 */
export class Utterances extends EventTarget {
  /** @type {Map<string, "waiting" | "speaking">} */
  #all = new Map();
  /** Requests that the server has not answered. */
  #asked = 0;

  /** Whether one is being heard. */
  get speaking() {
    return [...this.#all.values()].includes("speaking");
  }

  /** How many are to come. */
  get waiting() {
    return [...this.#all.values()].filter((state) => state === "waiting").length;
  }

  /** Whether anything is said or to be said. */
  get any() {
    return this.#all.size + this.#asked > 0;
  }

  /**
   * Notes that something is asked for, until the request is through.
   * @param {Promise<void>} request
   */
  async expect(request) {
    this.#asked += 1;
    this.#tell("change");
    try {
      await request;
    } finally {
      this.#asked -= 1;
      this.#tell("change");
    }
  }

  /** @param {Record<string, unknown>} message of the data channel; types that are not known are passed over */
  hear(message) {
    const { type, utterance } = message;
    if (typeof utterance !== "string") return;
    if (type === "queued") this.#note(utterance, "waiting");
    else if (type === "started") this.#note(utterance, "speaking");
    else if (type === "caption") {
      const { start, text, final } = message;
      this.#tell("caption", { utterance, start: Number(start), text: String(text), final: final === true });
    } else if (type === "finished") {
      this.#all.delete(utterance);
      this.#tell("ended", { utterance, reason: String(message.reason), message: String(message.message ?? "") });
      this.#tell("change");
    }
  }

  /** Forgets all: the call they belonged to is over. */
  clear() {
    this.#all.clear();
    this.#tell("change");
  }

  /**
   * @param {string} utterance
   * @param {"waiting" | "speaking"} state
   */
  #note(utterance, state) {
    this.#all.set(utterance, state);
    this.#tell("change");
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
