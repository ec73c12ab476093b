// The words on the stage: what is going on, what went wrong, what to do. Read aloud as well.

import { make, the } from "./elements.js";

/** @typedef {"busy" | "said" | "problem"} Tone */
/** @typedef {{words: string, act: () => void}} Action */

export class Notice {
  #box = the("notice", HTMLElement);
  #title = the("notice-title", HTMLElement);
  #text = the("notice-text", HTMLElement);
  #count = the("notice-count", HTMLElement);
  #actions = the("notice-actions", HTMLElement);
  #spoken = the("spoken", HTMLElement);
  #spokenNow = the("spoken-now", HTMLElement);
  #timer = 0;
  /** What is shown is known by this name, so that only its own cause takes it away. */
  #topic = "";

  get topic() {
    return this.#box.hidden ? "" : this.#topic;
  }

  /**
   * @param {string} topic
   * @param {Tone} tone
   * @param {string} title
   * @param {string} [text]
   * @param {Action[]} [actions]
   */
  show(topic, tone, title, text = "", actions = []) {
    clearInterval(this.#timer);
    this.#topic = topic;
    this.#box.dataset.tone = tone;
    this.#title.textContent = title;
    this.#text.textContent = text;
    this.#count.textContent = "";
    this.#actions.replaceChildren(
      ...actions.map(({ words, act }) => {
        const button = make("button", "", words);
        button.type = "button";
        button.addEventListener("click", act);
        return button;
      }),
    );
    this.#box.hidden = false;
    this.say(text ? `${title}. ${text}` : title, tone === "problem");
  }

  /**
   * Counts down in the notice that is shown, then acts.
   * @param {number} seconds
   * @param {() => void} then
   * @param {(left: number) => string} [text] what the text says meanwhile; otherwise a figure is shown
   */
  countDown(seconds, then, text) {
    let left = Math.ceil(seconds);
    const tick = () => {
      if (left <= 0) {
        clearInterval(this.#timer);
        then();
        return;
      }
      if (text) this.#text.textContent = text(left);
      else this.#count.textContent = String(left);
      left -= 1;
    };
    clearInterval(this.#timer);
    this.#timer = window.setInterval(tick, 1000);
    tick();
  }

  /**
   * Shows something for a while only.
   * @param {string} topic
   * @param {string} title
   * @param {string} [text]
   * @param {number} [ms]
   */
  flash(topic, title, text = "", ms = 3500) {
    this.show(topic, "said", title, text);
    this.#timer = window.setTimeout(() => this.clear(topic), ms);
  }

  /** @param {string} [topic] only where this is shown; otherwise whatever is */
  clear(topic) {
    if (topic !== undefined && topic !== this.#topic) return;
    clearInterval(this.#timer);
    this.#box.hidden = true;
    this.#topic = "";
  }

  /**
   * Says something to a screen reader only.
   * @param {string} text
   * @param {boolean} [atOnce]
   */
  say(text, atOnce = false) {
    (atOnce ? this.#spokenNow : this.#spoken).textContent = text;
    (atOnce ? this.#spoken : this.#spokenNow).textContent = "";
  }
}
